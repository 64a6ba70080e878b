"""Measurements that are kept with their cohort: a sealed file each, for the cohort's data, replaced when it is measured again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dpmed_core.errors import CohortError
from dpmed_core.files import UnreadableFileError
from dpmed_core.sealed_files import read_sealed, write_sealed

T = TypeVar("T")


def keep(path: Path, fields: Mapping[str, object], *, owner: str) -> None:
    """Replace what is kept in `path`.

    Args:
        path: the file.
        fields: what was measured, as JSON values.
        owner: names the data that it was measured on, e.g. the cohort's fingerprint.
    """
    write_sealed(path, fields, owner)


def kept(path: Path, made: Callable[[dict[str, Any]], T], *, owner: str) -> T | None:
    """What was kept in `path`; None where nothing was.

    Args:
        path: the file.
        made: the measurement of the fields that were kept; fails with any `ValueError`, `TypeError` or `LookupError` on others.
        owner: as when it was kept.

    Raises:
        CohortError: it cannot be read, was changed, or was measured on other data.
    """
    try:
        return made(read_sealed(path, owner))
    except UnreadableFileError as error:
        if error.is_missing:
            return None
        why = f" {error}"
    except (LookupError, TypeError, ValueError):
        why = " does not hold a measurement"
    raise CohortError(f"What was measured of these patients cannot be read: {path.name}{why}. Measure it again.")
