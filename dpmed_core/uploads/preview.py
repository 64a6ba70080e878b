"""The preview of an import: counts of its rows, from the table alone, and some of its images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import column_title
from dpmed_core.cohort.intake.row_table import RowTable, SelectedRows, select_rows
from dpmed_core.cohort.intake.stored_side import stored_side
from dpmed_core.cohort.intake.what_is_read import FileKind, kinds_of_files, read_some
from dpmed_core.cohort.persons import patients_of_one_person
from dpmed_core.cohort.report import Problem
from dpmed_core.cohort.sources.remarks import remark_sentence
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.errors import UploadError
from dpmed_core.files import read_object
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.stored_format import form_of, picture_of

PROBLEMS_SHOWN = 200


@dataclass(frozen=True)
class ImportPreview:
    """The result of an import as far as it can be told from the table.

    Attributes:
        n_rows: rows of the table.
        n_usable: rows that will be read.
        n_patients: patients of these.
        n_without_age: usable rows for which the table has no age; DICOM headers may have one.
        n_without_sex: usable rows for which the table has no sex; DICOM headers may have one.
        findings: for each finding and co-morbidity its name, and the numbers of usable rows with it, without it and unknown.
        problems: the first problems of rows that will be left out.
        n_problems: number of problems by column.
        captions: of the preview's images: row and findings.
        unreadable: those of the preview's images that cannot be read, and why.
        kinds: every distinct kind of file, with how many files have it and the row of a first one.
        n_looked: files whose kind was looked at.
        readings: how each of the preview's images was read, with its row.
        remarks: what was assumed about rows of the table, one sentence each.
        one_person: rows of each group of patient identifiers that differ only in writing.
    """

    n_rows: int
    n_usable: int
    n_patients: int
    n_without_age: int
    n_without_sex: int
    findings: tuple[tuple[str, int, int, int], ...]
    problems: tuple[Problem, ...]
    n_problems: dict[str, int]
    captions: tuple[str, ...]
    unreadable: tuple[Problem, ...]
    kinds: tuple[FileKind, ...] = ()
    n_looked: int = 0
    readings: tuple[dict[str, Any], ...] = ()
    remarks: tuple[str, ...] = ()
    one_person: tuple[tuple[int, ...], ...] = ()

    def to_fields(self) -> dict[str, object]:
        """The preview as plain values for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> "ImportPreview":
        """The preview that was written to `path`.

        Raises:
            UploadError: it cannot be read.
        """
        try:
            return cls.from_fields(read_object(path))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UploadError("What the server stored of this preview cannot be read: cancel the import and start it again.") from None

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "ImportPreview":
        """The preview from the fields that `to_fields` returns, after a round trip through JSON."""
        problems = {name: tuple(Problem(**problem) for problem in fields[name]) for name in ("problems", "unreadable")}
        findings = tuple(tuple(counts) for counts in fields["findings"])
        kinds = tuple(FileKind(**kind) for kind in fields.get("kinds", ()))
        plain = {name: tuple(fields.get(name, ())) for name in ("captions", "readings", "remarks")}
        groups = tuple(tuple(rows) for rows in fields.get("one_person", ()))
        return cls(**{**fields, **problems, **plain, "findings": findings, "kinds": kinds, "one_person": groups})


def preview_import(
    source: Source, *, key: bytes, modality: Modality = Modality.RADIOGRAPH, pixels: int | None = None
) -> tuple[ImportPreview, NDArray[np.uint8]]:
    """(the preview of importing `source`, some of its images as 8-bit grey `[n, rows, columns]`: taken evenly from its rows,
    and one of each kind of file).

    Raises:
        CohortError: no row can be used.
    """
    rows = select_rows(source, key=key)
    row_table, side = rows.row_table, stored_side(rows.row_table, modality, pixels)
    kinds, firsts, n_looked = kinds_of_files(row_table)
    read = read_some(row_table, firsts, modality, side)
    shown = [one for one in read if one.stored is not None]
    labels = row_table.labels
    preview_summary = ImportPreview(
        n_rows=rows.n_rows,
        n_usable=len(row_table),
        n_patients=len(set(row_table.patients)),
        n_without_age=int(np.isnan(row_table.ages).sum()),
        n_without_sex=sum(sex is Sex.UNKNOWN for sex in row_table.sexes),
        findings=tuple((name, *_counts(labels[:, column])) for column, name in enumerate(row_table.columns)),
        problems=tuple(_first(rows.problems)),
        n_problems=dict(Counter(problem.column for problem in rows.problems)),
        captions=tuple(_caption(row_table, one.index) for one in shown),
        unreadable=tuple(Problem(one.row, "image", one.problem) for one in read if one.problem),
        kinds=tuple(kinds),
        n_looked=n_looked,
        readings=tuple(one.to_fields() for one in shown),
        remarks=(*source.notes, *(remark_sentence(name, len(found)) for name, found in sorted(rows.remarks.items()))),
        one_person=_one_person(rows) if source.patients_known else (),
    )
    images = [picture_of(one.stored.pixels) for one in shown if one.stored is not None]
    return preview_summary, np.stack(images) if images else np.zeros((0, *form_of(modality, side).shape[-2:]), np.uint8)


def _one_person(rows: SelectedRows) -> tuple[tuple[int, ...], ...]:
    """The rows of each group of patients whose identifiers differ only in writing."""
    patients = np.array(rows.row_table.patients, dtype=object)
    persons = {patient: rows.persons.get(patient, patient) for patient in set(rows.row_table.patients)}
    numbers = np.array(rows.row_table.rows)
    return tuple(tuple(map(int, numbers[np.isin(patients, group)])) for group in patients_of_one_person(patients, persons))


def _caption(row_table: RowTable, index: int) -> str:
    """The row of one image and its findings, in words."""
    present = [name for name, value in zip(row_table.columns, row_table.labels[index], strict=True) if value == 1]
    return f"row {row_table.rows[index]}: {', '.join(map(column_title, present)) or 'none of the findings'}"


def _counts(values: NDArray[np.float32]) -> tuple[int, int, int]:
    """The numbers of present, absent and unknown labels."""
    return int((values == 1).sum()), int((values == 0).sum()), int(np.isnan(values).sum())


def _first(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.row or 0)[:PROBLEMS_SHOWN]
