"""What the tests of importing share: a store, and small DICOM and PNG files to import."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from dpmed_core.cohort.store import CohortStore

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> CohortStore:
    return CohortStore(tmp_path / "data" / "cohorts", KEY)


@pytest.fixture
def write_dicom_file() -> Callable[..., Path]:
    """Writes `stored` values as a DICOM file, with any further attributes by keyword."""

    def write(path: Path, stored: np.ndarray, **attributes: object) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        bits = stored.dtype.itemsize * 8
        film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
        film.BitsAllocated, film.BitsStored, film.HighBit = bits, bits, bits - 1
        film.PixelRepresentation = int(stored.dtype.kind == "i")
        film.Rows, film.Columns = stored.shape
        film.PixelData = stored.tobytes()
        for name, value in attributes.items():
            setattr(film, name, value)
        film.save_as(path, enforce_file_format=True)
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


@pytest.fixture
def write_manifest() -> Callable[[Path, list[dict[str, object]]], Path]:
    """Writes rows as a CSV whose header holds every name that occurs."""

    def write(path: Path, rows: list[dict[str, object]]) -> Path:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
