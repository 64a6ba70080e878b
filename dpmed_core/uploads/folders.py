"""The folders and tables under a folder of the server, as the page offers them. No path leaves its root, no link is followed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.errors import UploadError
from dpmed_core.uploads.limits import DEFAULT_LIMITS, Limits

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".xlsx")
TABLE_DEPTH = 3
MOST_OFFERED = 200
MOST_COUNTED = 100_000


@dataclass(frozen=True)
class FolderContents:
    """What one folder holds, itself and not below.

    Attributes:
        folders: names of the folders in it, sorted, at most `MOST_OFFERED`; hidden ones and links are left out.
        n_files: number of files that are no tables.
        tables: names of the tables in it, sorted.
    """

    folders: tuple[str, ...]
    n_files: int
    tables: tuple[str, ...]


def contents_of(root: Path, relative: str) -> FolderContents:
    """What the folder `relative` to `root` holds.

    Raises:
        UploadError: it does not exist, leads out of `root`, or passes through a symbolic link.
    """
    if not root.is_dir():
        raise UploadError("The setting DPMED_IMPORT_DIR does not name a folder: tell the administrator, or upload a ZIP archive.")
    folders, tables, n_files = [], [], 0
    with os.scandir(folder_under(root, relative)) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif not entry.is_file(follow_symlinks=False):
                continue
            elif entry.name.lower().endswith(TABLE_SUFFIXES):
                tables.append(entry.name)
            elif n_files < MOST_COUNTED:
                n_files += 1
    return FolderContents(tuple(sorted(folders)[:MOST_OFFERED]), n_files, tuple(sorted(tables)))


def folder_under(root: Path, relative: str) -> Path:
    """The folder `relative` to `root`, each part of which is a real folder.

    Raises:
        UploadError: it does not exist, leads out of `root`, or passes through a symbolic link.
    """
    folder = root
    # Checked part by part: resolving the whole path would follow links before they can be refused.
    for part in Path(relative).parts:
        folder = folder / part
        if part == ".." or Path(part).is_absolute() or folder.is_symlink() or not folder.is_dir():
            raise UploadError("Images cannot be imported from this folder: choose one from the list.")
    return folder


def tables_under(root: Path) -> list[str]:
    """Paths of the tables in `root`, to a depth of `TABLE_DEPTH`, the most likely manifest first."""
    found: list[Path] = []
    for folder, _ in _folders(root):
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(TABLE_SUFFIXES) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path).relative_to(root))
        if len(found) >= MOST_OFFERED:
            break
    # Tables near the root first, and among them those called manifest.
    return [str(path) for path in sorted(found, key=lambda path: (len(path.parts), "manifest" not in path.name.lower(), path))]


def refuse_links(root: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Check that `root` holds no symbolic link at any depth, and no more entries than the page may import.

    Raises:
        UploadError: it does.
    """
    count = 0
    for folder, folders, files in os.walk(root):
        count += len(folders) + len(files)
        if count > limits.folder_entries:
            raise UploadError(f"The folder holds more than {limits.folder_entries:,} files: import it with the command line.")
        if any((Path(folder) / name).is_symlink() for name in (*folders, *files)):
            raise UploadError("The folder holds symbolic links, which could lead out of it: replace them by the files themselves.")


def _folders(root: Path, *, depth: int = TABLE_DEPTH) -> Iterator[tuple[Path, int]]:
    """The folders in `root` with their depth, breadth first, beginning with `root`; hidden folders are left out."""
    waiting = [(root, 0)]
    while waiting:
        folder, level = waiting.pop(0)
        yield folder, level
        if level < depth:
            with os.scandir(folder) as entries:
                inside = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
            waiting += [(folder / name, level + 1) for name in inside[:MOST_OFFERED]]
