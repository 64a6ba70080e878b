"""The rows to read, held column by column: objects per row would take several times the memory of a million rows."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.identifiers import person_of_identifier
from dpmed_core.cohort.report import Problem
from dpmed_core.cohort.schema import CASE_COLUMNS, STUDY_ORDER, Part
from dpmed_core.cohort.sources.rows import Source, SourceRow
from dpmed_core.errors import CohortError
from dpmed_core.imaging.locations import HeldLocation, ImageLocation
from dpmed_core.imaging.modality import Sex
from dpmed_core.keyed_hash import keyed_digest, keyed_hex
from dpmed_core.phrases import counted

RESERVED = (*CASE_COLUMNS, STUDY_ORDER, "digest", "part", "image")
"""Names of columns that tables of cases have besides findings and co-morbidities."""


@dataclass(eq=False)
class RowTable:
    """The rows to read; element i of each attribute but `columns` and `values` belongs to image i.

    Attributes:
        columns: findings, then co-morbidities.
        rows: line of each image in its source.
        images: locations of the pixels, with paths as text.
        patients: keyed hashes; the source's identifiers are not held.
        ages: years; NaN to take it from the image's header.
        sexes: UNKNOWN to take it from the image's header.
        parts: None if the source has no split.
        values: labels, row after row, in the order of `columns`.
        orders: numbers that grow with the time of a patient's studies; NaN if it is unknown.
    """

    columns: tuple[str, ...]
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    images: list[HeldLocation] = field(default_factory=list, repr=False)
    patients: list[str] = field(default_factory=list)
    ages: "array[float]" = field(default_factory=lambda: array("d"))
    sexes: list[Sex] = field(default_factory=list)
    parts: list[Part | None] = field(default_factory=list)
    values: "array[float]" = field(default_factory=lambda: array("f"))
    orders: "array[float]" = field(default_factory=lambda: array("d"), repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.float32]:
        """Labels `[n, n_columns]`: 1 = present, 0 = absent, NaN = unknown."""
        return np.frombuffer(self.values, dtype=np.float32).reshape(len(self), len(self.columns))

    def add(self, row: SourceRow, patient: str) -> None:
        """Add one row, with the patient as a keyed hash."""
        assert row.image is not None
        self.rows.append(row.row)
        self.images.append(str(row.image) if isinstance(row.image, Path) else row.image)
        self.patients.append(patient)
        self.ages.append(np.nan if row.age is None else row.age)
        self.sexes.append(row.sex)
        self.parts.append(row.part)
        self.values.extend(row.values[name] for name in self.columns)
        self.orders.append(np.nan if row.order is None else row.order)

    def only(self, indices: Sequence[int]) -> "RowTable":
        """A table of the rows at `indices`."""
        labels = self.labels[np.asarray(indices, dtype=np.intp)]
        return RowTable(
            columns=self.columns,
            rows=array("q", (self.rows[i] for i in indices)),
            images=[self.images[i] for i in indices],
            patients=[self.patients[i] for i in indices],
            ages=array("d", (self.ages[i] for i in indices)),
            sexes=[self.sexes[i] for i in indices],
            parts=[self.parts[i] for i in indices],
            values=array("f", labels.tobytes()),
            orders=array("d", (self.orders[i] for i in indices)),
        )

    def digest(self, key: bytes, *options: str) -> str:
        """A keyed name for exactly this work: all content of the rows, and `options`."""
        return keyed_digest(key, "row-table", *options, *self.columns, *self._content()).hex()[:24]

    def _content(self) -> Iterator[str | bytes]:
        yield self.rows.tobytes()
        yield self.ages.tobytes()
        yield self.values.tobytes()
        if not np.isnan(self.orders).all():  # where nothing is known, an import that an earlier version began goes on
            yield self.orders.tobytes()
        yield "|".join(self.patients)
        yield "|".join(self.sexes)
        yield "|".join(part or "" for part in self.parts)
        for image in self.images:
            yield image if isinstance(image, str) else image.identity


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The rows of a source that can be read, and the problems of the others.

    Attributes:
        n_rows: number of rows of the source.
        row_table: the rows to read.
        problems: of the other rows.
        split_conflicts: rows of each patient whose rows name different parts of the split.
        persons: the person of each patient (both as keyed hashes) whose identifier is not written in the comparable form; every other
            patient's person is its own hash.
        remarks: rows that were read otherwise than they stand, by the name of the remark.
    """

    n_rows: int
    row_table: RowTable
    problems: list[Problem]
    split_conflicts: tuple[tuple[int, ...], ...] = ()
    persons: dict[str, str] = field(default_factory=dict, repr=False)
    remarks: "dict[str, array[int]]" = field(default_factory=dict, repr=False)


