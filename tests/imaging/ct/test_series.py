"""A folder of slices as one scan: order, orientation and units agree with SimpleITK, and every fault is refused with its reason."""

import os
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.uid import generate_uid

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import REPEATED, TILTED, UNEVEN, order_planes
from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.series import LOCALIZERS, WITHOUT_PIXELS, read_series, series_file_paths
from dpmed_core.imaging.ct.warnings import NO_AIR, SHORT
from dpmed_core.imaging.ct.writing import SeriesLayout, write_series
from dpmed_core.imaging.modality import Sex
from dpmed_core.imaging.volume_grid import AIR
from tests.image_files import asymmetric_volume

Change = Callable[..., None]
REAL = os.environ.get("DPMED_REAL_COHORTS", "")


def refusal(folder: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_scan(folder)
    assert "\n" not in str(caught.value) and str(folder) not in str(caught.value)
    return str(caught.value)


def planes_of(folder: Path) -> tuple[np.ndarray, float]:
    """The slices' Hounsfield units in the reader's order, and their mean spacing."""
    planes, geometry, _ = order_planes(read_series(series_file_paths(str(folder))).planes)
    return np.stack([plane.read() for plane in planes]), float(np.diff(geometry.positions[0]).mean())


def by_simpleitk(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("layout", list(product((False, True), repeat=2)))
def test_neither_the_files_order_nor_reversed_axes_change_the_stored_volume(
    tmp_path: Path, scan: np.ndarray, layout: tuple[bool, bool]
) -> None:
    straight, turned = tmp_path / "straight", tmp_path / "turned"
    write_series(straight, scan, age=61, sex="F", spacing_mm=(3.0, 1.7, 2.3))
    write_series(turned, scan, age=61, sex="F", spacing_mm=(3.0, 1.7, 2.3), layout=SeriesLayout(*layout, order=5))
    first, second = read_scan(straight), read_scan(turned)
    assert np.array_equal(first.pixels, second.pixels)
    assert first.age == 61 and first.sex is Sex.FEMALE


def test_slices_acquired_sagittally_give_the_same_volume(tmp_path: Path, scan: np.ndarray, change: Change) -> None:
    upright = read_scan(write_series(tmp_path / "upright", scan, age=61, sex="F", spacing_mm=(3.0, 2.0, 2.5))[0].parent)
    sagittal = write_series(tmp_path / "sagittal", scan.transpose(2, 0, 1), age=61, sex="F", spacing_mm=(2.5, 3.0, 2.0))
    for number, path in enumerate(sagittal):
        change(path, ImageOrientationPatient=[0, 1, 0, 0, 0, 1], ImagePositionPatient=[2.5 * number, -10, 40])
    assert np.array_equal(read_scan(sagittal[0].parent).pixels, upright.pixels)


def test_order_units_and_spacing_are_simpleitks(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path / "series", scan, age=61, sex="F", spacing_mm=(3.0, 2.0, 2.0), layout=SeriesLayout(order=3))
    units, spacing = planes_of(tmp_path / "series")
    theirs = by_simpleitk(tmp_path / "series")
    assert np.array_equal(units, sitk.GetArrayFromImage(theirs)) and np.array_equal(units, scan)
    assert spacing == pytest.approx(theirs.GetSpacing()[2])


def test_a_slice_that_is_missing_is_counted_and_the_gap_interpolated(series: list[Path]) -> None:
    whole = read_scan(series[0].parent)
    series[7].unlink()
    gapped = read_scan(series[0].parent)
    assert "1 slice is missing between others; the gap was filled by interpolation" in gapped.warnings
    inside = whole.pixels > -200
    assert np.abs(gapped.pixels[inside].astype(float) - whole.pixels[inside]).mean() < 8


def test_a_wide_gap_is_refused(series: list[Path]) -> None:
    for path in series[7:11]:
        path.unlink()
    assert "leaves 15 mm between two slices (usually 3 mm)" in refusal(series[0].parent)


def test_a_duplicate_slice_is_used_once_with_a_warning(series: list[Path], change: Change) -> None:
    whole = read_scan(series[0].parent)
    again = series[0].parent / "again.dcm"
    shutil.copy(series[9], again)
    change(again, SOPInstanceUID=generate_uid(), InstanceNumber=99)
    doubled = read_scan(series[0].parent)
    assert REPEATED in doubled.warnings and np.array_equal(doubled.pixels, whole.pixels)


def test_two_different_slices_at_the_same_position_are_refused(series: list[Path], change: Change) -> None:
    change(series[9], ImagePositionPatient=list(pydicom.dcmread(series[10]).ImagePositionPatient))
    assert "different slices at the same position (1 position)" in refusal(series[0].parent)


def test_uneven_spacing_gives_a_warning(series: list[Path], change: Change) -> None:
    x, y, z = pydicom.dcmread(series[12]).ImagePositionPatient
    change(series[12], ImagePositionPatient=[x, y, z + 1.2])
    assert UNEVEN in read_scan(series[0].parent).warnings


def test_two_series_in_one_folder_are_refused_with_their_sizes(series: list[Path], change: Change) -> None:
    other = generate_uid()
    for path in series[:6]:
        change(path, SeriesInstanceUID=other)
    assert "holds 2 series (18 and 6 slices)" in refusal(series[0].parent)


def test_slices_of_two_patients_are_refused_without_naming_them(series: list[Path], change: Change) -> None:
    for path in series:
        change(path, PatientID="Doe^Jane" if path == series[3] else "Roe^Ann")
    assert "slices of 2 patients" in refusal(series[0].parent) and "Doe" not in refusal(series[0].parent)


def test_localizers_are_left_out_whether_named_in_the_header_or_known_by_their_orientation(series: list[Path], change: Change) -> None:
    whole = read_scan(series[0].parent)
    scout, unsaid = series[0].parent / "scout.dcm", series[0].parent / "unsaid.dcm"
    for path in (scout, unsaid):
        shutil.copy(series[3], path)
    change(scout, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID=generate_uid(), PixelSpacing=None)
    change(unsaid, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    found = read_scan(series[0].parent)
    assert LOCALIZERS in found.warnings and np.array_equal(found.pixels, whole.pixels)


def test_a_tilted_gantry_gives_a_warning_and_an_upright_volume(tmp_path: Path, change: Change) -> None:
    cosine, sine = np.cos(np.deg2rad(15)), np.sin(np.deg2rad(15))
    heights = np.arange(30) * 4.0
    y = (np.arange(60) - 29.5) * 3.0
    values = np.zeros((30, 60, 50), dtype=np.int16)
    values[:] = np.round(2 * y * cosine)[None, :, None]  # a ramp along the patient's y, as slices tilted about x see it
    paths = write_series(tmp_path / "tilted", values, age=50, sex="M", spacing_mm=(4.0, 3.0, 3.0))
    for path, height in zip(paths, heights, strict=True):
        change(path, ImageOrientationPatient=[1, 0, 0, 0, cosine, sine], ImagePositionPatient=[-73.5, -80, height])
    found = read_scan(tmp_path / "tilted")
    assert TILTED in found.warnings
    expected = 2 * (np.arange(96) - 47.5) * 4
    middle = found.pixels[32, 36:60, 48]
    assert np.abs(middle - expected[36:60]).max() <= 3


def test_slices_that_jump_sideways_are_refused(series: list[Path], change: Change) -> None:
    x, y, z = pydicom.dcmread(series[5]).ImagePositionPatient
    change(series[5], ImagePositionPatient=[x + 30, y, z])
    assert "do not lie on one line" in refusal(series[0].parent)


def test_a_file_that_is_not_dicom_is_refused_by_its_number(series: list[Path]) -> None:
    (series[0].parent / "0002b.dcm").write_text("<html>not a slice</html>")
    assert "number 4 of 25 in the order of names) that is not a DICOM file" in refusal(series[0].parent)


def test_system_files_and_objects_without_pixels_are_left_out(series: list[Path], change: Change) -> None:
    whole = read_scan(series[0].parent)
    for name in (".DS_Store", "Thumbs.db", "DICOMDIR"):
        (series[0].parent / name).write_bytes(b"anything")
    report = series[0].parent / "report.dcm"
    shutil.copy(series[0], report)
    change(report, PixelData=None, Rows=None, Columns=None, Modality="SR", SeriesInstanceUID=generate_uid())
    found = read_scan(series[0].parent)
    assert WITHOUT_PIXELS in found.warnings and np.array_equal(found.pixels, whole.pixels)


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"Modality": "MR"}, "not CT (Modality MR)"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "holds a colour image (3 values per voxel)"),
        ({"ImagePositionPatient": None}, "without a usable ImagePositionPatient"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "without a usable ImageOrientationPatient"),
        ({"PixelSpacing": None}, "without a usable PixelSpacing"),
        ({"PixelSpacing": [5, 5]}, "different PixelSpacing"),
        ({"Rows": 36, "Columns": 40}, "different sizes (36 x 40 and 40 x 36 voxels)"),
        ({"RescaleSlope": 300}, "do not fit the 16 bits of Hounsfield units"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, "neither RescaleSlope nor RescaleIntercept"),
        ({"PixelData": b"\0" * 100}, "is cut short"),
        ({"BitsStored": 40}, "in a way that cannot be read"),
        ({"NumberOfFrames": 7}, "multi-frame file beside other files"),
    ],
)
def test_a_wrong_slice_among_the_others_is_refused(
    series: list[Path], change: Change, attributes: dict[str, object], complaint: str
) -> None:
    change(series[4], **attributes)
    assert complaint in refusal(series[0].parent)


