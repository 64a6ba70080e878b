"""VinDr-CXR: `train/` and `test/` with DICOM files, `annotations/image_labels_train.csv` and `..._test.csv`.

Source: Nguyen et al. 2022, Sci Data 9:429, doi 10.1038/s41597-022-01498-w; see docs/sources/vindr-cxr.md.
"""

from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.files import required_file
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rows import PATIENTS_UNKNOWN, Source
from dpmed_core.cohort.sources.tables import TableRows, chosen_findings, read_table, require_columns
from dpmed_core.cohort.sources.values import column_name, part_by_patient

IMAGE, READER = "image_id", "rad_id"
MAJORITY = 0.5
SUFFIXES = (".dicom", ".dcm")


def read_vindr(request: ImportRequest) -> Source:
    """The images of VinDr-CXR: labels by the majority of three readers for training images, by consensus for test images.

    Age and sex are taken from the DICOM headers. The publication does not say which images are one patient's.

    Raises:
        CohortError: a table is missing, or a finding is unknown.
    """
    folder = request.path / "annotations" if (request.path / "annotations").is_dir() else request.path
    tables = [_read(folder, part) for part in ("train", "test")]
    known = [name for name in tables[0].columns if name in tables[1].columns and name not in ("image", "patient_id", "split")]
    findings = chosen_findings(request.findings, known)
    table = pd.concat(tables, ignore_index=True)[["image", "patient_id", "split", *findings]]
    table.index = pd.RangeIndex(1, 1 + len(table))
    root = request.images or request.path
    suffix = next((suffix for suffix in SUFFIXES if any((root / "train").glob(f"*{suffix}"))), SUFFIXES[0])
    table["image"] = table["image"] + suffix
    if not request.published_split:
        table = table.drop(columns="split")
    notes = (
        PATIENTS_UNKNOWN,
        "A training image has the label of the majority of its three readers. Rows number the training and then the test images, by name.",
    )
    return Source(TableRows(table, root, findings), findings, patients_known=False, notes=notes)


def _read(folder: Path, part: str) -> pd.DataFrame:
    """One row per image, sorted by name: image (without suffix), patient_id, split, and 1 or 0 for each label."""
    called = "table of labels"
    source = read_table(required_file(folder, f"image_labels_{part}.csv"), called=called)
    require_columns(source, [IMAGE], called=called)
    labels = [name for name in source.columns if name.lower() not in (IMAGE, READER)]
    marks = source[labels].apply(pd.to_numeric, errors="coerce")
    share = marks.groupby(source[IMAGE], sort=True).mean()  # of an image's readers, those who marked the label
    marked = {column_name(name): (share[name] > MAJORITY).map({True: "1", False: "0"}).where(share[name].notna(), "") for name in labels}
    table = pd.DataFrame(marked, index=share.index)
    images = pd.Series(table.index, index=table.index, dtype=str)
    split = part_by_patient(images) if part == "train" else part
    return table.assign(image=f"{part}/" + images, patient_id=images, split=split)
