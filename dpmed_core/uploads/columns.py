"""The meaning of a table's columns: guesses for the user to correct, and the rows that the corrected map describes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.cells import is_blank, is_uncertain, label_of, order_of, part_of, sex_of
from dpmed_core.cohort.sources.rows import PATIENTS_UNKNOWN, Source
from dpmed_core.cohort.sources.tables import Table, TableRows, plain_name, sampled
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.errors import UploadError
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.picture import PICTURE_SUFFIXES
from dpmed_core.uploads.image_column import relative_paths

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd")
IMAGE_SUFFIXES = (*PICTURE_SUFFIXES, ".dcm", ".dicom", *VOLUME_SUFFIXES)
NAMES = {
    "image": (
        "image",
        "imagepath",
        "path",
        "imageindex",
        "imageid",
        "filename",
        "file",
        "filepath",
        "dicom",
        "dicompath",
        "series",
        "scan",
        "volume",
        "folder",
    ),
    "patient": ("patientid", "patient", "subjectid", "subject", "pid", "mrn", "personid", "caseid"),
    "age": ("age", "patientage", "ageyears", "ageatstudy", "ageinyears", "alter"),
    "sex": ("sex", "gender", "patientsex", "patientgender", "geschlecht"),
    "study_order": ("studyorder", "studydate", "followup", "followupnumber", "examdate", "studynumber"),
    "split": ("split", "set", "part", "partition", "subset", "dataset"),
}
"""Names of columns, lower case and without punctuation, by what they usually mean, the most likely first."""
COMORBIDITIES = frozenset(
    ("copd", "diabetes", "hypertension", "heartfailure", "chf", "ckd", "obesity", "asthma", "cancer", "smoker", "smoking", "dialysis")
)
SAMPLE = 2000
"""Rows whose content the guesses are based on."""


@dataclass(frozen=True)
class ColumnMap:
    """The columns of a table by their meaning.

    Attributes:
        image: path or name of the image file.
        patient: identifier of the patient; None if the table has none, and every image then counts as a patient of its own.
        age: years; None to take it from DICOM headers.
        sex: None to take it from DICOM headers.
        split: None for DPMed's own assignment.
        findings: to predict.
        comorbidities: that describe the patient.
        uncertain: what uncertain labels (-1) become; None if they are problems of their rows.
        study_order: number or date that puts a patient's studies into their order; None if the table has none.
    """

    image: str | None
    patient: str | None
    age: str | None
    sex: str | None
    split: str | None
    findings: tuple[str, ...] = ()
    comorbidities: tuple[str, ...] = ()
    uncertain: Uncertain | None = None
    study_order: str | None = None

    def to_fields(self) -> dict[str, object]:
        """The map as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "ColumnMap":
        """The map from the fields that `to_fields` returns, after a round trip through JSON."""
        names = {role: tuple(fields[role]) for role in ("findings", "comorbidities")}
        return cls(**{**fields, **names, "uncertain": Uncertain(said) if (said := fields.get("uncertain")) else None})