def test_one_slice_and_two_thousand_are_refused(tmp_path: Path, series: list[Path]) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(series[0], alone)
    assert "series of one slice" in refusal(alone)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(2000):
        shutil.copy(series[number % len(series)], many / f"{number}")
    assert "series of 2,000 slices; at most 1,500" in refusal(many)


def test_an_empty_folder_a_constant_scan_and_a_png_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no file" in refusal(tmp_path / "empty")
    write_series(tmp_path / "flat", np.full((70, 96, 96), 40, dtype=np.int16), age=1, sex="O")
    assert "the same value everywhere" in refusal(tmp_path / "flat")
    (tmp_path / "pictures").mkdir()
    Image.new("L", (20, 20)).save(tmp_path / "pictures" / "a.png")
    assert "not a DICOM file" in refusal(tmp_path / "pictures")


def test_padding_becomes_air_and_metal_is_clipped(series: list[Path], change: Change) -> None:
    whole = read_scan(series[0].parent)
    slice_ = pydicom.dcmread(series[12])
    values = slice_.pixel_array.copy()
    values[:, :18], values[20, 30] = 63_000, 32_000
    change(series[12], PixelData=values.tobytes(), PixelPaddingValue=63_000)
    found = read_scan(series[0].parent)
    assert found.pixels.min() == AIR and found.pixels.max() <= 3071 and not np.array_equal(found.pixels, whole.pixels)


