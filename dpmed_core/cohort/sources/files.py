"""Finding the files of a source."""

import os
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.errors import CohortError

PICTURES = (".png", ".jpg", ".jpeg")


def paths_by_name(root: Path, suffixes: Sequence[str] = PICTURES) -> dict[str, str]:
    """File name -> path below `root`, for every file with one of `suffixes`; of files with one name the first in order."""
    found: dict[str, str] = {}
    for path in walked(root):
        if path.lower().endswith(tuple(suffixes)):
            found.setdefault(os.path.basename(path), path)  # noqa: PTH119 - a hundred thousand Paths are slow
    return found


def walked(root: Path) -> list[str]:
    """Paths of all files below `root`, relative to it, sorted as `LC_ALL=C sort` does; linked folders are not entered."""
    paths: list[str] = []
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root)
        paths.extend(name if below == "." else f"{below}/{name}" for name in names)
    return sorted(paths)


def first_file(root: Path, *names: str) -> Path | None:
    """The first of `names` that is a file in `root`."""
    return next((root / name for name in names if (root / name).is_file()), None)


def required_file(root: Path, *names: str) -> Path:
    """As `first_file`.

    Raises:
        CohortError: none of them is there.
    """
    found = first_file(root, *names)
    if found is None:
        raise CohortError(f"The folder has no file {names[0]!r}: give the folder in which the data set was unpacked.")
    return found
