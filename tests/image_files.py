"""Images for tests: small DICOM and PNG files, a CT volume without any symmetry, and synthetic scans."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.phantoms.abdomen.pancreas import tumour_shape
from dpmed_core.phantoms.abdomen.volume import draw_phantom, render_volume
from dpmed_core.phantoms.chest.population import Variant

SMALL = (24, 40, 36)


def asymmetric_volume(shape: tuple[int, int, int] = SMALL, *, seed: int = 0) -> np.ndarray:
    """Hounsfield units `shape` without any symmetry, so that a swapped or reversed axis shows: a body, a bright corner, noise in air."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    body = 40.0 + 200 * (x > 0.3) * (y > 0.2) + 300 * (z > 0.4) * (y < 0) - 100 * x + 30 * z
    values = np.where(x**2 + y**2 < 0.8, body, -1000.0)
    return (values + np.random.default_rng(seed).normal(0, 8, shape)).round().clip(-1024, 3071).astype(np.int16)


def render_volumes(scans: pd.DataFrame, *, seed: int) -> np.ndarray:
    """The volumes of synthetic `scans` of the demo, `[n, *SHAPE]`."""
    return np.stack([render_volume(scans.iloc[i], i, seed=seed) for i in range(len(scans))])


def render_lesion_mask(case: pd.Series, index: int, *, seed: int, variant: Variant = "demo") -> np.ndarray:
    """Where the tumour of a synthetic case lies, on the stored grid; False everywhere if there is none."""
    mask = np.zeros(SHAPE, dtype=bool)
    if case["radius_mm"]:
        phantom = draw_phantom(case, index, seed=seed, variant=variant)
        mass = tumour_shape(phantom.canvas, phantom.pancreas)
        mask[mass.box] = mass.depth > 0
    return mask


@pytest.fixture
def write_dicom_file() -> Callable[..., Path]:
    """A function that writes `stored` values as a DICOM file, with further attributes by keyword."""

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
    """A function that writes a small grey image, a different one for each `seed`."""

    def write(path: Path, seed: int) -> Path:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