def test_a_short_scan_and_one_without_air_give_warnings(tmp_path: Path) -> None:
    values = np.clip(asymmetric_volume((80, 40, 36)), 0, None)
    write_series(tmp_path / "offset", values, age=1, sex="O", spacing_mm=(4.0, 4.0, 4.0))
    assert NO_AIR in read_scan(tmp_path / "offset").warnings
    write_series(tmp_path / "short", asymmetric_volume((20, 40, 36)), age=1, sex="O")
    assert read_scan(tmp_path / "short").warnings == (SHORT,)


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="DPMED_REAL_COHORTS does not name the folder of real cohorts")
def test_a_real_series_shuffled_with_a_gap_with_a_duplicate_and_beside_another(tmp_path: Path, change: Change) -> None:
    original = Path(REAL) / "dicom_samples" / "totalseg_ct_series"
    files = sorted(original.glob("*.dcm"))
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for number, path in zip(np.random.default_rng(0).permutation(len(files)), files, strict=True):
        shutil.copy(path, shuffled / f"{number:02d}")
    theirs = by_simpleitk(original)
    units, spacing = planes_of(shuffled)
    assert np.array_equal(units, np.clip(sitk.GetArrayFromImage(theirs), -1024, 3071))
    assert spacing == pytest.approx(theirs.GetSpacing()[2]) == 2.0
    whole = read_scan(shuffled)
    assert np.array_equal(whole.pixels, read_scan(original).pixels)

    shutil.copy(shuffled / "05", shuffled / "doubled")
    doubled = read_scan(shuffled)
    assert REPEATED in doubled.warnings and np.array_equal(doubled.pixels, whole.pixels)
    (shuffled / "doubled").unlink()

    (shuffled / "05").rename(tmp_path / "05")
    assert any("1 slice is missing" in warning for warning in read_scan(shuffled).warnings)
    (tmp_path / "05").rename(shuffled / "05")

    for number in range(8):
        shutil.copy(shuffled / f"{number:02d}", shuffled / f"other-{number}")
        change(shuffled / f"other-{number}", SeriesInstanceUID="1.2.3")
    assert "holds 2 series (20 and 8 slices)" in refusal(shuffled)
