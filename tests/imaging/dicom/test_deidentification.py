"""Thirty identifiers are planted in headers, names and tables; none of them may appear in what an import stores, logs or prints."""

import json
import logging
import sqlite3

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dpmed_core.cli import dpmed
from dpmed_core.errors import DpmedError
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.settings import load_settings

HEADER = {
    "PatientName": "Planted-Vogelweide^Hadewig",
    "PatientID": "MRN-PLANTED-470815",
    "OtherPatientIDs": "OTHER-PLANTED-99",
    "PatientBirthDate": "19450317",
    "PatientBirthName": "PlantedBirthname",
    "PatientMotherBirthName": "PlantedMother",
    "PatientAddress": "Plantedstrasse 17, 99999 Plantedstadt",
    "PatientTelephoneNumbers": "+49-555-0001234",
    "AccessionNumber": "ACC-PLANTED-1",
    "StudyID": "STUDY-PLANTED-2",
    "StudyDate": "20190611",
    "SeriesDate": "20190612",
    "AcquisitionDate": "20190613",
    "StudyTime": "131517",
    "StudyInstanceUID": "1.2.826.0.1.3680043.9.7777.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.9.7777.2",
    "SOPInstanceUID": "1.2.826.0.1.3680043.9.7777.3",
    "ReferringPhysicianName": "PlantedReferrer^Dr",
    "PerformingPhysicianName": "PlantedPerformer^Dr",
    "OperatorsName": "PlantedOperator",
    "InstitutionName": "Planted General Hospital",
    "StationName": "PLANTEDSTATION",
    "DeviceSerialNumber": "SN-PLANTED-31",
    "ImageComments": "planted comment: seen with Mrs V.",
    "PatientComments": "planted note about her job",
    "StudyDescription": "planted description of a visit",
}
IN_NAMES = {"folder": "PlantedFolder_Meyer", "file": "PlantedFile_Mueller_19380729"}
IN_TABLE = {"patient_id": "PLANTED-CSV-PATIENT-5", "comment": "planted remark in a column"}
PLANTED = [*HEADER.values(), *IN_NAMES.values(), *IN_TABLE.values()]
FRAGMENTS = [text.split("^")[0] for text in PLANTED]


@pytest.fixture
def export(tmp_path, write_dicom_file):
    """Three DICOM radiographs, one of them damaged and one of another modality, whose folder and file names identify a patient."""
    folder = tmp_path / IN_NAMES["folder"]
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 4000, (260, 220), dtype=np.uint16)
        path = folder / f"{IN_NAMES['file']}-{number}.dcm"
        write_dicom_file(path, pixels, **{**HEADER, "Modality": "MR" if number == 1 else "DX", "BurnedInAnnotation": "YES"})
        if number == 2:
            path.write_bytes(path.read_bytes()[:-5000])
    return folder


@pytest.fixture
def run(data_dir, monkeypatch, caplog):
    """A function that runs one command in this process and returns everything that it prints or logs."""
    monkeypatch.setenv("DPMED_DATA_DIR", str(data_dir))
    load_settings.cache_clear()
    caplog.set_level(logging.DEBUG)

    def run(*arguments):
        done = CliRunner().invoke(dpmed, [str(argument) for argument in arguments])
        assert done.exception is None or isinstance(done.exception, DpmedError | SystemExit), done.exception
        return f"{done.output}{done.stderr}{done.exception}{caplog.text}"

    yield run
    load_settings.cache_clear()


def write_table(path, rows):
    columns = list(rows[0])
    path.write_text("\n".join([",".join(columns), *(",".join(str(row[name]) for name in columns) for row in rows)]))
    return path


def everything_stored(data_dir):
    contents = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.name != KEY_FILE}
    for path in [path for path in contents if path.suffix == ".db"]:
        contents[path] += "\n".join(sqlite3.connect(path).iterdump()).encode()
    return b"\0".join([*contents.values(), *(str(path.relative_to(data_dir)).encode() for path in contents)])


def assert_none_is_found(data_dir, printed):
    stored = everything_stored(data_dir)
    assert len(stored) > 128 * 128
    found = [text for text in FRAGMENTS if text.encode() in stored or text.encode("utf-16-le") in stored or text in printed]
    assert found == []


def test_thirty_identifiers_are_planted():
    assert len(set(PLANTED)) == 30 and min(map(len, FRAGMENTS)) >= 6


def test_by_manifest(run, export, data_dir, tmp_path):
    rows = [
        {"image": f"{IN_NAMES['folder']}/{IN_NAMES['file']}-{number}.dcm", **IN_TABLE, "age": age, "mass": number % 2}
        for number, age in ((0, 61), (1, ""), (2, ""), (3, ""), (0, "planted age 19450317"))
    ]
    printed = run("cohort", "add", "radiographs", "--manifest", write_table(tmp_path / "list.csv", rows), "--findings", "mass", "--json")
    assert '"n_imported": 3' in printed and "burned into the image" in printed and "a modality other than" in printed
    assert "1 age is not one from 0 to 120 years" in printed
    printed += run("cohort", "show", "radiographs", "--json") + run("cohort", "list")
    printed += run("cohort", "add", "other", "--manifest", tmp_path / "list.csv", "--findings", "nodule")
    assert_none_is_found(data_dir, printed)


def test_by_folder_with_labels_joined_by_accession(run, export, data_dir, tmp_path):
    labels = write_table(tmp_path / "labels.csv", [{"accession_number": HEADER["AccessionNumber"], "mass": 1, **IN_TABLE}])
    printed = run("cohort", "add", "radiographs", export, "--source", "dicom", "--labels", labels, "--findings", "mass", "--json")
    assert '"n_imported": 2' in printed
    printed += run("cohort", "show", "radiographs", "--json")
    write_table(labels, [{"accession_number": "another", "mass": 1, **IN_TABLE}])
    printed += run("cohort", "add", "none", export, "--source", "dicom", "--labels", labels, "--findings", "mass")
    assert "None of the 3 files" in printed
    assert_none_is_found(data_dir, printed)


def test_the_report_counts_identifying_attributes_by_keyword(run, export, data_dir):
    printed = run("cohort", "add", "radiographs", export, "--source", "dicom", "--json")
    report = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
    counts = report["identifying_attributes"]
    assert counts["PatientName"] == counts["AccessionNumber"] == counts["InstitutionName"] == 2
    assert "StudyTime" not in counts and "Modality" not in counts
    assert_none_is_found(data_dir, printed)


def test_png_files_with_text_chunks(run, data_dir, tmp_path):
    comment = PngInfo()
    comment.add_text("Comment", " ".join(PLANTED))
    pixels = np.random.default_rng(0).integers(0, 256, (260, 220), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "radiograph.png", pnginfo=comment)
    rows = [{"image": "radiograph.png", "patient_id": HEADER["PatientID"], "mass": 1}]
    printed = run("cohort", "add", "radiographs", "--manifest", write_table(tmp_path / "list.csv", rows), "--findings", "mass")
    assert_none_is_found(data_dir, printed)
