"""Every test file of pydicom, and the DICOM samples if available, gives an image that agrees with a reference decoder, or one sentence."""

import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.display import LUMINANCE, displayed
from dpmed_core.imaging.dicom.frames import stored_values
from dpmed_core.imaging.dicom.header import read_header, silenced_warnings
from dpmed_core.imaging.dicom.read import read_dicom
from dpmed_core.imaging.value_range import FLAT

INSTALLED = Path(pydicom.data.__file__).parent / "test_files"
TYPES = {
    gdcm.PixelFormat.UINT8: np.uint8,
    gdcm.PixelFormat.INT8: np.int8,
    gdcm.PixelFormat.UINT16: np.uint16,
    gdcm.PixelFormat.INT16: np.int16,
    gdcm.PixelFormat.UINT32: np.uint32,
    gdcm.PixelFormat.INT32: np.int32,
}
NOT_BY_GDCM = {
    "J2K_pixelrep_mismatch.dcm",  # GDCM believes the stream's missing sign rather than the header's
    "rtdose_1frame.dcm",  # dose planes crash its reader
    "rtdose_expb_1frame.dcm",
    "rtdose_rle_1frame.dcm",
}
COLOUR_LEVELS = 4 / 255
"""Allowed difference of two JPEG decoders: rounding in the colour transformation and in the upsampling of chrominance."""


def files() -> list[Path]:
    samples = Path(os.environ.get("DPMED_REAL_COHORTS", "/nowhere")) / "dicom_samples"
    return [path for root in (INSTALLED, samples) if root.is_dir() for path in sorted(root.rglob("*")) if path.is_file()]


@dataclass(frozen=True)
class Line:
    """A line of the table: the file, the result, the reference that it was compared with, and their largest difference."""

    name: str
    outcome: str
    reference: str = ""
    difference: float = 0.0
    allowed: float = 0.0


@pytest.fixture(scope="module")
def table() -> list[Line]:
    return [line_of(path) for path in files()]


def line_of(path: Path) -> Line:
    name = path.name if len(path.name) < 40 else f"...{path.name[-36:]}"
    try:
        image = read_dicom(path)
    except ImageError as error:
        return Line(name, str(error))
    assert image.pixels.dtype == np.float32 and 0 <= image.pixels.min() < image.pixels.max() <= 1
    outcome = f"image {image.pixels.shape[0]} x {image.pixels.shape[1]}"
    with silenced_warnings():
        header = read_header(path)
        ours = stored_values(header)
    if ours.ndim == 3 or header.text("PhotometricInterpretation") == "PALETTE COLOR":
        return Line(name, outcome, "pydicom with GDCM, luminance", colour_difference(path, image.pixels), COLOUR_LEVELS)
    theirs = None if path.name in NOT_BY_GDCM else decoded_by_gdcm(path)
    reference, difference = ("GDCM, stored values", largest_difference(ours, theirs)) if theirs is not None else other_reference(path, ours)
    return Line(name, outcome, reference, max(difference, window_difference(path, displayed(ours, header).pixels)), 1e-5)


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours.astype(np.int64) - theirs.reshape(ours.shape).astype(np.int64)).max())


def decoded_by_gdcm(path: Path) -> np.ndarray | None:
    """The values of the file as GDCM reads it, without pydicom; None if it cannot read it."""
    gdcm.Trace.WarningOff(), gdcm.Trace.ErrorOff()
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        return None
    kind = TYPES.get(reader.GetImage().GetPixelFormat().GetScalarType())
    return None if kind is None else np.frombuffer(reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), dtype=kind)


def other_reference(path: Path, ours: np.ndarray) -> tuple[str, float]:
    """The reference for files that GDCM cannot read: pydicom, or for 12-bit JPEG the same image in lossy JPEG 2000."""
    dataset = pydicom.dcmread(path)
    if dataset.file_meta.TransferSyntaxUID == pydicom.uid.JPEGExtended12Bit:
        same_image = pydicom.dcmread(INSTALLED / "JPEG2000.dcm").pixel_array.astype(float)
        return "the same image in JPEG 2000", 0.0 if np.corrcoef(same_image.ravel(), ours.ravel())[0, 1] > 0.98 else 1.0
    return "pydicom, stored values", largest_difference(ours, dataset.pixel_array)


def window_difference(path: Path, ours: np.ndarray) -> float:
    """Largest difference from pydicom's modality and VOI transformation; 0 if the file has no window, or one that shows hardly anything."""
    header = pydicom.dcmread(path, force=True)
    if "WindowCenter" not in header or float(np.atleast_1d(header.WindowWidth)[0]) < 1 or path.name in NOT_BY_PYDICOM:
        return 0.0
    stored = header.pixel_array
    values = apply_voi_lut(apply_modality_lut(stored, header), header)
    bits, signed = int(header.BitsStored), int(header.PixelRepresentation)
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1], dtype=float)
    low, high = sorted(ends * float(header.get("RescaleSlope", 1)) + float(header.get("RescaleIntercept", 0)))
    theirs = (values - low) / (high - low)
    if np.ptp(theirs) < FLAT:  # such a window is not used
        return 0.0
    theirs = 1 - theirs if header.PhotometricInterpretation == "MONOCHROME1" else theirs
    is_image = stored != header.get("PixelPaddingValue", None) if "PixelPaddingValue" in header else np.ones(stored.shape, bool)
    return float(np.abs(theirs - ours)[is_image].max())


NOT_BY_PYDICOM = {"JPEG-lossy.dcm", "JPGExtended.dcm"}
"""12-bit JPEG, for which pydicom has no decoder installed."""


def colour_difference(path: Path, ours: np.ndarray) -> float:
    dataset = pydicom.dcmread(path)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        rgb = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) / 65535
    else:
        rgb = dataset.pixel_array / (2.0**dataset.BitsStored - 1)
    return float(np.abs(rgb[..., :3] @ LUMINANCE - ours).max())


@pytest.mark.filterwarnings("ignore")
def test_every_file_gives_an_image_like_a_reference_or_one_sentence(table, capsys):
    with capsys.disabled():
        sys.stdout.write("\n")
        for line in table:
            compared = f"{line.reference}, largest difference {line.difference:.2g}" if line.reference else ""
            sys.stdout.write(f"{line.name:40s} {line.outcome:60s} {compared}\n")
    images = [line for line in table if line.reference]
    assert len(table) > 170 and len(images) > 65
    assert [line for line in images if line.difference > line.allowed] == []
    assert all(line.outcome.endswith(".") and "\n" not in line.outcome for line in table if not line.reference)


def test_no_file_that_holds_a_single_image_is_refused(table):
    refused = {line.name for line in table if not line.reference}
    damaged = {
        "JPEG2000-embedded-sequence-delimiter.dcm",  # the start of a stream, without pixels
        "MR_truncated.dcm",
        "badVR.dcm",  # its number of frames is "1A"
        "meta_missing_tsyntax.dcm",  # has pixels, but no rows and columns
        "nested_priv_SQ.dcm",
        "no_meta.dcm",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files():
            if path.name in refused - damaged and path.suffix != ".gz":
                try:
                    dataset = pydicom.dcmread(path, force=path.suffix in ("", ".dcm"))
                except pydicom.errors.InvalidDicomError:
                    continue
                assert "PixelData" not in dataset or int(dataset.get("NumberOfFrames") or 1) > 1, path.name
