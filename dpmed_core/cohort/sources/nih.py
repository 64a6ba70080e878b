"""NIH ChestX-ray14: `Data_Entry_2017*.csv` and folders of PNG pictures.

Source: Wang et al. 2017, CVPR, doi 10.1109/CVPR.2017.369; see docs/sources/nih-chestxray14.md.
"""

import pandas as pd

from dpmed_core.cohort.sources.files import first_file, paths_by_name, required_file
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import ages, column_name, part_by_patient, sexes
from dpmed_core.errors import CohortError

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
NO_FINDING = "No Finding"
ABNORMAL = "abnormal"
TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
TRAINING_LIST, TEST_LIST = "train_val_list.txt", "test_list.txt"
PATIENT_DIGITS = 8


def read_nih(request: ImportRequest) -> Source:
    """The images of the NIH's chest data set: the fourteen findings, and "abnormal" (any finding) where it is asked for.

    With `request.published_split` the test list is the test part; of the training-and-validation list every eighth patient
    or so is for validation.

    Raises:
        CohortError: the folder has no such table, or a finding is unknown.
    """
    source = read_table(required_file(request.path, *TABLES), called="table of the data set")
    require_columns(source, ["Image Index", "Finding Labels", "Patient ID", "Patient Age"], called="table of the data set")
    findings = chosen_findings(request.findings, [*map(column_name, LABELS), *([ABNORMAL] if ABNORMAL in request.findings else [])])
    table = _table(source, paths_by_name(request.images or request.path))
    table["patient_id"] = source["Patient ID"].str.strip().str.zfill(PATIENT_DIGITS)
    if request.published_split:
        table["split"] = _parts(request, source["Image Index"], table["patient_id"])
    given = pd.Series(source["Patient Age"].str.strip() != "")
    n_impossible = int((given & (table["age"] == "")).sum())
    notes = (f"{n_impossible} ages are above 120 years and count as unknown.",) if n_impossible else ()
    return Source(TableRows(table, request.images or request.path, findings), findings, notes=notes)


def _table(source: pd.DataFrame, paths: dict[str, str]) -> pd.DataFrame:
    labels = source["Finding Labels"].str.strip()
    padded = "|" + labels + "|"
    columns = {
        "image": source["Image Index"].map(lambda name: paths.get(name, name)),
        "age": ages(source["Patient Age"]),
        "sex": sexes(source["Patient Gender"] if "Patient Gender" in source else source["Patient Sex"]),
        ABNORMAL: (labels != NO_FINDING).map({True: "1", False: "0"}),
        **{column_name(label): padded.str.contains(f"|{label}|", regex=False).map({True: "1", False: "0"}) for label in LABELS},
    }
    return pd.DataFrame(columns, index=source.index)


def _parts(request: ImportRequest, images: "pd.Series[str]", patients: "pd.Series[str]") -> "pd.Series[str]":
    lists = [first_file(request.path, name) for name in (TRAINING_LIST, TEST_LIST)]
    if lists[0] is None or lists[1] is None:
        raise CohortError(f"The folder has no {TRAINING_LIST} and {TEST_LIST}: add them, or leave out --published-split.")
    training, test = (set(path.read_text().split()) for path in lists if path is not None)
    parts = part_by_patient(patients).where(images.isin(training), "")
    return parts.where(~images.isin(test), "test")