@dataclass(frozen=True, eq=False)
class TableFacts:
    """What the import page needs to know about a table.

    Attributes:
        columns: its columns, in order.
        labels: the columns that hold only labels: present, absent or unknown.
        guess: of the columns' meaning.
        n_rows: number of rows.
        uncertain: those of the columns `labels` that hold uncertain labels.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    guess: ColumnMap
    n_rows: int = field(default=0)
    uncertain: tuple[str, ...] = ()


def table_facts(path: Path) -> TableFacts:
    """The columns of the table at `path`, and guesses of their meaning from names and contents.

    Raises:
        CohortError: the table cannot be read.
    """
    table = Table.open(path)
    sample, n_rows = sampled(table, SAMPLE)
    columns = tuple(dict.fromkeys(table.columns))
    labels = tuple(name for name in columns if _holds_labels(sample[name]))
    chosen: dict[str, Any] = {role: _named(columns, names) for role, names in NAMES.items()}
    # Contents are better evidence than names: a column of file names is one whatever it is called.
    chosen["image"] = _holding_images(sample, columns) or chosen["image"]
    # "set" or "part" may mean anything, so the values must be those of a split; likewise for the sex.
    chosen["split"] = chosen["split"] if chosen["split"] and _holds(sample[chosen["split"]], part_of) else None
    chosen["sex"] = chosen["sex"] if chosen["sex"] and _holds(sample[chosen["sex"]], lambda text: sex_of(text)[1] == "") else None
    order = chosen["study_order"]
    chosen["study_order"] = order if order and _holds(sample[order], lambda text: order_of(text)[1] == "") else None
    free = [name for name in labels if name not in chosen.values()]
    comorbidities = tuple(name for name in free if plain_name(name) in COMORBIDITIES)
    guess = ColumnMap(**chosen, findings=tuple(name for name in free if name not in comorbidities), comorbidities=comorbidities)
    uncertain = tuple(name for name in labels if any(is_uncertain(text.strip()) for text in sample[name].unique()))
    return TableFacts(columns, labels, guess, n_rows, uncertain)


def likely_modality(table_path: Path, image: str | None, *, root: Path) -> Modality:
    """The modality that the first cell of column `image` suggests: CT if it names a folder or the file of a volume, else radiographs.

    Raises:
        CohortError: the table cannot be read.
    """
    table = Table.open(table_path)
    if image is None or image not in table.columns:
        return Modality.RADIOGRAPH
    cells = sampled(table, SAMPLE, [image])[0][image].str.strip()
    for path in relative_paths(cells[cells != ""].head(1), root=root, table_folder=table_path.parent):
        if path.lower().endswith(VOLUME_SUFFIXES) or (root / path).is_dir():
            return Modality.CT
    return Modality.RADIOGRAPH


def mapped_source(table_path: Path, columns: ColumnMap, *, root: Path) -> Source:
    """The rows of the table at `table_path`, with the columns that `columns` says; image files are searched in `root`.

    Raises:
        CohortError: the table cannot be read.
        UploadError: a column is missing or has two meanings.
    """
    described = {"age": columns.age, "sex": columns.sex, "split": columns.split, STUDY_ORDER: columns.study_order}
    used = [columns.image, columns.patient, *described.values(), *columns.findings, *columns.comorbidities]
    named = [name for name in used if name is not None]
    file = Table.open(table_path)
    _refuse_unusable(named, file.columns, columns)
    table = file.read(named)
    mapped = {"image": relative_paths(table[columns.image].str.strip(), root=root, table_folder=table_path.parent)}
    # Without a column of patients, the row number makes each image a patient of its own.
    mapped["patient_id"] = table[columns.patient] if columns.patient else table.index.to_series().astype(str)
    mapped |= {role: table[name] for role, name in described.items() if name}
    mapped |= {name: table[name] for name in (*columns.findings, *columns.comorbidities)}
    labels = (*columns.findings, *columns.comorbidities)
    notes = () if columns.patient else (PATIENTS_UNKNOWN,)
    rows = TableRows(pd.DataFrame(mapped, index=table.index), root, labels, columns.uncertain)
    return Source(rows, columns.findings, columns.comorbidities, patients_known=columns.patient is not None, notes=notes)


def _refuse_unusable(used: Sequence[str], names: Sequence[str], columns: ColumnMap) -> None:
    """Check that the map names the image files and a finding, and each of its columns exactly once.

    Raises:
        UploadError: it does not.
    """
    if columns.image is None:
        raise UploadError("No column was chosen for the image files: choose the one that holds their paths or names.")
    if not columns.findings:
        raise UploadError("No finding was chosen: choose at least one column to predict.")
    for name in used:
        if names.count(name) != 1:
            raise UploadError(f"Column {name!r} {'occurs twice' if name in names else 'is missing'} in the table: correct the table.")
        if used.count(name) > 1:
            raise UploadError(f"Column {name!r} is chosen twice: choose it for one meaning.")


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the first of `names` that occurs, ignoring case and punctuation; None if none occurs."""
    plain = {plain_name(column): column for column in reversed(columns)}  # reversed: of two such columns, the first one is used
    return next((plain[name] for name in names if name in plain), None)


def _holding_images(sample: pd.DataFrame, columns: Sequence[str]) -> str | None:
    """The first column in which more than 90 % of the cells end like image files."""
    return next((name for name in columns if sample[name].str.lower().str.strip().str.endswith(IMAGE_SUFFIXES).mean() > 0.9), None)


def _holds(column: pd.Series, is_known: Callable[[str], object]) -> bool:
    """Whether every cell that is not blank is known."""
    return all(is_blank(text) or is_known(text) for text in column.str.strip().unique())


def _holds_labels(column: pd.Series) -> bool:
    """Whether every cell is a label, an uncertain one too, and not all are blank."""
    texts = set(column.str.strip().unique())
    return not all(map(is_blank, texts)) and all(is_uncertain(text) or label_of(text) is not None for text in texts)
