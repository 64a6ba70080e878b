"""Enhanced CT, NIfTI and MetaImage give the same volume as single slices; every unusable file is refused in one sentence."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, JPEGLSLossless

from dpmed_core.cohort.intake.read_result import signature_of
from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.series import LOCALIZERS
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.modality import Modality, Sex

SPACING = (3.0, 2.0, 2.0)
Write = Callable[..., Path]


def refusal(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path, modality=Modality.CT)
    message = str(caught.value)
    assert "\n" not in message and path.name not in message and str(path.parent) not in message
    return message


def item(**attributes: object) -> Sequence:
    one = Dataset()
    for keyword, value in attributes.items():
        setattr(one, keyword, value)
    return Sequence([one])


@pytest.fixture
def enhanced(tmp_path: Path, series: list[Path]) -> Write:
    """A function that writes the scan as one enhanced CT file, its frames in any order."""

    def write(order: list[int] | None = None, *, compressed: bool = False, **attributes: object) -> Path:
        slices = [pydicom.dcmread(path) for path in series]
        slices = [slices[index] for index in order or range(len(slices))]
        one = pydicom.dcmread(series[0])
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
        one.NumberOfFrames = len(slices)
        shared = Dataset()
        shared.PixelMeasuresSequence = item(PixelSpacing=[2, 2], SliceThickness=3)
        shared.PixelValueTransformationSequence = item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
        shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        one.SharedFunctionalGroupsSequence = Sequence([shared])
        each = []
        for slice_ in slices:
            frame = Dataset()
            frame.PlanePositionSequence = item(ImagePositionPatient=slice_.ImagePositionPatient)
            each.append(frame)
        one.PerFrameFunctionalGroupsSequence = Sequence(each)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
            delattr(one, keyword)
        if compressed:
            import imagecodecs

            one.PixelData = encapsulate([imagecodecs.jpegls_encode(slice_.pixel_array) for slice_ in slices])
            one["PixelData"].is_undefined_length = True
            one.file_meta.TransferSyntaxUID = JPEGLSLossless
        else:
            one.PixelData = b"".join(slice_.PixelData for slice_ in slices)
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
        one.save_as(tmp_path / "enhanced.dcm")
        return tmp_path / "enhanced.dcm"

    return write


@pytest.fixture
def save(tmp_path: Path) -> Write:
    """A function that saves values with SimpleITK, along the patient's axes unless a direction is given."""

    def write(
        values: np.ndarray, name: str = "scan.nii.gz", *, spacing: tuple[float, ...] = SPACING, vector: bool = False, **header: object
    ) -> Path:
        image = sitk.GetImageFromArray(values, isVector=vector)
        if image.GetDimension() == 3:
            image.SetSpacing(spacing[::-1])
            image.SetOrigin([-100.0, 33.0, 500.0])
            image.SetDirection(header.get("direction", np.eye(3).ravel()))
        sitk.WriteImage(image, str(tmp_path / name), useCompression=name.endswith(("gz", "mha")))
        return tmp_path / name

    return write


@pytest.mark.parametrize("compressed", [False, True])
def test_an_enhanced_file_is_the_same_volume_whatever_the_order_of_its_frames(
    series: list[Path], enhanced: Write, compressed: bool
) -> None:
    order = list(np.random.default_rng(0).permutation(len(series)))
    found = read_scan(enhanced(order, compressed=compressed))
    expected = read_scan(series[0].parent)
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.age, found.sex) == (61, Sex.FEMALE)


def test_an_enhanced_file_alone_in_its_folder_is_read_by_the_folders_name(tmp_path: Path, series: list[Path], enhanced: Write) -> None:
    (tmp_path / "alone").mkdir()
    enhanced().rename(tmp_path / "alone" / "one.dcm")
    assert np.array_equal(read_scan(tmp_path / "alone").pixels, read_scan(series[0].parent).pixels)


