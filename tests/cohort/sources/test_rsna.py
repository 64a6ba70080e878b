"""The RSNA Pneumonia Detection Challenge in miniature."""

import json

import numpy as np
import pytest

from dpmed_core.cohort.sources.rsna import MAPPINGS, read_rsna
from dpmed_core.cohort.sources.wish import SourceWish
from dpmed_core.errors import CohortError

FILMS = [f"0004cfab-14fd-4e49-80ba-63a80b6bddd{i}" for i in range(3)]


@pytest.fixture
def folder(tmp_path, write_csv, write_dicom_file):
    (tmp_path / "stage_2_train_images").mkdir()
    for film in FILMS:
        write_dicom_file(tmp_path / "stage_2_train_images" / f"{film}.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8))
    write_csv(
        tmp_path / "stage_2_train_labels.csv",
        f"""patientId,x,y,width,height,Target
        {FILMS[0]},,,,,0
        {FILMS[1]},264.0,152.0,213.0,379.0,1
        {FILMS[1]},562.0,152.0,256.0,453.0,1
        {FILMS[2]},,,,,0""",
    )
    write_csv(
        tmp_path / "stage_2_detailed_class_info.csv",
        f"""patientId,class
        {FILMS[0]},No Lung Opacity / Not Normal
        {FILMS[1]},Lung Opacity
        {FILMS[1]},Lung Opacity
        {FILMS[2]},Normal""",
    )
    return tmp_path


def test_a_film_with_several_boxes_is_one_row(folder, described):
    source = read_rsna(SourceWish(folder))
    told = described(source, folder)
    assert [(row["row"], row["image"], row["lung_opacity"]) for row in told] == [
        (2, f"stage_2_train_images/{FILMS[0]}.dcm", 0),
        (3, f"stage_2_train_images/{FILMS[1]}.dcm", 1),
        (5, f"stage_2_train_images/{FILMS[2]}.dcm", 0),
    ]
    assert source.findings == ("lung_opacity",) and not source.patients_known


def test_normal_films_can_be_a_finding(folder, described):
    assert [row["normal"] for row in described(read_rsna(SourceWish(folder, findings=("normal",))), folder)] == [0, 0, 1]


def test_the_published_mapping_tells_the_patients(folder, described):
    entries = zip(FILMS, ("00001161_004.png", "00001161_005.png", "00000003_000.png"), strict=True)
    (folder / MAPPINGS).write_text(json.dumps([{"img_id": image, "subset_img_id": film, "orig_labels": []} for film, image in entries]))
    source = read_rsna(SourceWish(folder))
    assert source.patients_known
    assert [row["patient"] for row in described(source, folder)] == ["00001161", "00001161", "00000003"]
    (folder / MAPPINGS).write_text("[{]")
    with pytest.raises(CohortError, match="damaged"):
        read_rsna(SourceWish(folder))
