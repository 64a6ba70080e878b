"""A folder as exported by a PACS: nested, with other files in it, and with labels in a separate table."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.sources.dicom_folder import read_dicom_folder
from dpmed_core.cohort.sources.request import ImportRequest, Match
from dpmed_core.errors import CohortError
from dpmed_core.imaging.dicom.read import read_dicom
from dpmed_core.imaging.modality import Sex

IMAGES = ["S1/IM2", "S1/IM10.dcm", "S2/deep/IM1.DCM", "top.dcm"]


@pytest.fixture
def folder(tmp_path, write_dicom_file):
    root = tmp_path / "export"
    for i, name in enumerate(IMAGES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (16, 12), dtype=np.uint16)
        known = {"PatientID": f"MRN{i // 2}", "PatientAge": f"{50 + i:03d}Y", "PatientSex": "FM"[i % 2]}
        write_dicom_file(root / name, pixels, SOPInstanceUID=f"1.2.{i}", AccessionNumber=f"A{i // 2}", Modality="DX", **known)
    (root / "README.txt").write_text("exported")
    (root / "S1" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    return root


@pytest.fixture
def read(folder, tmp_path, write_csv):
    def read(text, **options):
        labels = write_csv(tmp_path / "labels.csv", text)
        return read_dicom_folder(ImportRequest(folder, findings=("mass",), labels=labels, **options))

    return read


def test_without_labels_patient_age_and_sex_come_from_the_headers(folder, store):
    report = import_source(store, "images", read_dicom_folder(ImportRequest(folder)))
    cases = store.load("images").cases
    assert (report.n_imported, report.n_patients) == (4, 2)
    assert sorted(cases["age"]) == [50, 51, 52, 53] and sorted(cases["sex"]) == ["female", "female", "male", "male"]
    assert any("2 files that are not DICOM were left out" in warning for warning in report.warnings)
    assert report.identifying_attributes == {"AccessionNumber": 4, "PatientID": 4, "SOPInstanceUID": 4}


JOINS = {
    Match.SOP: "SOPInstanceUID,mass\n1.2.0,1\n1.2.1,0\n1.2.2,\n1.2.3,1",
    Match.ACCESSION: "accession_number,mass\nA0,1\nA1,0\nA9,1",
    Match.FILE: "Image,mass\nS1/IM2,1\nIM10.dcm,0\nIM1,0\ntop,1",
}


@pytest.mark.parametrize(("match", "labels"), [(Match.SOP, [1, 0, None, 1]), (Match.ACCESSION, [1, 1, 0, 0]), (Match.FILE, [1, 0, 0, 1])])
def test_labels_are_joined_by_the_column_of_the_table(read, folder, described, match, labels):
    by_path = {row["image"]: row for row in described(read(JOINS[match]), folder)}
    assert [by_path[name]["mass"] for name in IMAGES] == labels
    assert [by_path[name]["patient"] for name in IMAGES] == ["MRN0", "MRN0", "MRN1", "MRN1"]
    assert [row["row"] for row in by_path.values()] == [1, 2, 3, 4] and list(by_path) == sorted(IMAGES)


def test_the_table_may_also_give_patient_age_sex_and_split(read, folder, described):
    rows = described(read("file,patient_id,age,sex,split,mass\ntop.dcm,X,33,F,test,1\nIM2,Y,,,train,0"), folder)
    top = next(row for row in rows if row["image"] == "top.dcm")
    assert (top["patient"], top["age"], top["sex"], top["part"]) == ("X", 33, "female", "test")
    assert sum("problems" in row for row in rows) == 2


def test_files_without_a_row_and_rows_without_a_file_are_counted(read, folder, store):
    source = read("sop_instance_uid,mass\n1.2.0,1\n9.9,1\n9.8,0")
    report = import_source(store, "images", source)
    assert report.n_imported == 1 and [p.column for p in report.problems] == ["mass"] * 3
    assert any("2 rows of the labels belong to none" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sop_uid,file,mass\n1.2.0,IM2,1", "several columns that could join"),
        ("uid,mass\n1.2.0,1", "no column that joins"),
        ("sop_uid,mass\n1.2.0,1\n1.2.0,0", "1 row of the labels contradicts"),
        ("sop_uid,mass\n9.9,1", "None of the 4 files"),
        ("sop_uid,nodule\n1.2.0,1", "no column 'mass'"),
    ],
)
def test_labels_that_cannot_be_joined_are_refused(read, text, reason):
    with pytest.raises(CohortError, match=reason):
        read(text)


def test_names_are_matched_whatever_their_folders_and_suffixes(read, folder, described):
    rows = described(read("image,mass\npng/S1/IM2.png,1\nother/IM10.png,0\nx/top.png,1\ny/top.png,0"), folder)
    by_path = {row["image"]: row for row in rows}
    assert (by_path["S1/IM2"]["mass"], by_path["S1/IM10.dcm"]["mass"]) == (1, 0)
    assert "problems" in by_path["top.dcm"]  # two rows of the labels end in this name


def test_a_column_is_chosen_by_match(read, folder, described):
    rows = described(read("sop_uid,file,mass\n1.2.3,IM2,1", match=Match.FILE), folder)
    assert [row["mass"] for row in rows if "problems" not in row] == [1]


def test_a_patient_without_identifier_is_left_out(folder, store, write_dicom_file):
    write_dicom_file(folder / "nameless.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8))
    report = import_source(store, "images", read_dicom_folder(ImportRequest(folder)))
    assert [(p.row, p.column) for p in report.problems] == [(4, "patient_id")]


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(CohortError, match="no DICOM file"):
        read_dicom_folder(ImportRequest(tmp_path))


@pytest.mark.real
def test_ages_and_sexes_of_95_real_files_are_right_without_their_manifest(store, real_cohorts):
    """The manifest's ages were read from the file names and agree with the headers; 95 distinct files."""
    manifest = pd.read_csv(real_cohorts / "ct_siim100" / "manifest.csv").drop_duplicates("dicom").query("duplicate_of.isna()")
    report = import_source(store, "slices", read_dicom_folder(ImportRequest(real_cohorts / "ct_siim100" / "dicom")))
    cases = store.load("slices").cases
    assert (report.n_imported, report.n_patients, report.problems) == (95, manifest["patient_id"].nunique(), ())
    expected = sorted(zip(manifest["age"].astype(float), manifest["sex"].map({"F": "female", "M": "male"}), strict=True))
    assert sorted(zip(cases["age"], cases["sex"], strict=True)) == expected
    for row in manifest.itertuples():
        image = read_dicom(real_cohorts / "ct_siim100" / row.dicom)
        assert (image.age, image.sex) == (row.age, {"F": Sex.FEMALE, "M": Sex.MALE}[row.sex])