def test_localizer_frames_are_left_out(series: list[Path], enhanced: Write) -> None:
    path = enhanced()
    whole = pydicom.dcmread(path)
    for frame in whole.PerFrameFunctionalGroupsSequence[:2]:
        frame.CTImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
    whole.save_as(path)
    assert LOCALIZERS in read_scan(path).warnings


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"PerFrameFunctionalGroupsSequence": Sequence()}, "does not say where its frames lie"),
        ({"NumberOfFrames": 1}, "is a single slice, and a volume needs several"),
        ({"NumberOfFrames": 2000}, "holds 2,000 slices; at most 1,500"),
        ({"Modality": "MR"}, "not CT (Modality MR)"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "holds a colour image (3 values per voxel)"),
        ({"PixelData": b"\0" * 1000}, "cut short or contradicts"),
        ({"SharedFunctionalGroupsSequence": Sequence()}, "without a usable ImageOrientationPatient"),
    ],
)
def test_an_enhanced_file_with_a_fault_is_refused(enhanced: Write, attributes: dict[str, object], complaint: str) -> None:
    assert complaint in refusal(enhanced(**attributes))


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mha", "scan.mhd"])
def test_other_formats_are_the_same_volume_as_the_slices(series: list[Path], scan: np.ndarray, save: Write, name: str) -> None:
    found = read_scan(save(scan, name))
    assert np.array_equal(found.pixels, read_scan(series[0].parent).pixels)
    assert (found.age, found.sex) == (None, Sex.UNKNOWN)


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, -1), (-1, -1, -1)])
def test_axes_in_other_directions_are_reversed(series: list[Path], scan: np.ndarray, save: Write, signs: tuple[int, ...]) -> None:
    turned = np.ascontiguousarray(scan[:: signs[0], :: signs[1], :: signs[2]])
    path = save(turned, direction=np.diag(np.array(signs[::-1], dtype=float)).ravel())
    assert np.array_equal(read_scan(path).pixels, read_scan(series[0].parent).pixels)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (0, 2, 1)])
@pytest.mark.parametrize("name", ["turned.nii.gz", "turned.mha"])
def test_axes_in_another_order_are_put_in_order(
    series: list[Path], scan: np.ndarray, save: Write, order: tuple[int, ...], name: str
) -> None:
    path = save(scan)
    sitk.WriteImage(sitk.PermuteAxes(sitk.ReadImage(str(path)), order), str(path.with_name(name)))
    assert np.array_equal(read_scan(path.with_name(name)).pixels, read_scan(series[0].parent).pixels)


def test_floating_point_is_read_and_a_trailing_axis_of_one_dropped(series: list[Path], scan: np.ndarray, save: Write) -> None:
    expected = read_scan(series[0].parent).pixels
    assert np.array_equal(read_scan(save(scan.astype(np.float32))).pixels, expected)
    image = sitk.JoinSeries([sitk.ReadImage(str(save(scan)))])
    path = save(scan).with_name("four.nii.gz")
    sitk.WriteImage(image, str(path))
    assert np.array_equal(read_scan(path).pixels, expected)


def test_voxels_that_are_not_numbers_are_refused(scan: np.ndarray, save: Write) -> None:
    values = scan.astype(np.float32)
    values[3, 4, 5] = np.nan
    assert "voxels that are not numbers (NaN or infinite)" in refusal(save(values))


@pytest.mark.parametrize(
    ("values", "options", "complaint"),
    [
        (np.zeros((8, 8, 8, 3), np.uint8), {"vector": True, "name": "rgb.mha"}, "holds colour or vectors (3 values per voxel)"),
        (np.zeros((8, 8, 8, 3), np.uint8), {"vector": True}, "holds colour or vectors (3 values per voxel)"),
        (np.zeros((1, 8, 8), np.int16), {}, "is a single slice"),
        (np.zeros((2000, 3, 3), np.int16), {}, "holds 2,000 slices"),
        (np.zeros((3, 8, 8, 8), np.int16), {}, "holds 3 volumes"),
        (np.full((8, 8, 8), 70_000, np.int32), {}, "do not fit the 16 bits of Hounsfield units"),
        (np.full((8, 8, 8), 40, np.int16), {}, "the same value everywhere"),
        (np.zeros((8, 8, 8), np.int16), {"spacing": (40.0, 1.0, 1.0)}, "voxels 40 mm apart"),
    ],
)
def test_a_file_that_holds_no_scan_is_refused(save: Write, values: np.ndarray, options: dict[str, object], complaint: str) -> None:
    assert complaint in refusal(save(values, **options))


