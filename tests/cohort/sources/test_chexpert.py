"""CheXpert-v1.0-small in miniature."""

import pytest

from dpmed_core.cohort.sources.chexpert import LABELS, read_chexpert
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.cohort.sources.values import UNCERTAIN_MEANING, Uncertain
from dpmed_core.errors import CohortError

HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(LABELS)
PREFIX = "CheXpert-v1.0-small"


@pytest.fixture
def folder(tmp_path, pictures, write_csv):
    images = ["train/patient00001/study1/view1_frontal.jpg", "train/patient00002/study2/view1_frontal.jpg"]
    images += ["train/patient00002/study2/view2_lateral.jpg", "valid/patient64541/study1/view1_frontal.jpg"]
    pictures(tmp_path, images)
    write_csv(
        tmp_path / "train.csv",
        f"""{HEADER}
        {PREFIX}/{images[0]},Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0
        {PREFIX}/{images[1]},Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,
        {PREFIX}/{images[2]},Female,87,Lateral,,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,""",
    )
    write_csv(
        tmp_path / "valid.csv",
        f"""{HEADER}
        {PREFIX}/{images[3]},Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0""",
    )
    return tmp_path


def read(folder, uncertain=Uncertain.IGNORE, **options):
    return read_chexpert(ImportRequest(folder, findings=("cardiomegaly", "pneumothorax", "fracture"), uncertain=uncertain, **options))


def test_the_published_table_is_read(folder, described):
    rows = described(read(folder), folder)
    assert rows[0] == {
        "row": 2,
        "image": "train/patient00001/study1/view1_frontal.jpg",
        "patient": "patient00001",
        "age": 68,
        "sex": "female",
        "part": None,
        "cardiomegaly": 0,
        "pneumothorax": 0,
        "fracture": 0,
    }
    assert [row["row"] for row in rows] == [2, 3, 5]
    assert rows[2]["patient"] == "patient64541" and rows[2]["sex"] == "male" and rows[2]["cardiomegaly"] == 1


@pytest.mark.parametrize(("uncertain", "label"), [(Uncertain.IGNORE, None), (Uncertain.ZERO, 0), (Uncertain.ONE, 1)])
def test_uncertain_labels_become_what_was_chosen(folder, described, uncertain, label):
    source = read(folder, uncertain)
    assert described(source, folder)[1]["cardiomegaly"] == label
    assert f"an uncertain one {UNCERTAIN_MEANING[uncertain]}" in source.notes[0]


def test_what_uncertain_labels_become_must_be_chosen(folder):
    with pytest.raises(CohortError, match="--uncertain ignore, zero or one"):
        read(folder, None)


def test_what_a_report_does_not_mention_may_be_unknown(folder, described):
    rows = described(read(folder, unmentioned_unknown=True), folder)
    assert [row["fracture"] for row in rows] == [None, 1, 0] and rows[0]["pneumothorax"] == 0


def test_lateral_images_are_left_out_unless_requested(folder, described):
    source = read(folder)
    assert any("1 lateral image was left out" in note for note in source.notes)
    every = described(read(folder, views=Views.ALL), folder)
    assert len(every) == 4 and every[2]["image"].endswith("view2_lateral.jpg") and every[2]["patient"] == every[1]["patient"]


def test_the_published_test_studies_have_only_labels_and_paths(folder, described, pictures, write_csv):
    pictures(folder, ["test/patient64741/study1/view1_frontal.jpg", "test/patient64741/study1/view2_lateral.jpg"])
    header = "Path," + ",".join(LABELS)
    lines = [f"test/patient64741/study1/{view},0,0,1,0,0,0,0,0,0,0,0,0,0,0" for view in ("view1_frontal.jpg", "view2_lateral.jpg")]
    write_csv(folder / "test_labels.csv", "\n".join([header, *lines]))
    rows = described(read(folder, published_split=True), folder)
    assert (rows[-1]["patient"], rows[-1]["part"], rows[-1]["age"], rows[-1]["cardiomegaly"]) == ("patient64741", "test", None, 1)
    assert len(rows) == 4


def test_the_studies_labelled_by_radiologists_are_the_test_part(folder, described):
    parts = [row["part"] for row in described(read(folder, published_split=True), folder)]
    assert parts[2] == "test" and set(parts[:2]) <= {"train", "validation"}
