"""Whom the patients of cohorts are: the same over cohorts, however identifiers are written, and without a trace in the fingerprint."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dpmed_core.cohort.demo.ct import add_demo_ct
from dpmed_core.cohort.intake.importer import import_manifest, import_source
from dpmed_core.cohort.persons import FILE
from dpmed_core.cohort.report import ImportReport, Severity
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.medmnist import read_medmnist
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError
from dpmed_core.keyed_hash import keyed_hex
from tests.conftest import KEY
from tests.damage import without_digests

WRITTEN = ("P1", "p1", "P 1", "Ｐ１", "1", "01", "001", "1.0", "１")
"""Nine writings of two identifiers."""
GOLDEN = "d530917d32e0292c"
"""The fingerprint of the cohort of `WRITTEN` under `KEY`, as versions computed it that knew no persons."""


@pytest.fixture
def manifest(tmp_path, write_manifest):
    """A function that writes a manifest with one image of noise for each of the identifiers."""

    def write(identifiers, *, first=0):
        folder = tmp_path / f"images-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for i in range(len(identifiers)):
            noise = np.random.default_rng(first + i).integers(0, 256, (128, 128), dtype=np.uint8)
            Image.fromarray(noise).save(folder / f"{i}.png")
        rows = [{"image": f"{i}.png", "patient_id": text, "age": 50, "sex": "F", "mass": i % 2} for i, text in enumerate(identifiers)]
        return write_manifest(folder / "manifest.csv", rows)

    return write


def add(store, name, manifest):
    return import_manifest(store, name, manifest=manifest, images_dir=None, findings=("mass",), workers=0)


def found(report):
    return [check for check in report.checks if check.name == "identifiers_differ_in_writing"]


def test_nine_writings_stay_nine_patients_are_two_persons_and_are_reported_by_row(store, manifest):
    report = add(store, "images", manifest(WRITTEN))
    [check] = found(report)
    assert (check.severity, check.count, check.groups) == (Severity.WARNING, 2, ((2, 3, 4, 5), (6, 7, 8, 9, 10)))
    assert "2 groups of patient identifiers differ only in writing" in check.sentence and "9 patients, 9 images" in check.sentence
    assert "(rows 2, 3, 4, 5, 6, ...)" in check.sentence and not check.outside_guarantee
    assert check.sentence in report.warnings and found(store.report("images")) == [check]
    persons = store.persons("images")
    assert report.n_patients == len(persons) == 9
    assert persons == {keyed_hex(KEY, "patient", text): keyed_hex(KEY, "patient", "p1" if i < 4 else "1") for i, text in enumerate(WRITTEN)}


def test_the_fingerprint_is_that_of_versions_without_persons(store, manifest):
    add(store, "images", manifest(WRITTEN))
    assert store.fingerprint("images") == store.load("images").fingerprint == GOLDEN


def test_one_group_is_reported_in_the_singular_with_all_its_images(store, manifest):
    [check] = found(add(store, "images", manifest(["7", "x", "007", "7", "y"])))
    assert check.sentence.startswith("1 group of patient identifiers differs only in writing")
    assert "2 patients, 3 images (rows 2, 4, 5)." in check.sentence and check.groups == ((2, 4, 5),)


def test_identifiers_that_differ_otherwise_are_not_reported(store, manifest):
    assert found(add(store, "images", manifest(["1-23", "12-3", "10", "1", "a1", "0"]))) == []


def test_patients_are_recognised_in_a_cohort_that_lost_its_leading_zeros(store, manifest):
    whole, short = [f"{number:08d}" for number in (17, 231, 0, 40)], ["231", "17.0", "5", "0"]
    add(store, "whole", manifest(whole))
    add(store, "short", manifest(short, first=50))
    one, other = store.persons("whole"), store.persons("short")
    assert not set(one) & set(other)
    assert set(one.values()) & set(other.values()) == {keyed_hex(KEY, "patient", text) for text in ("17", "231", "0")}


def test_only_hashes_are_stored_beside_the_cohort_and_under_another_key_they_are_others(store, tmp_path, manifest):
    written = manifest(["MRN-PLANTED 007", "x"])
    add(store, "images", written)
    table = pd.read_parquet(store.folder("images") / FILE)
    assert list(table.columns) == ["patient_id", "person"]
    assert table.map(lambda text: len(text) == 16 and set(text) <= set("0123456789abcdef")).to_numpy().all()
    stored = b"".join(path.read_bytes() for path in store.folder("images").iterdir()).lower()
    assert b"planted" not in stored
    assert (store.folder("images") / FILE).stat().st_mode == (store.folder("images") / "cases.parquet").stat().st_mode
    other = CohortStore(tmp_path / "other", KEY[::-1])
    add(other, "images", written)
    assert not {*other.persons("images").values()} & {*store.persons("images").values()}


def test_an_interrupted_import_knows_all_persons_when_it_is_resumed(store, manifest):
    written = manifest(WRITTEN)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_manifest(store, "images", manifest=written, images_dir=None, findings=("mass",), workers=0, progress=stop)
    add(store, "images", written)
    assert set(store.persons("images").values()) == {keyed_hex(KEY, "patient", text) for text in ("p1", "1")}


def test_a_cohort_of_an_earlier_version_has_its_patients_as_persons(store, manifest):
    add(store, "images", manifest(["p1", "P 1", "a"]))
    (store.folder("images") / FILE).unlink()
    without_digests(store.folder("images"))
    patients = set(store.load("images").cases["patient_id"])
    assert store.persons("images") == {patient: patient for patient in patients}
    # "p1" is in the comparable form: a later cohort in which it is written differently has the same person.
    add(store, "later", manifest(["P-01", "z"], first=9))
    assert set(store.persons("later").values()) & patients == {keyed_hex(KEY, "patient", "p1")}


@pytest.mark.parametrize("damage", ["cut short", "a patient is missing", "other columns", "cases"])
def test_damaged_files_are_refused(store, manifest, damage):
    add(store, "images", manifest(["a", "b"]))
    path = store.folder("images") / (FILE if damage != "cases" else "cases.parquet")
    table = pd.read_parquet(path)
    if damage == "a patient is missing":
        table.head(1).to_parquet(path, index=False)
    elif damage == "other columns":
        table.rename(columns={"person": "patient"}).to_parquet(path, index=False)
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CohortError, match="import it again"):
        store.persons("images")


def test_without_known_patients_the_same_image_is_the_same_person_and_no_other_is(store, manifest):
    def unknown(path):
        """The manifest as a source in which rows are numbered and patients are not known."""
        source = read_manifest(path, images_dir=None, findings=("mass",), comorbidities=())
        return Source(source.rows, source.findings, patients_known=False)

    numbers = ["2", "3", "4", "5"]
    for name, first in (("one", 0), ("again", 0), ("shifted", 1), ("unrelated", 100)):
        report = import_source(store, name, unknown(manifest(numbers, first=first)), workers=0)
        assert found(report) == []
    one, again, shifted, unrelated = (store.persons(name) for name in ("one", "again", "shifted", "unrelated"))
    assert one.keys() == shifted.keys() == unrelated.keys()  # the numbers are the same, whatever images they stand for
    assert one == again and len(set(one.values())) == 4
    assert len(set(one.values()) & set(shifted.values())) == 3  # the next row's image, in a table that begins one image later
    assert not set(one.values()) & set(unrelated.values())
    add(store, "known", manifest(numbers))
    assert not set(one.values()) & set(store.persons("known").values())
    (store.folder("one") / FILE).unlink()
    assert store.persons("one") == again


def test_an_image_that_stands_twice_among_unknown_patients_is_one_person_and_no_remark(store, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    images[3] = images[0]
    arrays = {f"{part}_images": images[i : i + 2] for i, part in ((0, "train"), (2, "test"))}
    labels = {f"{part}_labels": np.array([[0], [1]], dtype=np.uint8) for part in ("train", "test")}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays, **labels)
    report = import_source(store, "images", read_medmnist(tmp_path / "pneumoniamnist.npz"), workers=0)
    assert found(report) == []
    persons = store.persons("images")
    assert (len(persons), len(set(persons.values()))) == (4, 3)


@pytest.mark.slow
def test_demos_of_two_seeds_share_no_person_and_the_same_demo_has_the_same(store):
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        assert found(add_demo_ct(store, name=name, n_cases=2, seed=seed, workers=0)) == []
    one, again, other = (store.persons(name) for name in ("one", "again", "other"))
    assert set(one) & set(other), "phantoms of every seed are numbered alike"
    assert one == again and len(set(one.values())) == len(one)
    assert not set(one.values()) & set(other.values())
    (store.folder("one") / FILE).unlink()
    assert store.persons("one") == again


def test_a_report_of_an_earlier_version_still_loads(store, manifest):
    add(store, "images", manifest(["a", "b"]))
    without_digests(store.folder("images"))
    path = store.folder("images") / "report.json"
    fields = json.loads(path.read_text())
    earlier = {name: value for name, value in fields.items() if name not in ("checks", "identifying_attributes")}
    path.write_text(json.dumps(earlier))
    assert isinstance(store.report("images"), ImportReport) and store.load("images").blocking == ()


@pytest.mark.real
@pytest.mark.parametrize("folder", ["nih1000", "ct_siim100"])
def test_real_cohorts_have_one_person_a_patient(store, real_cohorts, folder):
    findings = {"nih1000": ("effusion",), "ct_siim100": ("contrast",)}[folder]
    path = real_cohorts / folder / "manifest.csv"
    report = import_manifest(store, "real", manifest=path, images_dir=None, findings=findings)
    persons = store.persons("real")
    assert found(report) == [] and len(set(persons.values())) == len(persons) == report.n_patients
