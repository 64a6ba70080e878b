"""NIH ChestX-ray14: `Data_Entry_2017*.csv` and folders of PNG images.

Source: Wang et al. 2017, CVPR, doi 10.1109/CVPR.2017.369; see docs/sources/nih-chestxray14.md.
"""

import pandas as pd

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.files import first_file, paths_by_name, required_file
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import ages, column_name, part_by_patient, sexes
from dpmed_core.errors import CohortError
from dpmed_core.imaging.dicom.ages import MAX_AGE_YEARS
from dpmed_core.phrases import counted

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
    """The images of ChestX-ray14: the fourteen findings, and "abnormal" (any finding) if it is requested.

    With `request.published_split`, the test list is the test part; of the training-and-validation list, about one in eight
    patients is for validation.

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
    ages_above = counted(n_impossible, f"age above {MAX_AGE_YEARS} years counts", f"ages above {MAX_AGE_YEARS} years count")
    notes = (f"{ages_above} as unknown.",) if n_impossible else ()
    return Source(TableRows(table, request.images or request.path, findings), findings, notes=notes)


def _table(source: pd.DataFrame, paths: dict[str, str]) -> pd.DataFrame:
    """The manifest's columns, with all fourteen findings and "abnormal"."""
    labels = source["Finding Labels"].str.strip()
    padded = "|" + labels + "|"  # so that a label is found only as a whole: "Mass" is not in "|Massive|"
    columns = {
        "image": source["Image Index"].map(lambda name: paths.get(name, name)),
        "age": ages(source["Patient Age"]),
        "sex": sexes(source["Patient Gender"] if "Patient Gender" in source else source["Patient Sex"]),
        **({STUDY_ORDER: source["Follow-up #"]} if "Follow-up #" in source else {}),
        ABNORMAL: (labels != NO_FINDING).map({True: "1", False: "0"}),
        **{column_name(label): padded.str.contains(f"|{label}|", regex=False).map({True: "1", False: "0"}) for label in LABELS},
    }
    return pd.DataFrame(columns, index=source.index)


def _parts(request: ImportRequest, images: "pd.Series[str]", patients: "pd.Series[str]") -> "pd.Series[str]":
    """The published part of each image; blank if it is in neither list."""
    lists = [first_file(request.path, name) for name in (TRAINING_LIST, TEST_LIST)]
    if lists[0] is None or lists[1] is None:
        raise CohortError(f"The folder lacks {TRAINING_LIST} or {TEST_LIST}: add both, or leave out --published-split.")
    training, test = (set(path.read_text().split()) for path in lists if path is not None)
    parts = part_by_patient(patients).where(images.isin(training), "")
    return parts.where(~images.isin(test), "test")
