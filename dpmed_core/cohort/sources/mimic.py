"""MIMIC-CXR (DICOM) and MIMIC-CXR-JPG: `files/p10/p10000032/s50414267/<dicom_id>.dcm` or `.jpg`, and tables beside `files`.

Source: Johnson et al. 2019, Sci Data 6:317, doi 10.1038/s41597-019-0322-0, and arXiv 1901.07042; see docs/sources/mimic-cxr.md.
"""

from pathlib import Path

import pandas as pd

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.chexpert import LABELS, chosen_uncertain, unmentioned_note
from dpmed_core.cohort.sources.files import first_file, required_file
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import age_text, certain, column_name, other_views_note, sexes
from dpmed_core.phrases import counted

VERSIONS = ("2.0.0", "2.1.0")
FRONTAL = ("PA", "AP")
PARTS = {"train": "train", "validate": "validation", "test": "test"}
KEYS = ["subject_id", "study_id"]
TIMES = ("StudyDate", "StudyTime")
CALLED = "table of the data set"


def read_mimic_jpg(request: ImportRequest) -> Source:
    """The images of MIMIC-CXR-JPG.

    Raises:
        CohortError: a table is missing, a finding is unknown, or the request does not say what uncertain labels become.
    """
    return _read_mimic(request, read_table(_named(request, "metadata"), called=CALLED), suffix=".jpg")


def read_mimic_dicom(request: ImportRequest) -> Source:
    """The images of MIMIC-CXR as DICOM; labels, views and split come from the tables of MIMIC-CXR-JPG, in the folder `request.labels`.

    Raises:
        CohortError: a table is missing, a finding is unknown, or the request does not say what uncertain labels become.
    """
    records = read_table(required_file(request.path, "cxr-record-list.csv.gz", "cxr-record-list.csv"), called=CALLED)
    require_columns(records, ["subject_id", "study_id", "dicom_id", "path"], called=CALLED)
    metadata = read_table(_named(request, "metadata"), called=CALLED)
    require_columns(metadata, ["dicom_id", "ViewPosition"], called=CALLED)
    described = [name for name in ("dicom_id", "ViewPosition", *TIMES) if name in metadata]
    joined = _joined(records, metadata[described], ["dicom_id"])
    return _read_mimic(request, joined, suffix=".dcm")


def _read_mimic(request: ImportRequest, images: pd.DataFrame, *, suffix: str) -> Source:
    """The source of either edition, given its table of images; a label belongs to a study, hence to all its images."""
    uncertain = chosen_uncertain(request)
    require_columns(images, ["dicom_id", *KEYS, "ViewPosition"], called=CALLED)
    findings = chosen_findings(request.findings, [column_name(label) for label in LABELS])
    frontal = images["ViewPosition"].str.strip().isin(FRONTAL) if request.views is Views.FRONTAL else images["dicom_id"] != ""
    images = _with_labels(images[frontal], request)
    unmentioned = "" if request.unmentioned_unknown else "0"
    labels = {column_name(label): certain(images[label], uncertain, unmentioned=unmentioned) for label in LABELS}
    labelled = images["is_labelled"] == "1"
    columns = {
        "image": _paths(images, suffix),
        "patient_id": images["subject_id"],
        **_people(images, request),
        **_order(images),
        **({"split": _parts(images, request)} if request.published_split else {}),
        **{name: labels[name].where(labelled, "") for name in findings},
    }
    table = pd.DataFrame(columns, index=images.index)
    return Source(
        TableRows(table, request.images or request.path, findings), findings, notes=tuple(_notes(request, int((~frontal).sum()), labelled))
    )


def _named(request: ImportRequest, kind: str) -> Path:
    """The table of `kind` (metadata, chexpert or split) of any version, gzipped or not."""
    names = [f"mimic-cxr-{version}-{kind}.csv{ending}" for version in VERSIONS for ending in (".gz", "")]
    return required_file(request.labels or request.path, *names)


def _joined(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """`left` with the columns of `right`, blank if `right` has no matching row; order and index stay those of `left`."""
    joined = left.merge(right.drop_duplicates(keys), on=keys, how="left").fillna("")
    joined.index = left.index
    return joined


def _with_labels(images: pd.DataFrame, request: ImportRequest) -> pd.DataFrame:
    labels = read_table(_named(request, "chexpert"), called=CALLED)
    require_columns(labels, [*KEYS, *LABELS], called=CALLED)
    return _joined(images, labels[[*KEYS, *LABELS]].assign(is_labelled="1"), KEYS)


def _paths(images: pd.DataFrame, suffix: str) -> "pd.Series[str]":
    if "path" in images:
        return images["path"]
    subject = images["subject_id"]
    return "files/p" + subject.str[:2] + "/p" + subject + "/s" + images["study_id"] + "/" + images["dicom_id"] + suffix


def _people(images: pd.DataFrame, request: ImportRequest) -> "dict[str, pd.Series[str]]":
    """Age at the study and sex from MIMIC-IV's table `patients`, if it is in the same folder as the other tables.

    MIMIC shifts the dates of a patient by one common offset, so the difference of study year and anchor year is real.
    """
    path = first_file(request.labels or request.path, "patients.csv.gz", "patients.csv")
    if path is None:
        return {}
    people = read_table(path, called="table of patients")
    require_columns(people, ["subject_id", "gender", "anchor_age", "anchor_year"], called="table of patients")
    known = _joined(images, people[["subject_id", "gender", "anchor_age", "anchor_year"]], ["subject_id"])
    columns = {"sex": sexes(known["gender"])}
    if "StudyDate" in known:
        number = {name: pd.to_numeric(known[name], errors="coerce") for name in ("anchor_age", "anchor_year", "StudyDate")}
        columns["age"] = (number["anchor_age"] + number["StudyDate"] // 10_000 - number["anchor_year"]).map(age_text)
    return columns


def _order(images: pd.DataFrame) -> "dict[str, pd.Series[str]]":
    """When each study was made, if the table says; the common offset of a patient's dates leaves their order as it is."""
    if any(name not in images for name in TIMES):
        return {}
    time = pd.to_numeric(images["StudyTime"], errors="coerce").fillna(0).astype(int).astype(str).str.zfill(6)  # 83015.5 is 08:30:15
    moment = (images["StudyDate"] + "T" + time).where(images["StudyDate"] != "", "")
    return {STUDY_ORDER: moment.groupby(images["study_id"]).transform("min")}  # so that the images of one study have one


def _parts(images: pd.DataFrame, request: ImportRequest) -> "pd.Series[str]":
    parts = read_table(_named(request, "split"), called=CALLED)
    require_columns(parts, ["dicom_id", "split"], called=CALLED)
    return _joined(images[["dicom_id"]], parts[["dicom_id", "split"]], ["dicom_id"])["split"].map(lambda part: PARTS.get(part, part))


def _notes(request: ImportRequest, n_other_views: int, labelled: "pd.Series[bool]") -> list[str]:
    notes = [unmentioned_note(request)]
    if n_other_views and request.views is Views.FRONTAL:
        notes.append(other_views_note(n_other_views))
    if n_unlabelled := int((~labelled).sum()):
        unlabelled = counted(n_unlabelled, "image belongs to a study", "images belong to studies")
        notes.append(f"{unlabelled} without labels: all their findings are unknown.")
    if first_file(request.labels or request.path, "patients.csv.gz", "patients.csv") is None:
        notes.append("Age and sex are unknown: to add them, put MIMIC-IV's table patients.csv.gz beside the other tables.")
    return notes
