"""PadChest: `PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv` and numbered folders of 16-bit PNG images.

Source: Bustos et al. 2020, Med Image Anal 66:101797, doi 10.1016/j.media.2020.101797; see docs/sources/padchest.md.
"""

import re
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.files import paths_by_name
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import age_text, column_name, other_views_note, sexes
from dpmed_core.errors import CohortError
from dpmed_core.phrases import counted

COLUMNS = ["ImageID", "ImageDir", "StudyDate_DICOM", "PatientID", "PatientBirth", "PatientSex_DICOM", "Projection", "Labels"]
COMMON = (
    "cardiomegaly",
    "pleural effusion",
    "pneumonia",
    "atelectasis",
    "infiltrates",
    "consolidation",
    "nodule",
    "mass",
    "pneumothorax",
    "emphysema",
    "pulmonary fibrosis",
    "hiatal hernia",
)
"""The findings that are read unless others are named; any label of the data set can be named."""
FRONTAL = ("PA", "AP", "AP_horizontal")
UNUSABLE = ("exclude", "suboptimal study")
LABEL = re.compile(r"""'([^']*)'|"([^"]*)\"""")


def read_padchest(request: ImportRequest) -> Source:
    """The images of PadChest; age is the year of the study minus the year of birth.

    Raises:
        CohortError: the folder has no such table, or no image has one of the named findings.
    """
    tables = sorted([*request.path.glob("PADCHEST*.csv"), *request.path.glob("PADCHEST*.csv.gz")])
    if not tables:
        raise CohortError("The folder has no file 'PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv': give the folder of PadChest.")
    source = read_table(tables[0], called="table of the data set")
    require_columns(source, COLUMNS, called="table of the data set")
    labels = source["Labels"].map(_labels)
    findings = _findings(request, labels)
    frontal = source["Projection"].str.strip().isin(FRONTAL) if request.views is Views.FRONTAL else source["ImageID"] != ""
    # A blank cell is not an empty list: nothing is known about such an image, so it is not taken as negative.
    usable = labels.map(lambda names: names is not None and not names & set(map(column_name, UNUSABLE)))
    kept = source[frontal & usable]
    table = _table(kept, labels[kept.index], findings, paths_by_name(request.images or request.path, (".png",)))
    notes = _notes(request, int((~frontal).sum()), int((frontal & ~usable).sum()))
    return Source(TableRows(table, request.images or request.path, findings), findings, notes=tuple(notes))


def _labels(text: str) -> frozenset[str] | None:
    """The labels listed in a cell such as "['cardiomegaly', ' pleural effusion']", as names of columns; None if it is blank."""
    if not text.strip() or text.strip().lower() == "nan":
        return None
    return frozenset(column_name(a or b) for a, b in LABEL.findall(text)) - {""}


def _findings(request: ImportRequest, labels: "pd.Series[Any]") -> tuple[str, ...]:
    """The findings to import: those requested, which must occur in the table, else the common ones."""
    known: set[str] = set().union(*(names for names in labels if isinstance(names, frozenset)))
    if not request.findings:
        return tuple(map(column_name, COMMON))
    return chosen_findings(request.findings, sorted(known | set(map(column_name, COMMON))))


def _table(source: pd.DataFrame, labels: "pd.Series[Any]", findings: tuple[str, ...], paths: dict[str, str]) -> pd.DataFrame:
    born = pd.to_numeric(source["PatientBirth"], errors="coerce")
    taken = pd.to_numeric(source["StudyDate_DICOM"].str[:4], errors="coerce")
    columns = {
        "image": source["ImageID"].map(lambda name: paths.get(name, name)),
        "patient_id": source["PatientID"],
        "age": (taken - born).map(age_text),
        "sex": sexes(source["PatientSex_DICOM"]),
        STUDY_ORDER: source["StudyDate_DICOM"].str.strip().str.removesuffix(".0"),
        **{name: labels.map(lambda names, name=name: "1" if name in names else "0") for name in findings},
    }
    return pd.DataFrame(columns, index=source.index)


def _notes(request: ImportRequest, n_other_views: int, n_unusable: int) -> list[str]:
    notes = [
        "The labels were extracted from reports, about a quarter by physicians and the others by a program: a finding that is not listed "
        "counts as absent."
    ]
    if n_other_views and request.views is Views.FRONTAL:
        notes.append(other_views_note(n_other_views))
    if n_unusable:
        unusable = counted(n_unusable, "image", "images")
        notes.append(
            f"{unusable} without labels, or labelled as suboptimal or to be excluded, {'was' if n_unusable == 1 else 'were'} left out."
        )
    return notes
