"""The rows that are to be read, held column by column so that a million of them stay small."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.report import Problem
from dpmed_core.cohort.schema import CASE_COLUMNS, Part
from dpmed_core.cohort.sources.rows import Source, SourceRow
from dpmed_core.errors import CohortError
from dpmed_core.imaging.locations import HeldLocation, ImageLocation
from dpmed_core.imaging.modality import Sex
from dpmed_core.keyed_hash import keyed_digest, keyed_hex

RESERVED = (*CASE_COLUMNS, "digest", "part", "image")
"""Names of columns that tables of cases have beside findings and co-morbidities."""


@dataclass(eq=False)
class RowTable:
    """Rows to read; place i of each column is one image.

    Attributes:
        columns: findings, then co-morbidities.
        rows: line of each in its source.
        images: where the pixels are; files as text, which is a third of a `Path`.
        patients: keyed hashes; the source's identifiers are not held.
        ages: years; NaN where the source leaves it to the image's header.
        sexes: UNKNOWN where the source leaves it to the image's header.
        parts: None where the source gives no split.
        values: labels, row after row of `columns`.
    """

    columns: tuple[str, ...]
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    images: list[HeldLocation] = field(default_factory=list, repr=False)
    patients: list[str] = field(default_factory=list)
    ages: "array[float]" = field(default_factory=lambda: array("d"))
    sexes: list[Sex] = field(default_factory=list)
    parts: list[Part | None] = field(default_factory=list)
    values: "array[float]" = field(default_factory=lambda: array("f"))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.float32]:
        """Labels `[n, n_columns]`: 1, 0 or NaN for unknown."""
        return np.frombuffer(self.values, dtype=np.float32).reshape(len(self), len(self.columns))

    def add(self, row: SourceRow, patient: str) -> None:
        """Add one row under its patient's keyed hash."""
        assert row.image is not None
        self.rows.append(row.row)
        self.images.append(str(row.image) if isinstance(row.image, Path) else row.image)
        self.patients.append(patient)
        self.ages.append(np.nan if row.age is None else row.age)
        self.sexes.append(row.sex)
        self.parts.append(row.part)
        self.values.extend(row.values[name] for name in self.columns)

    def only(self, places: Sequence[int]) -> "RowTable":
        """The rows at `places` alone."""
        labels = self.labels[np.asarray(places, dtype=np.intp)]
        return RowTable(
            columns=self.columns,
            rows=array("q", (self.rows[i] for i in places)),
            images=[self.images[i] for i in places],
            patients=[self.patients[i] for i in places],
            ages=array("d", (self.ages[i] for i in places)),
            sexes=[self.sexes[i] for i in places],
            parts=[self.parts[i] for i in places],
            values=array("f", labels.tobytes()),
        )

    def digest(self, key: bytes, *options: str) -> str:
        """A keyed name for exactly this work: the rows with all that their source says, and `options`."""
        return keyed_digest(key, "row-table", *options, *self.columns, *self._content()).hex()[:24]

    def _content(self) -> Iterator[str | bytes]:
        yield self.rows.tobytes()
        yield self.ages.tobytes()
        yield self.values.tobytes()
        yield "|".join(self.patients)
        yield "|".join(self.sexes)
        yield "|".join(part or "" for part in self.parts)
        for image in self.images:
            yield image if isinstance(image, str) else image.identity


@dataclass(frozen=True, eq=False)
class Sorted:
    """A source's rows, sorted out.

    Attributes:
        n_rows: rows of the source.
        row_table: the rows to read.
        problems: what is wrong with the others.
        torn: rows of each patient whose rows name two splits.
    """

    n_rows: int
    row_table: RowTable
    problems: list[Problem]
    torn: tuple[tuple[int, ...], ...] = ()


def sort_out(source: Source, *, key: bytes) -> Sorted:
    """The rows of `source` that can be read, and the problems of the others.

    A patient whose rows name two splits is left out whole: either part would otherwise know that patient. This depends on that
    patient's own rows alone. Where some rows name a split, rows without one are left out.

    Raises:
        CohortError: no row can be read.
    """
    row_table = RowTable((*source.findings, *source.comorbidities))
    if reserved := sorted({*RESERVED} & {*row_table.columns}):
        raise CohortError(f"A finding or co-morbidity cannot be called {reserved[0]!r}, as other columns are: rename that column.")
    problems: list[Problem] = []
    parts: dict[str, Part | None] = {}
    hashes: dict[str, str] = {}
    n_rows = 0
    for row in source.rows:
        n_rows += 1
        patient = hashes.get(row.patient) or hashes.setdefault(row.patient, keyed_hex(key, "patient", row.patient))
        if row.part is not None and parts.setdefault(patient, row.part) is not row.part:
            parts[patient] = None
        if row.problems:
            problems.extend(row.problems)
        else:
            row_table.add(row, patient)
    torn: dict[str, list[int]] = {patient: [] for patient, part in parts.items() if part is None}
    kept = row_table.only(_keep(row_table, torn, problems)) if parts else row_table
    if not len(kept):
        raise nothing_left(n_rows, problems)
    return Sorted(n_rows, kept, problems, tuple(tuple(rows) for rows in torn.values() if rows))


def nothing_left(n_rows: int, problems: Sequence[Problem]) -> CohortError:
    """The error of a source of which no row can be used."""
    first = min(problems, key=lambda problem: problem.row or 0).sentence() if problems else "it has no rows."
    return CohortError(f"None of the {n_rows} rows can be used, so nothing was imported. The first problem: {first}")


def image_of(image: HeldLocation) -> ImageLocation:
    """The image of a row table as `read_image` takes it."""
    return Path(image) if isinstance(image, str) else image


def _keep(row_table: RowTable, torn: dict[str, list[int]], problems: list[Problem]) -> list[int]:
    """Places to read; the rows of patients in two splits go into `torn`, and what is wrong with the others is added to `problems`."""
    split_given = any(part is not None for part in row_table.parts)
    kept = []
    for place, (row, patient, part) in enumerate(zip(row_table.rows, row_table.patients, row_table.parts, strict=True)):
        if patient in torn:
            torn[patient].append(row)
        elif split_given and part is None:
            problems.append(Problem(row, "split", "is blank while other rows name a split; fill it in, or leave the column out."))
        else:
            kept.append(place)
    problems.extend(Problem(rows[0], "split", _torn_message(len(rows))) for rows in torn.values() if rows)
    return kept


def _torn_message(n_rows: int) -> str:
    return f"this row's patient stands in two splits; all {n_rows} rows of the patient are left out: give them one split."
