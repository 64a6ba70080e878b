"""CT as exported by a PACS: slices of several series in one folder, beside localizers and reports; one row per series."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dpmed_core.cohort.intake import read_result
from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.sources.catalogue import open_source
from dpmed_core.cohort.sources.request import ImportRequest, Match
from dpmed_core.errors import CohortError
from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.writing import write_series
from dpmed_core.imaging.modality import Modality, Sex


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients; the first has two series in one folder, beside a localizer, a report and a text file."""
    folder = tmp_path_factory.mktemp("written")
    root = folder / "export"
    for number, patient in enumerate("AAB"):
        volume = np.random.default_rng(number).integers(-1000, 500, (20, 16, 16), dtype=np.int16)
        for path in write_series(folder / f"w{number}", volume, age=60 + number, sex="M"):
            slice_ = pydicom.dcmread(path)
            slice_.PatientID, slice_.AccessionNumber, slice_.SeriesInstanceUID = f"MRN{patient}", f"ACC{patient}", f"1.2.{number}"
            (root / patient).mkdir(parents=True, exist_ok=True)
            slice_.save_as(root / patient / f"{path.stem}-{number}.dcm")
    scout = pydicom.dcmread(root / "A" / "0000-0.dcm")
    scout.ImageType, scout.SeriesInstanceUID = ["ORIGINAL", "PRIMARY", "LOCALIZER"], "1.2.9"
    scout.save_as(root / "A" / "scout.dcm")
    report = pydicom.dcmread(root / "A" / "0000-0.dcm")
    del report.PixelData, report.Rows, report.Columns
    report.Modality = "SR"
    report.save_as(root / "A" / "report.dcm")
    (root / "A" / "README").write_text("exported")
    return folder


@pytest.fixture
def export(written: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "export"


def read(export: Path, labels: str, **options: object):
    (export.parent / "labels.csv").write_text(labels)
    request = ImportRequest(export, findings=("pdac",), labels=export.parent / "labels.csv", modality=Modality.CT, **options)
    return open_source("dicom", request)


def test_each_series_is_a_scan_of_its_patient(export: Path, store) -> None:
    report = import_source(store, "ct", open_source("dicom", ImportRequest(export, modality=Modality.CT)), modality=Modality.CT, workers=0)
    cohort = store.load("ct")
    assert (report.n_imported, report.n_patients) == (3, 2)
    assert sorted(cohort.cases["age"]) == [60, 61, 62] and set(cohort.cases["sex"]) == {Sex.MALE.value}
    for number in range(3):
        row = cohort.cases.index[cohort.cases["age"] == 60 + number].item()
        assert np.array_equal(cohort.images[row], read_scan(export.parent / f"w{number}").pixels)
    assert any(
        "2 DICOM files that are not CT slices (localizers, reports, other modalities) were left out" in note for note in report.warnings
    )
    assert any("1 file that is not DICOM was left out" in note for note in report.warnings)


@pytest.mark.parametrize(
    ("labels", "match", "expected"),
    [
        ("SeriesInstanceUID,pdac\n1.2.0,1\n1.2.1,0\n1.2.2,1", None, [1, 0, 1]),
        ("accession_number,pdac\nACCA,1\nACCB,0", None, [1, 1, 0]),
        ("folder_name,path,pdac\nx,A,0\ny,B,1", Match.FILE, [0, 0, 1]),
        ("series_uid,accession,pdac\n1.2.0,ACCA,1\n1.2.1,ACCA,0\n1.2.2,ACCB,1", None, [1, 0, 1]),
    ],
)
def test_labels_are_joined_by_series_accession_or_folder(export: Path, labels: str, match: Match | None, expected: list[int]) -> None:
    rows = list(read(export, labels, match=match).rows)
    assert [row.values["pdac"] for row in rows] == expected and [row.row for row in rows] == [1, 2, 3]
    assert not any(row.problems for row in rows)


def test_a_series_without_a_row_is_left_out_and_reported(export: Path) -> None:
    rows = list(read(export, "SeriesInstanceUID,pdac\n1.2.0,1\n1.2.2,1").rows)
    assert [bool(row.problems) for row in rows] == [False, True, False] and rows[1].problems[0].column == "pdac"


def test_an_import_is_resumed_only_for_series_whose_files_did_not_change(export: Path, store, monkeypatch) -> None:
    labels = "SeriesInstanceUID,pdac\n1.2.0,1\n1.2.1,0\n1.2.2,1"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_source(store, "ct", read(export, labels), modality=Modality.CT, workers=0, progress=stop)
    (export / "A" / "0003-1.dcm").touch()
    seen, read_image = [], read_result.read_image
    monkeypatch.setattr(
        read_result, "read_image", lambda location, **kind: seen.append(location.paths[0][-6:]) or read_image(location, **kind)
    )
    import_source(store, "ct", read(export, labels), modality=Modality.CT, workers=0)
    assert sorted(seen) == ["-1.dcm", "-2.dcm"]


def test_an_export_without_ct_is_refused(export: Path) -> None:
    for path in export.rglob("*.dcm"):
        if path.name not in ("scout.dcm", "report.dcm"):
            path.unlink()
    shutil.rmtree(export / "B")
    with pytest.raises(CohortError, match="holds no CT slice"):
        open_source("dicom", ImportRequest(export, modality=Modality.CT))
