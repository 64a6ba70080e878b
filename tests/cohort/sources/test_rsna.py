"""The RSNA Pneumonia Detection Challenge in miniature."""

import json

import numpy as np
import pytest

from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rsna import MAPPINGS, read_rsna
from dpmed_core.errors import CohortError

IMAGES = [f"0004cfab-14fd-4e49-80ba-63a80b6bddd{i}" for i in range(3)]


@pytest.fixture
def folder(tmp_path, write_csv, write_dicom_file):
    (tmp_path / "stage_2_train_images").mkdir()
    for image in IMAGES:
        write_dicom_file(tmp_path / "stage_2_train_images" / f"{image}.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8))
    write_csv(
        tmp_path / "stage_2_train_labels.csv",
        f"""patientId,x,y,width,height,Target
        {IMAGES[0]},,,,,0
        {IMAGES[1]},264.0,152.0,213.0,379.0,1
        {IMAGES[1]},562.0,152.0,256.0,453.0,1
        {IMAGES[2]},,,,,0""",
    )
    write_csv(
        tmp_path / "stage_2_detailed_class_info.csv",
        f"""patientId,class
        {IMAGES[0]},No Lung Opacity / Not Normal
        {IMAGES[1]},Lung Opacity
        {IMAGES[1]},Lung Opacity
        {IMAGES[2]},Normal""",
    )
    return tmp_path


def test_an_image_with_several_boxes_is_one_row(folder, described):
    source = read_rsna(ImportRequest(folder))
    rows = described(source, folder)
    assert [(row["row"], row["image"], row["lung_opacity"]) for row in rows] == [
        (2, f"stage_2_train_images/{IMAGES[0]}.dcm", 0),
        (3, f"stage_2_train_images/{IMAGES[1]}.dcm", 1),
        (5, f"stage_2_train_images/{IMAGES[2]}.dcm", 0),
    ]
    assert source.findings == ("lung_opacity",) and not source.patients_known


def test_normal_images_can_be_a_finding(folder, described):
    assert [row["normal"] for row in described(read_rsna(ImportRequest(folder, findings=("normal",))), folder)] == [0, 0, 1]


def test_the_published_mapping_identifies_patients(folder, described):
    entries = zip(IMAGES, ("00001161_004.png", "00001161_005.png", "00000003_000.png"), strict=True)
    (folder / MAPPINGS).write_text(json.dumps([{"img_id": source, "subset_img_id": image, "orig_labels": []} for image, source in entries]))
    source = read_rsna(ImportRequest(folder))
    assert source.patients_known
    assert [row["patient"] for row in described(source, folder)] == ["00001161", "00001161", "00000003"]
    (folder / MAPPINGS).write_text("[{]")
    with pytest.raises(CohortError, match="damaged"):
        read_rsna(ImportRequest(folder))
