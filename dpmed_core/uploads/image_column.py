"""The image that a table's cell names, wherever in the folder it lies. No path leaves its root."""

import os
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

import pandas as pd

from dpmed_core.uploads.limits import PACKED_VOLUME

ASSUMED_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".nii.gz", ".nii", ".mha")


def relative_paths(cells: "pd.Series[str]", *, root: Path, table_folder: Path) -> "pd.Series[str]":
    """For each cell, the path relative to `root` of the file or folder that it names; the cell itself if there is none.

    A cell may be a path relative to the table's folder or to `root`, or only the name of a file or folder anywhere in `root`; the suffix of
    a file may be missing.
    """
    prefix = table_folder.relative_to(root)
    names = cells.unique()
    paths = {name: _direct(name, root, prefix) for name in names}
    if any(path is None for path in paths.values()):  # walking through the whole folder is slow, so only if it is needed
        by_name = _by_name(root)
        paths = {name: path or _named(name, by_name) for name, path in paths.items()}
    return cells.map({name: path or name for name, path in paths.items()})


def _direct(name: str, root: Path, prefix: Path) -> str | None:
    """The path of a file, or else of a folder, that `name` is as a path from `prefix` or `root`; None if there is none."""
    # An absolute path would replace the root when joined to it. Backslashes separate folders where the table comes from Windows.
    name = name if PureWindowsPath(name).drive else name.replace("\\", "/")
    if not name or ".." in Path(name).parts or Path(name).is_absolute():
        return None
    files = (str(start / f"{name}{suffix}") for start in (prefix, Path()) for suffix in ASSUMED_SUFFIXES)
    folders = (str(start / name) for start in (prefix, Path()))
    found = next((path for path in files if (root / path).is_file()), None)
    return found or next((path for path in folders if (root / path).is_dir() and path != "."), None)


def _by_name(root: Path) -> dict[str, str | None]:
    """The path, relative to `root`, of each file by its name with and without suffix, and of each folder by its name.

    A name that occurs twice has None: it is ambiguous. A file takes precedence over a folder of the same name.
    """
    files_found: dict[str, str | None] = {}
    folders_found: dict[str, str | None] = {}
    for folder, folders, files in os.walk(root):
        for file in files:
            path = str((Path(folder) / file).relative_to(root))
            for name in {_one_form(name) for name in (file, Path(file).stem, file.removesuffix(PACKED_VOLUME))}:
                files_found[name] = None if name in files_found else path
        for name in folders:
            form = _one_form(name)
            folders_found[form] = None if form in folders_found else str((Path(folder) / name).relative_to(root))
    return {**folders_found, **files_found}


def _named(cell: str, by_name: dict[str, str | None]) -> str | None:
    """The path of the file or folder whose name is the last part of `cell`."""
    return None if ".." in PureWindowsPath(cell).parts else by_name.get(_one_form(PureWindowsPath(cell).name))


def _one_form(name: str) -> str:
    """A name with accented letters as one character each: macOS writes two."""
    return normalize("NFC", name)
