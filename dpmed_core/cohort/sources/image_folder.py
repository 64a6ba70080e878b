"""The folder of the images of a table: the file that a cell names, however it is written, and never one outside the folder."""

import os
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

FOREIGN_PATH, OTHER_WRITING = "paths_of_another_computer", "paths_in_another_writing"
"""Names of remarks about paths that were not read as they stand; see `remarks.ROW_REMARKS`."""
OUTSIDE = "leads out of the folder of images; move the file into it, or name another folder with --images."
MISSING = "names a file that does not exist; correct the path, or name its folder with --images."
MISSING_FOREIGN = (
    "is a path of another computer (a Windows drive or a network share), and no file below the folder of images fits it; give paths "
    "relative to that folder, or name the folder with --images."
)


@dataclass(frozen=True)
class FoundImage:
    """The file that a cell names.

    Attributes:
        path: its real path; None if there is none.
        problem: why there is none.
        remark: name of a remark about how it was found; empty if it stands under the very path.
    """

    path: str | None = field(repr=False)
    problem: str = ""
    remark: str = ""


@dataclass(eq=False)
class ImageFolder:
    """The folder to which image paths are relative and inside which they must stay, also through symbolic links.

    Resolving links is slow, so each subfolder is resolved once and remembered.

    Attributes:
        root: the folder.
    """

    root: Path = field(repr=False)
    _real: dict[str, str] = field(default_factory=dict, repr=False)
    _listed: dict[str, dict[str, str | None]] = field(default_factory=dict, repr=False)
    _foreign: tuple[str, ...] = field(default=(), repr=False)

    def find(self, text: str) -> FoundImage:
        """The file that `text` names.

        The path is tried as it stands; then with backslashes as separators; then without the drive or network share of another computer;
        then with names compared without regard to capital letters and to how Unicode composes accented letters.
        """
        path = self.locate(text)
        if path is not None and os.path.exists(path):  # noqa: PTH110 - a Path for each of a million rows is slow
            return FoundImage(path)
        windows = PureWindowsPath(text)
        if windows.drive:
            return self._find_foreign(windows)
        if path is None:
            return FoundImage(None, OUTSIDE)
        # A backslash may be part of a name here, so only where no such file exists it separates folders.
        if (path := self._in_another_writing(text.replace("\\", "/"))) is not None:
            return FoundImage(path, remark=OTHER_WRITING)
        return FoundImage(None, MISSING)

    def locate(self, text: str) -> str | None:
        """The real path of the file that `text` names; None if it leads out of the folder."""
        root = self._real_folder(str(self.root))
        # An absolute path in `text` replaces the root when joined; the check below then refuses it unless it lies inside.
        folder, name = os.path.split(os.path.join(root, text))  # noqa: PTH118
        path = os.path.join(self._real_folder(folder), name)  # noqa: PTH118
        if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114
            path = os.path.realpath(path)
        return path if path.startswith(root.rstrip(os.sep) + os.sep) else None

    def _find_foreign(self, path: PureWindowsPath) -> FoundImage:
        """The file of a path with a drive or network share: what follows the folder that stands for the folder of images.

        Which folder that is follows from the first path of which a part exists here, the longest one, and is then fixed: two different
        paths never become one file.
        """
        parts = path.parts
        known = len(self._foreign)
        if known and tuple(map(_comparable, parts[:known])) != self._foreign:
            return FoundImage(None, MISSING_FOREIGN)
        for start in [known] if known else range(1, len(parts)):
            if (found := self._in_another_writing("/".join(parts[start:]))) is not None:
                self._foreign = tuple(map(_comparable, parts[:start]))
                return FoundImage(found, remark=FOREIGN_PATH)
        return FoundImage(None, MISSING_FOREIGN)

    def _in_another_writing(self, text: str) -> str | None:
        """The real path of the file that `text` names, with each part compared by `_comparable`; None if there is none, or several."""
        folder = self._real_folder(str(self.root))  # absolute: `locate` joins what is relative to the root again
        for part in text.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                return None
            path = os.path.join(folder, part)  # noqa: PTH118
            if not os.path.exists(path):  # noqa: PTH110
                if (name := self._names_in(folder).get(_comparable(part))) is None:
                    return None
                path = os.path.join(folder, name)  # noqa: PTH118
            folder = path
        # Again through `locate`, which refuses what leads out by a symbolic link.
        return self.locate(folder)

    def _names_in(self, folder: str) -> dict[str, str | None]:
        """Comparable form -> name of everything in `folder`; None for a form that several names have."""
        if folder not in self._listed:
            names: dict[str, str | None] = {}
            for name in os.listdir(folder) if os.path.isdir(folder) else ():  # noqa: PTH112, PTH208
                form = _comparable(name)
                names[form] = None if form in names else name
            self._listed[folder] = names
        return self._listed[folder]

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]


def _comparable(name: str) -> str:
    """A name without regard to capital letters, and to whether accented letters are one character or two, as on macOS."""
    return normalize("NFC", normalize("NFC", name).casefold())
