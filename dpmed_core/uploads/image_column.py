"""Finding files: the folders and tables that the page offers, and the image that a table's cell names. No path leaves its root."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from dpmed_core.errors import UploadError
from dpmed_core.uploads.limits import DEFAULT_LIMITS, PACKED_VOLUME, Limits

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".xlsx")
TABLE_DEPTH, FOLDER_DEPTH = 3, 2
MOST_OFFERED = 200
ASSUMED_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".dcm", ".nii.gz", ".nii", ".mha")


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


def folders_under(root: Path) -> list[str]:
    """Paths of the folders in `root`, itself as ".", to a depth of `FOLDER_DEPTH`, at most `MOST_OFFERED`; links are not followed.

    Raises:
        UploadError: `root` is not a folder.
    """
    if not root.is_dir():
        raise UploadError("The setting DPMED_IMPORT_DIR does not name a folder: tell the administrator, or upload a ZIP archive.")
    found = ["."]
    for folder, depth in _folders(root):
        if depth and len(found) < MOST_OFFERED:
            found.append(str(folder.relative_to(root)))
    return sorted(found)


def tables_under(root: Path) -> list[str]:
    """Paths of the tables in `root`, to a depth of `TABLE_DEPTH`, the most likely manifest first."""
    found: list[Path] = []
    for folder, _ in _folders(root, depth=TABLE_DEPTH):
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


def _folders(root: Path, *, depth: int = FOLDER_DEPTH) -> Iterator[tuple[Path, int]]:
    """The folders in `root` with their depth, breadth first, beginning with `root`; hidden folders are left out."""
    waiting = [(root, 0)]
    while waiting:
        folder, level = waiting.pop(0)
        yield folder, level
        if level < depth:
            with os.scandir(folder) as entries:
                inside = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
            waiting += [(folder / name, level + 1) for name in inside[:MOST_OFFERED]]


def _direct(name: str, root: Path, prefix: Path) -> str | None:
    """The path of a file, or else of a folder, that `name` is as a path from `prefix` or `root`; None if there is none."""
    # An absolute path would replace the root when joined to it.
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
            for name in {file, Path(file).stem, file.removesuffix(PACKED_VOLUME)}:
                files_found[name] = None if name in files_found else path
        for name in folders:
            folders_found[name] = None if name in folders_found else str((Path(folder) / name).relative_to(root))
    return {**folders_found, **files_found}


def _named(cell: str, by_name: dict[str, str | None]) -> str | None:
    """The path of the file or folder whose name is the last part of `cell`."""
    return None if ".." in Path(cell).parts else by_name.get(Path(cell).name)
