"""Measurements that are kept with their cohort: a sealed file each, for the cohort's data, replaced when it is measured again.

What was measured of models that begin at a public start stands beside what was measured of models from scratch.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from dpmed_core.errors import CohortError
from dpmed_core.files import UnreadableFileError
from dpmed_core.sealed_files import read_sealed, write_sealed
from dpmed_core.training.spec import StartChoice

T = TypeVar("T")
START = "start"
"""The field of the public start; absent from scratch."""


def file_of(name: str, start: StartChoice | None) -> str:
    """The file of a measurement of models that begin at `start`; `name` from scratch.

    >>> file_of("exposure.json", None), file_of("exposure.json", StartChoice("phantoms", "", ()))
    ('exposure.json', 'exposure-phantoms.json')
    """
    return name if start is None else f"{name.removesuffix('.json')}-{start.name}.json"


def start_fields(start: StartChoice | None) -> dict[str, object]:
    """What a measurement keeps of its start."""
    return {} if start is None else {START: asdict(start)}


def start_from_fields(fields: dict[str, Any]) -> StartChoice | None:
    """The start that `start_fields` kept, which is taken out of `fields`."""
    kept_start = fields.pop(START, None)
    return None if kept_start is None else StartChoice.from_fields(kept_start)


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
