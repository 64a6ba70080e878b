"""Which column of a table means what: guesses to correct by hand, and the rows that the corrected map describes."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dpmed_core.cohort.sources.rows import LABELS, PARTS, SEXES, Source
from dpmed_core.cohort.sources.tables import TableRows, read_table
from dpmed_core.cohort.sources.values import ages
from dpmed_core.errors import UploadError
from dpmed_core.imaging.image import PICTURE_SUFFIXES
from dpmed_core.imaging.modality import Modality
from dpmed_core.uploads.image_column import relative_paths
from dpmed_core.uploads.limits import MIB

TRUTH = {
    **dict.fromkeys(("yes", "y", "true", "positive", "pos", "present"), "1"),
    **dict.fromkeys(("no", "n", "false", "negative", "neg", "absent"), "0"),
    **dict.fromkeys(("unknown", "na", "n/a", "nan", "none"), ""),
}
"""Words for 1, 0 and unknown that tables use."""
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
    "split": ("split", "set", "part", "partition", "subset", "dataset"),
}
COMORBIDITIES = frozenset(
    ("copd", "diabetes", "hypertension", "heartfailure", "chf", "ckd", "obesity", "asthma", "cancer", "smoker", "smoking", "dialysis")
)
SAMPLE = 2000
LARGEST_TABLE_BYTES = 100 * MIB


@dataclass(frozen=True)
class ColumnMap:
    """Which column of a table holds what.

    Attributes:
        image: path or name of the image file.
        patient: who; None where the table does not say, and every image then counts as a patient of its own.
        age: years; None to take it from DICOM headers.
        sex: None to take it from DICOM headers.
        split: None for an assignment of our own.
        findings: to predict.
        comorbidities: that describe the patient.
    """

    image: str | None
    patient: str | None
    age: str | None
    sex: str | None
    split: str | None
    findings: tuple[str, ...] = ()
    comorbidities: tuple[str, ...] = ()

    def to_fields(self) -> dict[str, object]:
        """The map as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "ColumnMap":
        """The map that `to_fields` took apart."""
        return cls(**{**fields, "findings": tuple(fields["findings"]), "comorbidities": tuple(fields["comorbidities"])})


@dataclass(frozen=True, eq=False)
class TableFacts:
    """What the page needs of a table.

    Attributes:
        columns: its columns, in order.
        labels: those that hold nothing but yes, no and blank.
        guess: which column seems to mean what.
        n_rows: its rows.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    guess: ColumnMap
    n_rows: int = field(default=0)


def table_facts(path: Path) -> TableFacts:
    """The columns of the table at `path`, and guesses at what they mean, from names and contents.

    Raises:
        CohortError: the table cannot be read.
        UploadError: it is too large to be looked at by a page.
    """
    if path.stat().st_size > LARGEST_TABLE_BYTES:
        raise UploadError(f"The table is larger than {LARGEST_TABLE_BYTES // MIB} MiB: import it by the command line.")
    table = read_table(path)
    sample = table.iloc[:: max(1, len(table) // SAMPLE)]
    columns = tuple(dict.fromkeys(map(str, table.columns)))
    labels = tuple(name for name in columns if _holds_labels(sample[name]))
    chosen = {role: _named(columns, names) for role, names in NAMES.items()}
    chosen["image"] = _holding_images(sample, columns) or chosen["image"]
    chosen["split"] = chosen["split"] if chosen["split"] and _holds(sample[chosen["split"]], PARTS) else None
    chosen["sex"] = chosen["sex"] if chosen["sex"] and _holds(sample[chosen["sex"]], SEXES) else None
    free = [name for name in labels if name not in chosen.values()]
    comorbidities = tuple(name for name in free if _plain(name) in COMORBIDITIES)
    guess = ColumnMap(**chosen, findings=tuple(name for name in free if name not in comorbidities), comorbidities=comorbidities)
    return TableFacts(columns, labels, guess, len(table))


def likely_modality(table_path: Path, image: str | None, *, root: Path) -> Modality:
    """CT where the first cell of column `image` means a folder or a volume's file, else radiographs.

    Raises:
        CohortError: the table cannot be read.
    """
    table = read_table(table_path)
    cells = table[image].str.strip() if image in table.columns else pd.Series([], dtype=str)
    for place in relative_paths(cells[cells != ""].head(1), root=root, table_folder=table_path.parent):
        if place.lower().endswith(VOLUME_SUFFIXES) or (root / place).is_dir():
            return Modality.CT
    return Modality.RADIOGRAPH


def mapped_source(table_path: Path, columns: ColumnMap, *, root: Path) -> Source:
    """The rows of the table at `table_path`, its columns meaning what `columns` says; image files are sought in `root`.

    Raises:
        CohortError: the table cannot be read.
        UploadError: a column is missing or named for two things.
    """
    table = read_table(table_path)
    used = [columns.image, columns.patient, columns.age, columns.sex, columns.split, *columns.findings, *columns.comorbidities]
    _refuse_unusable([name for name in used if name is not None], table, columns)
    mapped = {"image": relative_paths(table[columns.image].str.strip(), root=root, table_folder=table_path.parent)}
    mapped["patient_id"] = table[columns.patient] if columns.patient else table.index.to_series().astype(str)
    if columns.age:
        years = ages(table[columns.age])
        mapped["age"] = years.where(years != "", table[columns.age])
    for role, name in (("sex", columns.sex), ("split", columns.split)):
        if name:
            mapped[role] = table[name]
    for name in (*columns.findings, *columns.comorbidities):
        mapped[name] = table[name].map({text: TRUTH.get(text.strip().lower(), text) for text in table[name].unique()})
    labels = (*columns.findings, *columns.comorbidities)
    notes = () if columns.patient else ("The table does not say which images are one patient's: only the unit image can be promised.",)
    rows = TableRows(pd.DataFrame(mapped, index=table.index), root, labels)
    return Source(rows, columns.findings, columns.comorbidities, patients_known=columns.patient is not None, notes=notes)


def _refuse_unusable(used: Sequence[str], table: pd.DataFrame, columns: ColumnMap) -> None:
    if columns.image is None:
        raise UploadError("No column was named for the image files: choose the one that holds their paths or names.")
    if not columns.findings:
        raise UploadError("No finding was chosen: choose at least one column to predict.")
    names = list(map(str, table.columns))
    for name in used:
        if names.count(name) != 1:
            raise UploadError(f"Column {name!r} {'stands twice' if name in names else 'is missing'} in the table: correct the table.")
        if used.count(name) > 1:
            raise UploadError(f"Column {name!r} is chosen for two things: choose it once.")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the likeliest of `names`, whatever its capitals and punctuation."""
    plain = {_plain(column): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), None)


def _holding_images(sample: pd.DataFrame, columns: Sequence[str]) -> str | None:
    return next((name for name in columns if sample[name].str.lower().str.strip().str.endswith(IMAGE_SUFFIXES).mean() > 0.9), None)


def _holds(column: pd.Series, known: dict[str, Any]) -> bool:
    return {str(value).strip().lower() for value in column.unique()} <= {"", *known}


def _holds_labels(column: pd.Series) -> bool:
    values = {TRUTH.get(text, text) for text in (str(value).strip().lower() for value in column.unique())}
    return values <= set(LABELS) and bool(values - {""})
