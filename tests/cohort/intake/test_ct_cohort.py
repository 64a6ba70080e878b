"""CT scans as a cohort: store, journal, report and fingerprint work as for radiographs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.cohort.intake import read_result
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.store import CohortStore
from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.writing import SeriesLayout, write_series
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE, SPACING_MM
from tests.image_files import asymmetric_volume

KEY = bytes(range(32))
N_SCANS = 6


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scans of three patients, one folder per scan, and their manifest."""
    root, lines = tmp_path_factory.mktemp("written"), ["image,patient_id,pdac"]
    for number in range(N_SCANS):
        volume = asymmetric_volume((30, 24, 24), seed=number)
        write_series(root / "scans" / f"s{number}", volume, age=50 + number, sex="FM"[number % 2], layout=SeriesLayout(order=number))
        lines.append(f"scans/s{number},p{number // 2},{number % 2}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


def add(store: CohortStore, folder: Path, **options: object) -> ImportReport:
    return import_manifest(
        store, "ct", manifest=folder / "manifest.csv", images_dir=None, findings=("pdac",), modality=Modality.CT, workers=0, **options
    )


def test_scans_are_stored_as_volumes_of_hounsfield_units_with_their_patients(tmp_path: Path, folder: Path) -> None:
    store = CohortStore(tmp_path / "store", KEY)
    report = add(store, folder)
    cohort = store.load("ct")
    assert (report.n_imported, report.n_patients, report.n_unknown_age) == (N_SCANS, 3, 0)
    assert cohort.modality is Modality.CT and cohort.spacing_mm == SPACING_MM
    assert cohort.images.shape == (N_SCANS, *SHAPE) and cohort.images.dtype == np.int16
    for number in range(N_SCANS):
        row = cohort.cases.index[cohort.cases["age"] == 50 + number].item()
        assert np.array_equal(cohort.images[row], read_scan(folder / "scans" / f"s{number}").pixels)
    assert any("less than 128 mm from head to foot" in warning for warning in report.warnings)


@pytest.mark.slow
def test_the_fingerprint_depends_on_every_voxel_but_not_on_rows_names_or_layout(tmp_path: Path, folder: Path) -> None:
    first, relaid, changed = (CohortStore(tmp_path / name, KEY) for name in ("first", "relaid", "changed"))
    add(first, folder)
    for number in range(N_SCANS):
        shutil.rmtree(folder / "scans" / f"s{number}")
        layout = SeriesLayout(rows_reversed=True, columns_reversed=number % 2 == 0, order=number + 9)
        write_series(
            folder / "scans" / f"s{number}",
            asymmetric_volume((30, 24, 24), seed=number),
            age=50 + number,
            sex="FM"[number % 2],
            layout=layout,
        )
    header, *lines = (folder / "manifest.csv").read_text().splitlines()
    (folder / "manifest.csv").write_text("\n".join([header, *lines[::-1]]))
    add(relaid, folder)
    assert relaid.fingerprint("ct") == first.fingerprint("ct")
    volume = asymmetric_volume((30, 24, 24), seed=2)
    volume[15, 12, 12] += 1
    shutil.rmtree(folder / "scans" / "s2")
    write_series(folder / "scans" / "s2", volume, age=52, sex="F")
    add(changed, folder)
    assert changed.fingerprint("ct") != first.fingerprint("ct")


def test_an_interrupted_import_is_resumed_and_a_changed_scan_is_read_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CohortStore(tmp_path / "store", KEY)

    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(store, folder, progress=stop)
    assert store.names() == []
    next((folder / "scans" / "s1").iterdir()).touch()
    read, seen = read_result.read_image, []
    monkeypatch.setattr(read_result, "read_image", lambda location, **kind: seen.append(location.name) or read(location, **kind))
    assert add(store, folder).n_imported == N_SCANS
    assert sorted(seen) == ["s1", "s4", "s5"]


def test_unusable_scans_are_left_out_and_reported_by_row(tmp_path: Path, folder: Path) -> None:
    (folder / "scans" / "s1" / "0000.dcm").write_text("not a slice")
    for path in sorted((folder / "scans" / "s3").iterdir())[1:]:
        path.unlink()
    (folder / "scans" / "s5" / "0003.dcm").write_bytes((folder / "scans" / "s4" / "0003.dcm").read_bytes())
    store = CohortStore(tmp_path / "store", KEY)
    report = add(store, folder)
    assert report.n_imported == N_SCANS - 3
    sentences = [problem.sentence() for problem in report.problems]
    assert [problem.row for problem in report.problems] == [3, 5, 7]
    assert "the scan holds a file (number 1 of 30 in the order of names) that is not a DICOM file" in sentences[0]
    assert "the scan is a series of one slice" in sentences[1] and "the scan holds 2 series (29 and 1 slices)" in sentences[2]
    assert not any("s1" in sentence or "p0" in sentence for sentence in sentences)


def test_a_scan_listed_for_two_patients_is_found(tmp_path: Path, folder: Path) -> None:
    with (folder / "manifest.csv").open("a") as manifest:
        manifest.write("\nscans/s0,p9,0\n")
    names = {check.name for check in add(CohortStore(tmp_path / "store", KEY), folder).checks}
    assert "identical_images_across_patients" in names


def test_a_near_identical_scan_is_found(tmp_path: Path, folder: Path) -> None:
    volume = np.clip(asymmetric_volume((30, 24, 24), seed=0).astype(int) + np.random.default_rng(9).normal(0, 2, (30, 24, 24)), -1024, 3071)
    write_series(folder / "scans" / "copy", volume.astype(np.int16), age=50, sex="F")
    with (folder / "manifest.csv").open("a") as manifest:
        manifest.write("\nscans/copy,p9,0\n")
    names = {check.name for check in add(CohortStore(tmp_path / "store", KEY), folder).checks}
    assert "near_identical_images_across_patients" in names


def test_a_folder_is_refused_as_a_radiograph(tmp_path: Path, folder: Path) -> None:
    store = CohortStore(tmp_path / "store", KEY)
    with pytest.raises(Exception, match="is a folder, and a radiograph is one file") as caught:
        import_manifest(store, "images", manifest=folder / "manifest.csv", images_dir=None, findings=("pdac",))
    assert "--modality ct" in str(caught.value)


def test_blocks_of_volumes_stay_small(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).integers(-1024, 3071, (5, *SHAPE), dtype=np.int16)
    np.save(tmp_path / "images.npy", volumes)
    blocks = list(read_images(tmp_path / "images.npy", 3 * volumes[0].nbytes))
    assert [len(block) for block in blocks] == [3, 2] and np.array_equal(np.concatenate(blocks), volumes)