def select_rows(source: Source, *, key: bytes, one_writing: bool = False) -> SelectedRows:
    """The rows of `source` that can be read, and the problems of the others.

    A patient whose rows name different parts is left out entirely: otherwise a model would be tested on a patient that it was trained on.
    This depends on that patient's own rows alone. If some rows name a part, rows without one are left out.

    Args:
        source: whose rows.
        key: of keyed hashes.
        one_writing: compare patients' identifiers by their comparable form: those that differ only in writing are one patient's.

    Raises:
        CohortError: no row can be read, or a column has a reserved name.
    """
    row_table = RowTable((*source.findings, *source.comorbidities))
    if reserved := sorted({*RESERVED} & {*row_table.columns}):
        raise CohortError(f"A finding or co-morbidity cannot be called {reserved[0]!r}, the name of another column: rename that column.")
    problems: list[Problem] = []
    parts: dict[str, Part | None] = {}  # of each patient; None once two rows disagree
    hashes: dict[str, str] = {}
    persons: dict[str, str] = {}
    remarks: dict[str, array[int]] = {}
    n_rows = 0
    for row in source.rows:
        n_rows += 1
        if (patient := hashes.get(row.patient)) is None:
            person = person_of_identifier(row.patient, key=key)
            patient = hashes[row.patient] = person if one_writing else keyed_hex(key, "patient", row.patient)
            # The identifier is known here alone. Only what differs is kept: there may be a million patients.
            if person != patient:
                persons[patient] = person
        # Rows with problems count here too: a patient in two parts is left out even if one of the rows is unusable.
        if row.part is not None and parts.setdefault(patient, row.part) is not row.part:
            parts[patient] = None
        if row.problems:
            problems.extend(row.problems)
        else:
            row_table.add(row, patient)
            for remark in row.remarks:
                remarks.setdefault(remark, array("q")).append(row.row)
    split_conflicts: dict[str, list[int]] = {patient: [] for patient, part in parts.items() if part is None}
    # The conflicts are known only after the last row, so rows are removed afterwards.
    kept = row_table.only(_keep(row_table, split_conflicts, problems)) if parts else row_table
    if not len(kept):
        raise no_usable_row(n_rows, problems)
    return SelectedRows(n_rows, kept, problems, tuple(tuple(rows) for rows in split_conflicts.values() if rows), persons, remarks)


class NoUsableRowError(CohortError):
    """No row of a source can be used.

    Attributes:
        n_rows: of the source.
        problems: of its rows.
    """

    def __init__(self, message: str, n_rows: int, problems: Sequence[Problem]) -> None:
        """The error with `message`, about `problems` of `n_rows` rows."""
        super().__init__(message)
        self.n_rows, self.problems = n_rows, tuple(problems)


def no_usable_row(n_rows: int, problems: Sequence[Problem]) -> NoUsableRowError:
    """The error of a source without a usable row."""
    if not problems:
        return NoUsableRowError("The source has no rows, so nothing was imported: check that it is the right one.", 0, ())
    first = min(problems, key=lambda problem: problem.row or 0).sentence()
    none = f"None of the {counted(n_rows, 'row', 'rows')} can"
    return NoUsableRowError(f"{none} be used, so nothing was imported. The first problem: {first}", n_rows, problems)


def image_of(image: HeldLocation) -> ImageLocation:
    """The image location that `read_image` expects, from the one that a row table holds."""
    return Path(image) if isinstance(image, str) else image


def _keep(row_table: RowTable, split_conflicts: dict[str, list[int]], problems: list[Problem]) -> list[int]:
    """The indices of the rows to read; fills `split_conflicts` with rows of patients in two parts, and adds to `problems`."""
    split_given = any(part is not None for part in row_table.parts)
    kept = []
    for index, (row, patient, part) in enumerate(zip(row_table.rows, row_table.patients, row_table.parts, strict=True)):
        if patient in split_conflicts:
            split_conflicts[patient].append(row)
        elif split_given and part is None:
            problems.append(Problem(row, "split", "is blank while other rows name a part; fill it in, or remove the column."))
        else:
            kept.append(index)
    problems.extend(Problem(rows[0], "split", _conflict_message(len(rows))) for rows in split_conflicts.values() if rows)
    return kept


def _conflict_message(n_rows: int) -> str:
    left_out = counted(n_rows, "row of the patient is", "rows of the patient are")
    return f"the patient of this row is in two parts of the split, so {left_out} left out: give all rows of a patient the same part."
