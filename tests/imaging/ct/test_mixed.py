"""Two or three reconstructions under one SeriesInstanceUID, NIfTI files with two orientations, screenshots among slices, thin volumes."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.orientations import FORMS_DIFFER
from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.series import SCREENSHOTS
from dpmed_core.imaging.ct.writing import write_series

Change = Callable[..., None]
STEP = 3.0


def mixed(folder: Path, scan: np.ndarray, change: Change, *, shifts: tuple[float, ...], **of_each: list[object]) -> Path:
    """A folder with one reconstruction of `scan` for each shift (mm along the body), all under one SeriesInstanceUID."""
    folder.mkdir()
    uid = None
    for number, shift in enumerate(shifts):
        paths = write_series(folder.with_name(f"one-{number}"), scan, age=61, sex="F", spacing_mm=(STEP, 2.0, 2.0))
        uid = uid or str(pydicom.dcmread(paths[0], stop_before_pixels=True).SeriesInstanceUID)
        patient = "p"
        for place, path in enumerate(paths):
            slice_ = pydicom.dcmread(path, stop_before_pixels=True)
            x, y, z = map(float, slice_.ImagePositionPatient)
            given = {name: values[number](place) if callable(values[number]) else values[number] for name, values in of_each.items()}
            change(path, SeriesInstanceUID=uid, PatientID=patient, ImagePositionPatient=[x, y, z + shift], **given)
            path.rename(folder / f"{number}-{path.name}")
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_scan(path)
    return str(caught.value)


@pytest.mark.parametrize("shifts", [(0.0, 1.5), (0.0, 1.0, 2.0)])
def test_reconstructions_with_doubled_numbers_are_refused(
    tmp_path: Path, scan: np.ndarray, change: Change, shifts: tuple[float, ...]
) -> None:
    assert f"{len(scan)} InstanceNumbers occur at several positions" in refusal(mixed(tmp_path / "x", scan, change, shifts=shifts))


def test_reconstructions_numbered_one_after_the_other_are_refused(tmp_path: Path, scan: np.ndarray, change: Change) -> None:
    numbers = [lambda place: 1 + place, lambda place: 101 + place, lambda place: 201 + place]
    folder = mixed(tmp_path / "x", scan, change, shifts=(0.0, 1.0, 2.0), InstanceNumber=numbers)
    assert "run through the body 3 times" in refusal(folder)


def test_other_kernels_and_acquisitions_are_refused(tmp_path: Path, scan: np.ndarray, change: Change) -> None:
    numbers = [lambda place: 2 * place, lambda place: 2 * place + 1]  # as if it were one scan
    kernels = mixed(tmp_path / "k", scan, change, shifts=(0.0, 1.5), InstanceNumber=numbers, ConvolutionKernel=["B30f", "B70f"])
    assert "2 convolution kernels" in refusal(kernels)
    (tmp_path / "again").mkdir()
    acquisitions = mixed(tmp_path / "again" / "a", scan, change, shifts=(0.0, 1.5), InstanceNumber=numbers, AcquisitionNumber=[1, 2])
    assert "2 acquisitions cover the same part of the body" in refusal(acquisitions)


def test_one_scan_of_two_acquisitions_one_above_the_other_is_read(tmp_path: Path, series: list[Path], change: Change) -> None:
    expected = read_scan(series[0].parent).pixels
    for place, path in enumerate(series):
        change(path, AcquisitionNumber=1 + (place >= len(series) // 2))
    assert np.array_equal(read_scan(series[0].parent).pixels, expected)


@pytest.mark.parametrize("number", [lambda place: 1, lambda place: (place * 11) % 24, lambda place: ""])
def test_numbers_that_an_anonymiser_wrote_say_nothing(series: list[Path], change: Change, number: Callable[[int], object]) -> None:
    expected = read_scan(series[0].parent).pixels
    for place, path in enumerate(series):
        change(path, InstanceNumber=number(place))
    assert np.array_equal(read_scan(series[0].parent).pixels, expected)


def test_a_screenshot_in_colour_is_left_out_with_a_remark(series: list[Path], change: Change) -> None:
    expected = read_scan(series[0].parent).pixels
    shot = series[0].with_name("shot.dcm")
    shot.write_bytes(series[0].read_bytes())
    change(
        shot,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        Modality="OT",
        ImagePositionPatient=None,
    )
    found = read_scan(series[0].parent)
    assert SCREENSHOTS in found.warnings and np.array_equal(found.pixels, expected)


AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])


def nifti(path: Path, scan: np.ndarray, *, sform: np.ndarray | None, qform: np.ndarray | None) -> Path:
    image = nib.Nifti1Image(scan.transpose(2, 1, 0).astype(np.int16), AFFINE)
    image.set_qform(AFFINE if qform is None else qform, 0 if qform is None else 1)
    image.set_sform(AFFINE if sform is None else sform, 0 if sform is None else 1)
    nib.save(image, path)
    return path


def turned(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ AFFINE


def test_either_form_alone_and_both_in_agreement_give_the_same_volume(tmp_path: Path, scan: np.ndarray) -> None:
    forms = {"both": (AFFINE, AFFINE), "sform": (AFFINE, None), "qform": (None, AFFINE)}
    read = {name: read_scan(nifti(tmp_path / f"{name}.nii", scan, sform=s, qform=q)) for name, (s, q) in forms.items()}
    assert all(np.array_equal(one.pixels, read["both"].pixels) and FORMS_DIFFER not in one.warnings for one in read.values())
    assert "the orientation is that of the qform" in read["qform"].reading.assumed


def test_forms_that_mirror_each_other_are_refused(tmp_path: Path, scan: np.ndarray) -> None:
    path = nifti(tmp_path / "a.nii", scan, sform=np.diag([2.0, -2.0, 3.0, 1.0]), qform=AFFINE)
    assert "mirror image of the other, so left and right are in doubt" in refusal(path)


def test_forms_that_exchange_axes_are_refused_and_a_small_turn_gets_a_remark(tmp_path: Path, scan: np.ndarray) -> None:
    assert "differ by 180 degrees" in refusal(nifti(tmp_path / "a.nii", scan, sform=turned(180), qform=AFFINE))
    assert "different distances" in refusal(nifti(tmp_path / "d.nii", scan, sform=np.diag([-2.0, -2.0, 4.5, 1.0]), qform=AFFINE))
    assert FORMS_DIFFER in read_scan(nifti(tmp_path / "b.nii", scan, sform=turned(5), qform=AFFINE)).warnings
    assert FORMS_DIFFER not in read_scan(nifti(tmp_path / "c.nii", scan, sform=turned(0.3), qform=AFFINE)).warnings


@pytest.mark.parametrize(("step", "words"), [(1.0, "is 3 mm thin"), (0.5, "is 1.5 mm thin")])
def test_a_scan_thinner_than_a_stored_voxel_is_refused_for_that(tmp_path: Path, scan: np.ndarray, step: float, words: str) -> None:
    affine = np.diag([-2.0, -2.0, step, 1.0])
    assert words in refusal(nifti(tmp_path / "a.nii", scan[:3], sform=affine, qform=affine))
