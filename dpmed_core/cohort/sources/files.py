"""Finding the files of a source."""

import os
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.errors import CohortError

PICTURES = (".png", ".jpg", ".jpeg")


def paths_by_name(root: Path, suffixes: Sequence[str] = PICTURES) -> dict[str, str]:
    """File name -> path relative to `root`, for every file with one of `suffixes`; of several files with one name, the first in order."""
    found: dict[str, str] = {}
    for path in files_below(root):
        if path.lower().endswith(tuple(suffixes)):
            found.setdefault(os.path.basename(path), path)  # noqa: PTH119 - 100,000 Paths are slow
    return found


def files_below(root: Path) -> list[str]:
    """Paths of all files below `root`, relative to it, in the order of `LC_ALL=C sort`; linked folders are not entered."""
    paths: list[str] = []
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root)
        paths.extend(name if below == "." else f"{below}/{name}" for name in names)
    return sorted(paths)


def first_file(root: Path, *names: str) -> Path | None:
    """The first of `names` that is a file in `root`; None if none is."""
    return next((root / name for name in names if (root / name).is_file()), None)


def required_file(root: Path, *names: str) -> Path:
    """The first of `names` that is a file in `root`.

    Raises:
        CohortError: none is.
    """
    found = first_file(root, *names)
    if found is None:
        raise CohortError(f"The folder has no file {names[0]!r}: give the folder in which the data set was unpacked.")
    return found
