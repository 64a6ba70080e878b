"""VinDr-CXR 1.0.0 in miniature."""

import numpy as np
import pytest

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.vindr import read_vindr
from dpmed_core.errors import CohortError

LABELS = "Aortic enlargement,Cardiomegaly,Nodule/Mass,Other diseases,No finding"
IMAGES = {"train": ["000434271f63a053c4128a0ba6352c7f", "00053190460d56c53cc3e57321387478"], "test": ["002a34c58c5b758217ed1f584ccbcfe9"]}


@pytest.fixture
def folder(tmp_path, write_csv, write_dicom_file):
    for seed, (part, image) in enumerate((part, image) for part, images in IMAGES.items() for image in images):
        (tmp_path / part).mkdir(exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 4000, (16, 12), dtype=np.uint16)
        write_dicom_file(tmp_path / part / f"{image}.dicom", pixels, PatientAge="061Y", PatientSex="M", Modality="DX")
    one, two = IMAGES["train"]
    write_csv(
        tmp_path / "annotations" / "image_labels_train.csv",
        f"""image_id,rad_ID,{LABELS}
        {two},R9,0,1,0,0,0
        {one},R10,1,0,0,0,0
        {one},R8,1,1,0,0,0
        {one},R9,0,0,1,0,0
        {two},R8,0,1,0,0,0
        {two},R10,0,0,0,0,1""",
    )
    write_csv(tmp_path / "annotations" / "image_labels_test.csv", f"image_id,{LABELS}\n{IMAGES['test'][0]},0,0,1,0,0")
    return tmp_path


def test_the_majority_of_three_readers_counts(folder, described):
    source = read_vindr(ImportRequest(folder))
    rows = described(source, folder)
    assert source.findings == ("aortic_enlargement", "cardiomegaly", "nodule_mass", "other_diseases", "no_finding")
    assert [[row[name] for name in source.findings] for row in rows] == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]
    assert [row["image"] for row in rows] == [f"{part}/{image}.dicom" for part, images in IMAGES.items() for image in images]
    assert [row["row"] for row in rows] == [1, 2, 3]


def test_patients_are_unknown_and_age_and_sex_come_from_the_headers(folder, store):
    report = import_source(store, "images", read_vindr(ImportRequest(folder, findings=("cardiomegaly",))))
    cohort = store.load("images")
    assert not cohort.patients_known and report.n_patients == 3
    assert set(cohort.cases["age"]) == {61.0} and set(cohort.cases["sex"]) == {"male"}


def test_the_published_test_part_is_kept_if_requested(folder, described):
    parts = [row["part"] for row in described(read_vindr(ImportRequest(folder, published_split=True)), folder)]
    assert parts[2] == "test" and set(parts[:2]) <= {"train", "validation"}


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CohortError, match="image_labels_train"):
        read_vindr(ImportRequest(tmp_path))
