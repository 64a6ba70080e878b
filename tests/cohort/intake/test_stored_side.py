"""Radiographs are stored with 256 pixels, or with 128 where that invents nothing; either way an image is the same one."""

import json

import numpy as np
import pytest
from PIL import Image

from dpmed_core.cohort.intake.importer import import_manifest, import_source
from dpmed_core.cohort.intake.row_table import select_rows
from dpmed_core.cohort.intake.stored_side import N_LOOKED, stored_side
from dpmed_core.cohort.persons import FILE as PERSONS
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.imaging.image import squared
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from tests.conftest import KEY

N_IMAGES = 24


def pixels_of(index, shape=(300, 260)):
    """Detail as fine as a pixel, different in every image."""
    return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def manifest(tmp_path, write_manifest):
    """A function that writes a manifest with images of the given sizes, taken in turn."""

    def write(*shapes):
        rows = [{"image": f"{i}.png", "patient_id": f"p{i // 2}", "age": 30, "sex": "F", "mass": i // 2 % 2} for i in range(N_IMAGES)]
        for i in range(N_IMAGES):
            Image.fromarray(pixels_of(i, shapes[i % len(shapes)])).save(tmp_path / f"{i}.png")
        return write_manifest(tmp_path / "manifest.csv", rows)

    return write


def add(store, name, manifest, **options):
    return import_manifest(store, name, manifest=manifest, images_dir=None, findings=("mass",), **options)


def side_for(manifest, pixels=None, modality=Modality.RADIOGRAPH):
    source = read_manifest(manifest, images_dir=None, findings=("mass",), comorbidities=())
    return stored_side(select_rows(source, key=KEY).row_table, modality, pixels)


def test_the_side_is_the_users_or_one_that_invents_no_detail(manifest):
    assert side_for(manifest((300, 260))) == 256
    assert side_for(manifest((100, 128))) == 128
    assert side_for(manifest((100, 128)), pixels=256) == 256
    assert side_for(manifest((300, 260)), pixels=128) == 128
    assert side_for(manifest((129, 100), (64, 64))) == 256, "one file that is larger decides"


def test_a_file_that_does_not_say_its_size_decides_nothing(manifest, write_dicom_file, tmp_path):
    path = manifest((64, 64))
    (tmp_path / "0.png").write_bytes(b"no picture")
    assert side_for(path) == 128
    write_dicom_file(tmp_path / "1.png", np.arange(300 * 8, dtype=np.uint16).reshape(300, 8))
    assert side_for(path) == 256, "a DICOM file, whatever its name says"


def test_few_headers_are_looked_at_however_many_rows_there_are(manifest, monkeypatch):
    looked = []
    monkeypatch.setattr("dpmed_core.cohort.intake.stored_side.longer_side", lambda image: looked.append(image) or 64)
    source = read_manifest(manifest((64, 64)), images_dir=None, findings=("mass",), comorbidities=())
    table = select_rows(source, key=KEY).row_table
    many = table.only([i % N_IMAGES for i in range(50 * N_LOOKED)])
    assert stored_side(many, Modality.RADIOGRAPH, None) == 128 and len(looked) == N_LOOKED


def test_images_of_256_pixels_are_the_files_reduced_once(store, manifest):
    report = add(store, "fine", manifest((300, 260)), workers=0)
    cohort = store.load("fine")
    assert cohort.images.shape == (N_IMAGES, 256, 256) and not any("enlarged" in warning for warning in report.warnings)
    expected = {squared(pixels_of(i).astype(np.float32) / 255, 256).tobytes() for i in range(N_IMAGES)}
    assert {image.tobytes() for image in cohort.images} == expected
    assert json.loads((store.folder("fine") / "cohort.json").read_text())["pixels"] == 256
    assert store.is_intact("fine")


def test_workers_read_the_same(store, manifest):
    path = manifest((300, 260))
    add(store, "here", path, workers=0)
    add(store, "there", path, workers=2)
    assert store.fingerprint("here") == store.fingerprint("there")
    assert np.array_equal(store.load("here").digests_at_128, store.load("there").digests_at_128)


def test_an_image_is_recognised_in_a_cohort_of_the_other_side(store, manifest):
    source = read_manifest(manifest((300, 260)), images_dir=None, findings=("mass",), comorbidities=())
    source = Source(source.rows, source.findings, patients_known=False)
    for name, pixels in (("fine", 256), ("coarse", 128)):
        import_source(store, name, source, pixels=pixels, workers=0)
    fine, coarse = store.load("fine"), store.load("coarse")
    assert coarse.digests_at_128 is None and fine.fingerprint != coarse.fingerprint
    assert {digest.tobytes() for digest in fine.digests_at_128} == {digest.tobytes() for digest in coarse.image_digests}
    assert set(store.persons("fine").values()) == set(store.persons("coarse").values())
    (store.folder("fine") / PERSONS).unlink()
    assert set(store.persons("fine").values()) == set(store.persons("coarse").values())


def test_an_interrupted_import_is_resumed_with_the_same_side(store, manifest):
    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    path = manifest((300, 260))
    with pytest.raises(KeyboardInterrupt):
        add(store, "stopped", path, workers=0, progress=stop)
    begun = []
    add(store, "stopped", path, workers=0, progress=lambda done, total: begun.append(done))
    add(store, "whole", path, workers=0)
    assert begun[0] > 16, "what had been read was not read again"
    assert store.fingerprint("stopped") == store.fingerprint("whole")
    assert np.array_equal(store.load("stopped").digests_at_128, store.load("whole").digests_at_128)


def test_small_images_are_enlarged_only_where_that_is_asked_for_and_the_report_says_so(store, manifest):
    path = manifest((100, 80))
    assert not any("enlarged" in warning for warning in add(store, "small", path, workers=0).warnings)
    [said] = [warning for warning in add(store, "asked", path, pixels=256, workers=0).warnings if "enlarged" in warning]
    assert said.startswith(f"{N_IMAGES} images") and "--pixels 128" in said
    assert store.load("small").images.shape[-1] == 128 and store.load("asked").images.shape[-1] == 256


def test_checks_find_in_finer_images_what_they_find_at_128(store, manifest, tmp_path):
    """A copy in other grey levels is near-identical, a copy of the file identical, at either side."""
    path = manifest((300, 260))
    rows, columns = np.mgrid[0:300, 0:260]
    smooth = (90 + 40 * np.sin(rows / 30) + 40 * np.cos(columns / 20)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "0.png")
    Image.fromarray((smooth * 0.97 + 4).astype(np.uint8)).save(tmp_path / "4.png")
    (tmp_path / "8.png").write_bytes((tmp_path / "9.png").read_bytes())
    found = [{check.name: check.rows for check in add(store, f"s{p}", path, pixels=p, workers=0).checks} for p in (128, 256)]
    assert found[0] == found[1] and {"near_identical_images_across_patients", "identical_images_of_one_patient"} <= found[0].keys()


def test_what_reads_128_pixels_gets_the_mean_of_each_block_rounded_to_even():
    radiographs = np.random.default_rng(5).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    means = radiographs.reshape(3, 128, 2, 128, 2).mean(axis=(2, 4), dtype=np.float64)
    assert np.array_equal(radiographs_at_128(radiographs), np.rint(means)) and (means % 1 == 0.5).any()
    for side in (64, 128, 512):
        other = np.zeros((1, side, side), np.uint8)
        assert radiographs_at_128(other).shape == other.shape
