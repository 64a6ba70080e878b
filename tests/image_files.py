"""Small image files to read or import: DICOM and PNG, and a CT scan without any symmetry."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

SMALL = (24, 40, 36)


def lopsided(shape: tuple[int, int, int] = SMALL, *, seed: int = 0) -> np.ndarray:
    """Hounsfield units without any symmetry: a body, a bright corner and noise in air."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    body = 40.0 + 200 * (x > 0.3) * (y > 0.2) + 300 * (z > 0.4) * (y < 0) - 100 * x + 30 * z
    values = np.where(x**2 + y**2 < 0.8, body, -1000.0)
    return (values + np.random.default_rng(seed).normal(0, 8, shape)).round().clip(-1024, 3071).astype(np.int16)


@pytest.fixture
def write_dicom_file() -> Callable[..., Path]:
    """Writes `stored` values as a DICOM file, with any further attributes by keyword."""

    def write(path: Path, stored: np.ndarray, **attributes: object) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        bits = stored.dtype.itemsize * 8
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit = bits, bits, bits - 1
        image.PixelRepresentation = int(stored.dtype.kind == "i")
        image.Rows, image.Columns = stored.shape
        image.PixelData = stored.tobytes()
        for name, value in attributes.items():
            setattr(image, name, value)
        image.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def write_png() -> Callable[[Path, int], Path]:
    """Writes a small grey picture that `seed` tells from others."""

    def write(path: Path, seed: int) -> Path:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