def test_a_nifti_in_colour_is_refused(tmp_path: Path) -> None:
    colours = np.zeros((8, 8, 8), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "rgb.nii.gz")
    assert "holds colour or vectors (3 values per voxel)" in refusal(tmp_path / "rgb.nii.gz")


def test_scaled_values_and_other_units_of_length_are_converted(tmp_path: Path, scan: np.ndarray, save: Write) -> None:
    expected = read_scan(save(scan)).pixels
    image = nib.load(save(scan))
    scaled = nib.Nifti1Image(((np.asarray(image.dataobj) + 1024) // 2).astype(np.int16), image.affine * [[0.001], [0.001], [0.001], [1]])
    scaled.header.set_slope_inter(2, -1024)
    scaled.header.set_xyzt_units("meter")
    nib.save(scaled, tmp_path / "scaled.nii")
    assert np.abs(read_scan(tmp_path / "scaled.nii").pixels.astype(int) - expected).max() <= 1


def test_files_that_are_cut_short_or_of_another_format_are_refused(tmp_path: Path, scan: np.ndarray, save: Write) -> None:
    whole = save(scan).read_bytes()
    for name, content in {
        "cut.nii.gz": whole[: len(whole) // 2],
        "end.nii.gz": whole[:-3],
        "bit.nii.gz": whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :],
        "head.nii.gz": gzip.compress(gzip.decompress(whole)[:300]),
        "text.nii.gz": gzip.compress(b"no image at all"),
        "cut.nii": gzip.decompress(whole)[:5000],
        "noise.nii": bytes(344) + b"n+1\0" + bytes(2000),
        "cut.mha": save(scan, "scan.mha").read_bytes()[:2000],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "save it again" in refusal(tmp_path / name), name
    (tmp_path / "words.txt").write_text("hello")
    assert "neither a folder of DICOM slices nor an enhanced CT, NIfTI or MetaImage file" in refusal(tmp_path / "words.txt")


def test_a_header_that_declares_more_than_the_limit_is_refused_before_memory_is_allocated(
    tmp_path: Path, scan: np.ndarray, save: Write
) -> None:
    content = bytearray(save(scan, "scan.nii").read_bytes())
    struct.pack_into("<8h", content, 40, 3, 4000, 4000, 1400, 1, 1, 1, 1)
    (tmp_path / "huge.nii").write_bytes(content)
    assert "decompresses to more than 2 GiB" in refusal(tmp_path / "huge.nii")


def test_a_nifti_without_an_orientation_is_refused(tmp_path: Path, scan: np.ndarray, save: Write) -> None:
    content = bytearray(save(scan, "scan.nii").read_bytes())
    struct.pack_into("<2h", content, 252, 0, 0)
    (tmp_path / "lost.nii").write_bytes(content)
    assert "does not say how it is oriented" in refusal(tmp_path / "lost.nii")


def test_a_metaimage_has_another_signature_once_its_detached_voxels_changed(scan: np.ndarray, save: Write) -> None:
    header = save(scan, "scan.mhd")
    before = signature_of(str(header))
    assert signature_of(str(header)) == before
    voxels = next(path for path in header.parent.iterdir() if path.suffix in {".raw", ".zraw"})
    voxels.write_bytes(voxels.read_bytes()[::-1])
    assert signature_of(str(header)) != before
    voxels.unlink()
    assert signature_of(str(header)) not in ((), before)


@pytest.mark.parametrize("elsewhere", ["/etc/hostname", "../secret.raw", "LIST", "slice%03d.raw 1 3 1", "", "absent.raw"])
def test_a_metaimage_may_not_name_voxels_elsewhere(tmp_path: Path, scan: np.ndarray, save: Write, elsewhere: str) -> None:
    header = save(scan, "scan.mhd")
    (tmp_path / "secret.raw").write_bytes(scan.tobytes())
    (tmp_path / "inside").mkdir()
    moved = tmp_path / "inside" / "scan.mhd"
    moved.write_text(header.read_text().replace("scan.raw", elsewhere).replace("scan.zraw", elsewhere))
    assert "names the file of its voxels by a path" in refusal(moved) or "lacks the file of its voxels" in refusal(moved)
