"""Importing a manifest: what comes in, what is left out, and what the fingerprint depends on."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Sex
from dpmed_core.runs.store import RunStore
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.conftest import KEY


@pytest.fixture
def images(tmp_path, write_png):
    """A folder with eight images, and usable rows for them: two of patient "a", one of each other patient."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(8):
        write_png(folder / f"{i}.png", i)
    rows = [
        {"image": f"{i}.png", "patient_id": patient, "age": 30 + i, "sex": "FM"[i % 2], "mass": i % 2, "split": "train"}
        for i, patient in enumerate("aabcdefg")
    ]
    return folder, rows


def add(store, manifest, **options):
    return import_manifest(store, "images", manifest=manifest, images_dir=None, findings=("mass",), **options)


def test_every_unusable_row_is_reported_in_one_line_and_the_others_are_imported(store, images, write_manifest, write_dicom_file):
    folder, rows = images
    (folder / "page.dcm").write_text("<html>log in</html>")
    write_dicom_file(folder / "good.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8), PatientAge="018M", PatientSex="F")
    good = len(rows)
    rows += [
        {"image": "none.png", "patient_id": "p1", "mass": 0, "split": "train"},
        {"image": "1.png", "patient_id": "p2", "age": "abc", "mass": 0, "split": "train"},
        {"image": "1.png", "patient_id": "p3", "sex": "1", "mass": 0, "split": "train"},
        {"image": "1.png", "patient_id": "p4", "mass": 2, "split": "train"},
        {"image": "1.png", "patient_id": "p5", "mass": 1, "split": "train"},
        {"image": "2.png", "patient_id": "p5", "mass": 1, "split": "test"},
        {"image": "page.dcm", "patient_id": "p6", "mass": 0, "split": "test"},
        {"image": "../secret.png", "patient_id": "p7", "mass": 0, "split": "test"},
        {"image": "good.dcm", "patient_id": "p8", "mass": 0, "split": "test"},
    ]
    report = add(store, write_manifest(folder / "manifest.csv", rows))
    reported = [(problem.row, problem.column) for problem in report.problems]
    first = good + 2
    assert reported == [
        (first, "image"),
        (first + 3, "mass"),
        (first + 4, "split"),
        (first + 6, "image"),
        (first + 7, "image"),
    ]
    assert all("\n" not in problem.sentence() for problem in report.problems)
    assert (report.n_rows, report.n_imported, report.n_patients) == (good + 9, good + 3, 10)
    # An age or a sex that cannot be read is unknown; the image is kept.
    remarks = {check.name: check.rows for check in report.checks}
    assert remarks["ages_not_read"] == (first + 1,) and remarks["sexes_not_read"] == (first + 2,)
    cases = store.load("images").cases
    young = cases[cases["age"] < 30]
    assert young["age"].tolist() == [1.5] and young["sex"].tolist() == [Sex.FEMALE.value]


def test_no_identifier_is_stored_or_reported(store, images, write_manifest, write_dicom_file):
    folder, rows = images
    planted = ["MRN-4711-Q", "ACC-0815-Q", "Doe^Janina", "19450508", "secretward"]
    header = {"PatientID": planted[0], "AccessionNumber": planted[1], "PatientName": planted[2], "StudyDate": planted[3]}
    image = np.arange(64, dtype=np.uint16).reshape(8, 8)
    write_dicom_file(folder / f"{planted[4]}.dcm", image, PatientBirthDate=planted[3], InstitutionName=planted[4], **header)
    rows.append({"image": f"{planted[4]}.dcm", "patient_id": planted[0], "mass": 1, "split": "test"})
    rows.append({"image": f"{planted[4]}-missing.dcm", "patient_id": planted[2], "mass": 1, "split": "test"})
    report = add(store, write_manifest(folder / "manifest.csv", rows))
    stored = [path.read_bytes() for path in store.root.rglob("*") if path.is_file()]
    assert len(stored) >= 4
    stored.append(json.dumps(report.to_fields()).encode())
    for text in planted:
        assert all(text.encode() not in content for content in stored)


def test_the_fingerprint_depends_neither_on_the_order_of_rows_nor_on_names_of_files(store, images, tmp_path, write_manifest):
    folder, rows = images
    add(store, write_manifest(folder / "manifest.csv", rows))
    for i in range(8):
        (folder / f"{i}.png").rename(folder / f"renamed-{7 - i}.png")
    renamed = [{**row, "image": f"renamed-{7 - i}.png"} for i, row in enumerate(rows)][::-1]
    again = CohortStore(tmp_path / "again", KEY)
    add(again, write_manifest(folder / "manifest.csv", renamed))
    assert again.load("images").fingerprint == store.load("images").fingerprint
    assert again.load("images").cases.equals(store.load("images").cases)
    specs = [
        RunSpec(cohort.fingerprint, None, "probe", 2, PrivacyUnit.PATIENT, PrivacyTarget(1, 1e-5), seed=0)
        for cohort in (store.load("images"), again.load("images"))
    ]
    runs = RunStore(tmp_path / "runs", KEY)
    assert runs.run_id(specs[0]) == runs.run_id(specs[1]) != runs.run_id(replace(specs[0], seed=1))


@pytest.mark.parametrize("change", [{"mass": 0}, {"age": 77}, {"sex": "F"}, {"patient_id": "z"}, {"image": "0.png"}, {"split": "test"}])
def test_any_change_of_the_data_changes_the_fingerprint(store, images, tmp_path, write_manifest, change):
    folder, rows = images
    add(store, write_manifest(folder / "manifest.csv", rows))
    rows[7] = {**rows[7], **change}
    changed = CohortStore(tmp_path / "changed", KEY)
    add(changed, write_manifest(folder / "manifest.csv", rows))
    assert changed.load("images").fingerprint != store.load("images").fingerprint


def test_another_installation_gives_the_same_patients_other_hashes(store, images, tmp_path, write_manifest):
    folder, rows = images
    manifest = write_manifest(folder / "manifest.csv", rows)
    add(store, manifest)
    other = CohortStore(tmp_path / "other", KEY[::-1])
    add(other, manifest)
    assert not set(store.load("images").cases["patient_id"]) & set(other.load("images").cases["patient_id"])
    assert store.load("images").fingerprint != other.load("images").fingerprint


def test_pixels_stay_with_their_rows(store, images, write_manifest):
    folder, rows = images
    add(store, write_manifest(folder / "manifest.csv", rows))
    whole = store.load("images")
    for i, row in enumerate(rows):
        alone = CohortStore(store.root.parent / f"alone-{i}", KEY)
        add(alone, write_manifest(folder / "one.csv", [row]))
        row_of_case = whole.cases.index[whole.cases["case_id"] == alone.load("images").cases["case_id"].item()].item()
        assert whole.cases["age"][row_of_case] == row["age"]
        assert np.array_equal(whole.images[row_of_case], alone.load("images").images[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a readable"),
        ("image,patient_id,mass\n", "no rows"),
        ("image,patient_id\n1.png,a\n", "no column 'mass'"),
        ("image,patient_id,mass,mass\n1.png,a,1,1\n", "occurs twice"),
        ("image,patient_id,mass\nnone.png,a,1\n", "None of the 1 row can"),
        ("image,patient_id,mass\n1.png,a,1,5\n", "not a readable"),
        ("image,patient_id,mass\npage.png,a,1\n", "None of the 1 row can"),
    ],
)
def test_a_manifest_that_cannot_be_used_leaves_nothing_behind(store, images, content, reason):
    folder, _ = images
    (folder / "manifest.csv").write_text(content)
    (folder / "page.png").write_text("<html>")
    with pytest.raises(CohortError, match=reason):
        add(store, folder / "manifest.csv")
    assert store.names() == []
    assert not store.root.exists() or not list(store.root.iterdir())


def test_an_import_that_is_interrupted_leaves_no_cohort(store, images, write_manifest):
    folder, rows = images

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(store, write_manifest(folder / "manifest.csv", rows), progress=interrupt)
    assert store.names() == []


def test_the_report_warns_of_what_to_know_before_training(store, images, write_manifest):
    folder, rows = images
    rows[1]["image"] = "0.png"
    rows[3]["image"] = "2.png"
    rows[4]["age"] = rows[5]["sex"] = ""
    report = add(store, write_manifest(folder / "manifest.csv", rows))
    warnings = " ".join(report.warnings)
    assert "1 image has no age" in warnings and "1 image has no sex" in warnings
    assert "Mass is present in only 4 images" in warnings
    assert "1 image is identical, pixel by pixel, to another image of the same patient" in warnings
    assert "2 images are identical, pixel by pixel, to an image of another patient" in warnings
