"""The rows that an adapter passes to the importer: each describes an image, or says what is wrong with it."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpmed_core.cohort.report import Problem
from dpmed_core.cohort.schema import Part
from dpmed_core.imaging.dicom.ages import MAX_AGE_YEARS
from dpmed_core.imaging.locations import ImageLocation
from dpmed_core.imaging.modality import Sex

SEXES = {
    **dict.fromkeys(("f", "female", "w"), Sex.FEMALE),
    **dict.fromkeys(("m", "male"), Sex.MALE),
    **dict.fromkeys(("o", "other"), Sex.OTHER),
    **dict.fromkeys(("", "unknown", "u"), Sex.UNKNOWN),
}
PARTS = {"train": Part.TRAIN, **dict.fromkeys(("validation", "val", "valid"), Part.VALIDATION), "test": Part.TEST}
LABELS = {"": math.nan, "0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0}

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
    """

    row: int
    image: ImageLocation | None = field(repr=False)
    patient: str = field(repr=False)
    age: float | None
    sex: Sex
    part: Part | None
    values: Mapping[str, float]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as its adapter read it.

    Attributes:
        rows: one per image, in the source's order; can be iterated over several times.
        findings: columns of `SourceRow.values` to predict.
        comorbidities: columns of `SourceRow.values` that describe the patient.
        patients_known: False if the source does not say which images are one patient's.
        notes: what the user should know about this source, one sentence each, for the import report.
    """

    rows: Iterable[SourceRow] = field(repr=False)
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...] = ()
    patients_known: bool = True
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class ImageFolder:
    """The folder to which image paths are relative and inside which they must stay, also through symbolic links.

    Resolving links is slow, so each subfolder is resolved once and remembered.

    Attributes:
        root: the folder.
    """

    root: Path = field(repr=False)
    _real: dict[str, str] = field(default_factory=dict, repr=False)

    def locate(self, text: str) -> str | None:
        """The real path of the file that `text` names; None if it leads out of the folder."""
        root = self._real_folder(str(self.root))
        # An absolute path in `text` replaces the root when joined; the check below then refuses it unless it lies inside.
        folder, name = os.path.split(os.path.join(root, text))  # noqa: PTH118
        path = os.path.join(self._real_folder(folder), name)  # noqa: PTH118
        if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114
            path = os.path.realpath(path)
        return path if path.startswith(root.rstrip(os.sep) + os.sep) else None

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]


def parse_row(row: int, record: Mapping[str, str], *, folder: ImageFolder, columns: Sequence[str]) -> SourceRow:
    """The row that `record` describes, with every problem found in it.

    Args:
        row: its line.
        record: text by column: image, patient_id, `columns`, and possibly age, sex and split.
        folder: to which the image's path is relative.
        columns: findings and co-morbidities.
    """
    problems: list[Problem] = []

    def note(column: str, message: str) -> None:
        problems.append(Problem(row, column, message))

    patient = record["patient_id"].strip()
    if not patient:
        note("patient_id", "is blank; give every image an identifier of its patient.")
    return SourceRow(
        row=row,
        image=_image(record["image"].strip(), folder, note),
        patient=patient,
        age=_age(record.get("age", "").strip(), note),
        sex=_sex(record.get("sex", "").strip(), note),
        part=_part(record.get("split", "").strip(), note),
        values={name: _label(name, record[name].strip(), note) for name in columns},
        problems=tuple(problems),
    )


def _image(text: str, folder: "ImageFolder", note: Note) -> Path | None:
    if not text:
        note("image", "is blank; name the image file.")
        return None
    path = folder.locate(text)
    if path is None:
        note("image", "leads out of the folder of images; move the file into it, or name another folder with --images.")
    elif not os.path.exists(path):  # noqa: PTH110 - a Path for each of a million rows is slow
        note("image", "names a file that does not exist; correct the path, or name its folder with --images.")
    else:
        return Path(path)
    return None


def _age(text: str, note: Note) -> float | None:
    if not text:
        return None
    try:
        age = float(text)
    except ValueError:
        note("age", "is not a number of years; correct it or leave it blank.")
        return None
    if not 0 <= age <= MAX_AGE_YEARS:
        note("age", f"is {age:g}, outside 0 to {MAX_AGE_YEARS} years; correct it or leave it blank.")
        return None
    return age


def _sex(text: str, note: Note) -> Sex:
    if text.lower() not in SEXES:
        note("sex", "is none of F, M, other and blank; correct it or leave it blank.")
    return SEXES.get(text.lower(), Sex.UNKNOWN)


def _part(text: str, note: Note) -> Part | None:
    if text and text.lower() not in PARTS:
        note("split", "is none of train, validation and test; correct it.")
    return PARTS.get(text.lower())


def _label(name: str, text: str, note: Note) -> float:
    if text not in LABELS:
        note(name, "is neither 0 (absent), 1 (present) nor blank (unknown); correct it.")
    return LABELS.get(text, math.nan)
