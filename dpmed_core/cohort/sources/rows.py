"""The rows that an adapter passes to the importer: each describes an image, or says what is wrong with it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpmed_core.cohort.report import Problem
from dpmed_core.cohort.schema import STUDY_ORDER, Part
from dpmed_core.cohort.sources.cells import age_of, is_blank, is_uncertain, label_of, order_of, part_of, sex_of
from dpmed_core.cohort.sources.image_folder import ImageFolder
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.imaging.locations import ImageLocation
from dpmed_core.imaging.modality import Sex

PATIENTS_UNKNOWN = (
    "The source does not say which images are one patient's: each image counts as a patient of its own, and the privacy guarantee holds "
    "for single images only (unit image)."
)
"""The note of a source with `patients_known` False."""

Note = Callable[[str, str], None]
"""Records a problem: column, message."""


@dataclass(frozen=True)
class SourceRow:
    """One image as its source describes it.

    Attributes:
        row: line of the source's table, its header being line 1; if the source has no table, the number of the image, from 1.
        image: location of the pixels; None if the row has problems.
        patient: the source's identifier, held only during the import.
        age: years; None to take it from the image's header.
        sex: UNKNOWN to take it from the image's header.
        part: None if the source has no split.
        values: findings and co-morbidities by column: 1, 0 or NaN for unknown.
        problems: what is wrong; a row with problems is left out.
        remarks: names, in `remarks.ROW_REMARKS`, of what was read otherwise than it stands.
        order: grows with the time of the study, within one patient; None if it is unknown. Only ranks are stored of it.
    """

    row: int
    image: ImageLocation | None = field(repr=False)
    patient: str = field(repr=False)
    age: float | None
    sex: Sex
    part: Part | None
    values: Mapping[str, float]
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()
    order: float | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as its adapter read it.

    Attributes:
        rows: one per image, in the source's order; can be iterated over several times.
        findings: columns of `SourceRow.values` to predict.
        comorbidities: columns of `SourceRow.values` that describe the patient.
        patients_known: False if the source does not say which images are one patient's.
        notes: what the user should know about this source, one sentence each, for the import report.
        kind: the adapter that read it; empty where none did.
        size: rows and columns of all its images; None where that is not known before they are read.
    """

    rows: Iterable[SourceRow] = field(repr=False)
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...] = ()
    patients_known: bool = True
    notes: tuple[str, ...] = ()
    kind: str = ""
    size: tuple[int, int] | None = None


def parse_row(
    row: int, record: Mapping[str, str], *, folder: ImageFolder, columns: Sequence[str], uncertain: Uncertain | None = None
) -> SourceRow:
    """The row that `record` describes, with every problem found in it.

    Only what an image needs is a problem: its file, its patient, its labels and its part of the split. An age, a sex or a study order that
    cannot be read is unknown, and the row has a remark.

    Args:
        row: its line.
        record: text by column: image, patient_id, `columns`, and possibly age, sex, split and study_order.
        folder: to which the image's path is relative.
        columns: findings and co-morbidities.
        uncertain: what uncertain labels become; None if they are problems.
    """
    problems: list[Problem] = []
    remarks: list[str] = []

    def note(column: str, message: str) -> None:
        problems.append(Problem(row, column, message))

    patient = record["patient_id"].strip()
    if is_blank(patient):
        note("patient_id", "is blank; give every image an identifier of its patient.")
    image, of_path = _image(record["image"].strip(), folder, note)
    age, of_age = age_of(record.get("age", "").strip())
    sex, of_sex = sex_of(record.get("sex", "").strip())
    order, of_order = order_of(record.get(STUDY_ORDER, "").strip())
    remarks.extend(filter(None, (of_path, of_age, of_sex, of_order)))
    return SourceRow(
        row=row,
        image=image,
        patient=patient,
        age=age,
        sex=sex,
        part=_part(record.get("split", "").strip(), note),
        values={name: _label(name, record[name].strip(), uncertain, note) for name in columns},
        problems=tuple(problems),
        remarks=tuple(remarks),
        order=order,
    )


def _image(text: str, folder: ImageFolder, note: Note) -> tuple[Path | None, str]:
    """The image's path, None where that is a problem, and the name of a remark about it."""
    if is_blank(text):
        note("image", "is blank; name the image file.")
        return None, ""
    found = folder.find(text)
    if found.path is None:
        note("image", found.problem)
        return None, ""
    return Path(found.path), found.remark


def _part(text: str, note: Note) -> Part | None:
    if is_blank(text):
        return None
    if (part := part_of(text)) is None:
        note("split", "is none of train, validation and test; correct it.")
    return part


def _label(name: str, text: str, uncertain: Uncertain | None, note: Note) -> float:
    label = label_of(text, uncertain)
    if label is not None:
        return label
    if is_uncertain(text):
        note(name, "is uncertain (-1 in CheXpert and MIMIC-CXR); say what that becomes with --uncertain ignore, zero or one.")
    else:
        note(name, "is neither 0 (absent), 1 (present) nor blank (unknown); correct it.")
    return math.nan
