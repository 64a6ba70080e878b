"""RSNA Pneumonia Detection Challenge 2018: `stage_2_train_labels.csv` and `stage_2_train_images/<patientId>.dcm`.

Source: Shih et al. 2019, Radiol Artif Intell 1:e180041, doi 10.1148/ryai.2019180041; see docs/sources/rsna-pneumonia.md.
"""

import json
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.files import first_file, required_file
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rows import PATIENTS_UNKNOWN, Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.errors import CohortError

LABELS = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
MAPPINGS = "pneumonia-challenge-dataset-mappings_2018.json"
IMAGES = "stage_2_train_images"
OPACITY, NORMAL = "lung_opacity", "normal"
NAME_OF_NORMAL = "Normal"


def read_rsna(request: ImportRequest) -> Source:
    """The images of the challenge: its target "lung_opacity", and "normal", from the table of detailed classes, if it is requested.

    The challenge's `patientId` names an image, not a patient. Patients are known if the published mapping to ChestX-ray14 is in
    the folder; otherwise each image counts as a patient of its own. Age and sex are taken from the DICOM headers.

    Raises:
        CohortError: a table is missing or damaged, or a finding is unknown.
    """
    source = read_table(required_file(request.path, LABELS), called="table of labels")
    require_columns(source, ["patientId", "Target"], called="table of labels")
    # The table has a row per box: an image with several boxes becomes one row.
    images = source.drop_duplicates("patientId").assign(opacity=source.groupby("patientId")["Target"].transform("max"))
    known = [OPACITY, *([NORMAL] if NORMAL in request.findings else [])]
    findings = chosen_findings(request.findings, known)
    patients = _patients(request.path)
    columns = {
        "image": f"{IMAGES}/" + images["patientId"] + ".dcm",
        "patient_id": images["patientId"] if patients is None else images["patientId"].map(lambda image: patients.get(image, "")),
        OPACITY: images["opacity"],
        **({NORMAL: _normal(request.path, images["patientId"])} if NORMAL in findings else {}),
    }
    return Source(
        TableRows(pd.DataFrame(columns, index=images.index), request.images or request.path, findings),
        findings,
        patients_known=patients is not None,
        notes=() if patients is not None else (f"{PATIENTS_UNKNOWN} Put {MAPPINGS} into the folder to identify patients.",),
    )


def _normal(folder: Path, images: "pd.Series[str]") -> "pd.Series[str]":
    classes = read_table(required_file(folder, CLASSES), called="table of classes")
    require_columns(classes, ["patientId", "class"], called="table of classes")
    normal = set(classes.loc[classes["class"] == NAME_OF_NORMAL, "patientId"])
    return images.isin(normal).map({True: "1", False: "0"})


def _patients(folder: Path) -> dict[str, str] | None:
    """Image -> patient of ChestX-ray14, which is the first part of its file name; None without the published mapping."""
    path = first_file(folder, MAPPINGS)
    if path is None:
        return None
    try:
        return {str(entry["subset_img_id"]): str(entry["img_id"]).partition("_")[0] for entry in json.loads(path.read_text())}
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        raise CohortError(f"The file {MAPPINGS} is damaged: download it again, or remove it.") from None
