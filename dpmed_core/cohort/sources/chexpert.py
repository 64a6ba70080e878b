"""CheXpert: `train.csv`, `valid.csv` and possibly `test.csv`, each beside a folder of the same name.

Source: Irvin et al. 2019, AAAI, doi 10.1609/aaai.v33i01.3301590; see docs/sources/chexpert.md.
"""

from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.files import first_file
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import UNCERTAIN_MEANING, Uncertain, ages, certain, column_name, part_by_patient, sexes
from dpmed_core.errors import CohortError
from dpmed_core.phrases import counted

LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
TABLES = {"train": ("train.csv",), "validation": ("valid.csv",), "test": ("test.csv", "test_labels.csv")}


def read_chexpert(request: ImportRequest) -> Source:
    """The images of CheXpert, or of its small version: fourteen labels, with uncertain ones treated as `request.uncertain` says.

    With `request.published_split`, the published validation studies (about 200, labelled by radiologists) and, if present, the published
    test studies form the test part, and about one in eight training patients is for validation.

    Raises:
        CohortError: the folder has no such table, a finding is unknown, or the request does not say what uncertain labels become.
    """
    uncertain = chosen_uncertain(request)
    tables = {part: path for part, names in TABLES.items() if (path := first_file(request.path, *names))}
    if "train" not in tables:
        raise CohortError("The folder has no file 'train.csv': give the folder of CheXpert that holds train.csv and train/.")
    source = pd.concat([_read(path, part) for part, path in tables.items()], ignore_index=True)
    source.index = pd.RangeIndex(2, 2 + len(source))  # rows are numbered through all tables as if they were one, header in line 1
    findings = chosen_findings(request.findings, [column_name(label) for label in LABELS])
    frontal = source["Frontal/Lateral"].str.strip().str.lower() == "frontal" if request.views is Views.FRONTAL else source["Path"] != ""
    table = _table(source[frontal], findings, uncertain, unmentioned="" if request.unmentioned_unknown else "0")
    if not request.published_split:
        table = table.drop(columns="split")
    return Source(
        TableRows(table, request.images or request.path, findings), findings, notes=tuple(_notes(request, int((~frontal).sum()), tables))
    )


def chosen_uncertain(request: ImportRequest) -> Uncertain:
    """What uncertain labels become.

    Raises:
        CohortError: the request does not say; results depend on it too much for a default.
    """
    if request.uncertain is None:
        raise CohortError("Some labels of this data set are uncertain: choose what they become with --uncertain ignore, zero or one.")
    return request.uncertain


def unmentioned_note(request: ImportRequest) -> str:
    """A note that says how unmentioned and uncertain findings were treated."""
    unmentioned = "unknown" if request.unmentioned_unknown else "absent"
    return (
        "The labels were extracted from reports by a program: a finding that a report does not mention counts as "
        f"{unmentioned}, and an uncertain one {UNCERTAIN_MEANING[request.uncertain] if request.uncertain else 'as it is'}."
    )


def _read(path: Path, part: str) -> pd.DataFrame:
    """The table at `path` with a column `part`; the published test table lacks sex, age and view."""
    table = read_table(path, called="table of the data set")
    if part == "test" and "Sex" not in table and "Path" in table:
        lateral = table["Path"].str.contains("lateral")
        table = table.assign(Sex="", Age="", **{"Frontal/Lateral": lateral.map({True: "Lateral", False: "Frontal"})})
    require_columns(table, ["Path", "Sex", "Age", "Frontal/Lateral", *LABELS], called="table of the data set")
    return table.assign(part="train" if part == "train" else "test")


def _table(source: pd.DataFrame, findings: tuple[str, ...], uncertain: Uncertain, *, unmentioned: str) -> pd.DataFrame:
    """The manifest's columns; paths lose the name of the data set's folder, and patients are read from the paths."""
    # The tables name paths below a folder whose name depends on the version: "CheXpert-v1.0-small/train/...".
    below = source["Path"].str.replace(r"^CheXpert-v1\.0[^/]*/", "", regex=True)
    patients = below.str.extract(r"(patient\d+)", expand=False).fillna("").astype(str)
    labels = {column_name(label): certain(source[label], uncertain, unmentioned=unmentioned) for label in LABELS}
    columns = {
        "image": below,
        "patient_id": patients,
        "age": ages(source["Age"]),
        "sex": sexes(source["Sex"]),
        "split": part_by_patient(patients).where(source["part"] == "train", "test"),
        **{name: labels[name] for name in findings},
    }
    return pd.DataFrame(columns, index=source.index)


def _notes(request: ImportRequest, n_lateral: int, tables: dict[str, Path]) -> list[str]:
    notes = [unmentioned_note(request)]
    if len(tables) > 1:
        notes.append(f"Rows are numbered through {', '.join(path.name for path in tables.values())} as if they were one table.")
    if n_lateral and request.views is Views.FRONTAL:
        notes.append(f"{counted(n_lateral, 'lateral image was', 'lateral images were')} left out; --views all reads them too.")
    return notes
