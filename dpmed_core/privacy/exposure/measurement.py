"""What shadow trainings found, kept with the cohort: the attack on each training patient at each budget, and the rows made of it.

Of each public start there is one, and one of models from scratch.

No shadow model is kept, and no identifier: patients stand in the order of their identifiers in the training part, which the cohort tells.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.files import UnreadableFileError, check_fields
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.group_exposure import GroupExposure
from dpmed_core.privacy.kept import file_of, keep, kept, start_fields, start_from_fields
from dpmed_core.training.spec import StartChoice

Floats = NDArray[np.float64]
FILE = "exposure.json"
"""Of models from scratch."""
DIGITS = 6
"""Decimals of a stored AUC: far below its standard error."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """How exposed the training patients of a cohort were found to be.

    Attributes:
        recipe: that was trained.
        recipe_version: its version.
        split_seed: of the split whose training part was measured; None for the source's own.
        n_trainings: of each row.
        rows: one for each budget and unit.
        aucs: the attack's AUC on each patient, `[n_rows, n_patients]`, patients in the order of their identifiers.
        start: the public start of the trainings; None from scratch.
    """

    recipe: str
    recipe_version: int
    split_seed: int | None
    n_trainings: int
    rows: tuple[ExposureRow, ...]
    aucs: Floats = field(repr=False)
    start: StartChoice | None = None

    def at(self, unit: str, epsilon: float | None, delta: float | None) -> int | None:
        """The number of the row of this unit and budget; None where it was not measured."""
        wanted = (unit, epsilon, delta)
        return next((at for at, row in enumerate(self.rows) if (row.unit, row.epsilon, row.delta) == wanted), None)

    def row(self, unit: str, epsilon: float | None, delta: float | None) -> ExposureRow | None:
        """The row of this unit and budget; None where it was not measured."""
        at = self.at(unit, epsilon, delta)
        return None if at is None else self.rows[at]


def write_measurement(folder: Path, measurement: Measurement, *, fingerprint: str) -> None:
    """Replace what is kept in `folder`, of the cohort with this fingerprint, by `measurement`."""
    fields = {
        "recipe": measurement.recipe,
        "recipe_version": measurement.recipe_version,
        "split_seed": measurement.split_seed,
        "n_trainings": measurement.n_trainings,
        "rows": [row.to_fields() for row in measurement.rows],
        "aucs": measurement.aucs.round(DIGITS).tolist(),
        **start_fields(measurement.start),
    }
    keep(folder / file_of(FILE, measurement.start), fields, owner=fingerprint)


def read_measurement(folder: Path, *, fingerprint: str, start: StartChoice | None = None) -> Measurement | None:
    """What `write_measurement` kept of trainings from `start`; None where nothing was measured.

    Raises:
        CohortError: what is there cannot be read, or was changed.
    """
    found = kept(folder / file_of(FILE, start), _measurement, owner=fingerprint)
    return found if found is not None and found.start == start else None


def check_measurement(path: Path, *, fingerprint: str) -> None:
    """Check that what `write_measurement` kept in `path` can be read; raises as `read_measurement` does."""
    kept(path, _measurement, owner=fingerprint)


def _measurement(fields: dict[str, Any]) -> Measurement:
    split_seed, start = fields.pop("split_seed", None), start_from_fields(fields)
    check_fields(fields, {"recipe": str, "recipe_version": int, "n_trainings": int, "rows": list, "aucs": list})
    rows, aucs = tuple(_row(row) for row in fields["rows"]), np.array(fields["aucs"], dtype=float)
    if aucs.shape != (len(rows), rows[0].n_patients):
        raise UnreadableFileError("does not hold an AUC for each patient")
    return Measurement(fields["recipe"], fields["recipe_version"], split_seed, fields["n_trainings"], rows, aucs, start)


def _row(fields: dict[str, Any]) -> ExposureRow:
    return ExposureRow(**{**fields, "groups": tuple(GroupExposure(**group) for group in fields["groups"])})
