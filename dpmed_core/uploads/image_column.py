"""Finding files: folders and tables that may be offered, and the image that a cell of a table means. No path leaves its root."""

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
    """The folder `relative` to `root`, every step of which is a real folder inside it.

    Raises:
        UploadError: it is none, or leads out, or passes through a symbolic link.
    """
    folder = root
    for part in Path(relative).parts:
        folder = folder / part
        if part == ".." or Path(part).is_absolute() or folder.is_symlink() or not folder.is_dir():
            raise UploadError("This is no folder that can be imported from: choose one from the list.")
    return folder


def folders_under(root: Path) -> list[str]:
    """Paths of the folders in `root`, itself as ".", to a small depth and number; symbolic links are not followed.

    Raises:
        UploadError: `root` is no folder.
    """
    if not root.is_dir():
        raise UploadError("The setting DPMED_IMPORT_DIR names no folder: tell the administrator, or upload a ZIP archive.")
    found = ["."]
    for folder, depth in _folders(root):
        if depth and len(found) < MOST_OFFERED:
            found.append(str(folder.relative_to(root)))
    return sorted(found)


def tables_under(root: Path) -> list[str]:
    """Paths of the tables in `root`, to a small depth and number, the likeliest manifest first."""
    found: list[Path] = []
    for folder, _ in _folders(root, depth=TABLE_DEPTH):
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(TABLE_SUFFIXES) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path).relative_to(root))
        if len(found) >= MOST_OFFERED:
            break
    return [str(path) for path in sorted(found, key=lambda path: (len(path.parts), "manifest" not in path.name.lower(), path))]


def refuse_links(root: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise an UploadError where `root` holds a symbolic link at any depth, or more than a page should import."""
    count = 0
    for folder, folders, files in os.walk(root):
        count += len(folders) + len(files)
        if count > limits.folder_entries:
            raise UploadError(f"The folder holds more than {limits.folder_entries:,} files: import it by the command line.")
        if any((Path(folder) / name).is_symlink() for name in (*folders, *files)):
            raise UploadError("The folder holds symbolic links, which could lead anywhere: replace them by the files themselves.")


def relative_paths(cells: "pd.Series[str]", *, root: Path, table_folder: Path) -> "pd.Series[str]":
    """For each cell, the path from `root` of the file or folder that it means; the cell itself where there is none.

    A cell is a path from the table's folder or from `root`, or the mere name of a file or folder anywhere in `root`; a file's suffix may be
    missing.
    """
    prefix = table_folder.relative_to(root)
    names = cells.unique()
    places = {name: _direct(name, root, prefix) for name in names}
    if any(place is None for place in places.values()):
        by_name = _by_name(root)
        places = {name: place or _named(name, by_name) for name, place in places.items()}
    return cells.map({name: place or name for name, place in places.items()})


def _folders(root: Path, *, depth: int = FOLDER_DEPTH) -> Iterator[tuple[Path, int]]:
    """The folders in `root` with their depth, `root` first."""
    waiting = [(root, 0)]
    while waiting:
        folder, level = waiting.pop(0)
        yield folder, level
        if level < depth:
            with os.scandir(folder) as entries:
                inside = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
            waiting += [(folder / name, level + 1) for name in inside[:MOST_OFFERED]]


def _direct(name: str, root: Path, prefix: Path) -> str | None:
    if not name or ".." in Path(name).parts or Path(name).is_absolute():
        return None
    files = (str(start / f"{name}{suffix}") for start in (prefix, Path()) for suffix in ASSUMED_SUFFIXES)
    folders = (str(start / name) for start in (prefix, Path()))
    found = next((place for place in files if (root / place).is_file()), None)
    return found or next((place for place in folders if (root / place).is_dir() and place != "."), None)


def _by_name(root: Path) -> dict[str, str | None]:
    """The path from `root` of each file by its name, with and without suffix, and of each folder that no file is named like.

    None where a name occurs twice.
    """
    files_found: dict[str, str | None] = {}
    folders_found: dict[str, str | None] = {}
    for folder, folders, files in os.walk(root):
        for file in files:
            place = str((Path(folder) / file).relative_to(root))
            for name in {file, Path(file).stem, file.removesuffix(PACKED_VOLUME)}:
                files_found[name] = None if name in files_found else place
        for name in folders:
            folders_found[name] = None if name in folders_found else str((Path(folder) / name).relative_to(root))
    return {**folders_found, **files_found}


def _named(cell: str, by_name: dict[str, str | None]) -> str | None:
    return None if ".." in Path(cell).parts else by_name.get(Path(cell).name)
