"""What the tests of volumes share: a lopsided scan, ways to write it, and SimpleITK as the oracle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dpmed_core.cohort.volumes.writing import write_series

SMALL = (24, 40, 36)


def lopsided(shape: tuple[int, int, int] = SMALL, *, seed: int = 0) -> np.ndarray:
    """Hounsfield units without any symmetry: a body, a bright corner and noise in air."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    body = 40.0 + 200 * (x > 0.3) * (y > 0.2) + 300 * (z > 0.4) * (y < 0) - 100 * x + 30 * z
    values = np.where(x**2 + y**2 < 0.8, body, -1000.0)
    return (values + np.random.default_rng(seed).normal(0, 8, shape)).round().clip(-1024, 3071).astype(np.int16)


@pytest.fixture
def scan() -> np.ndarray:
    return lopsided()


@pytest.fixture
def series(tmp_path: Path, scan: np.ndarray) -> list[Path]:
    """The files of the scan, 3 x 2 x 2 mm, from feet to head."""
    return write_series(tmp_path / "series", scan, age=61, sex="F", spacing_mm=(3.0, 2.0, 2.0))


@pytest.fixture
def change() -> Callable[..., None]:
    """Rewrites a DICOM file with other attributes; None removes one."""

    def rewrite(path: Path, **attributes: object) -> None:
        slice_ = pydicom.dcmread(path)
        for keyword, value in attributes.items():
            if value is None:
                delattr(slice_, keyword)
            elif keyword == "PixelPaddingValue":
                slice_.add_new(keyword, "US", value)
            else:
                setattr(slice_, keyword, value)
        slice_.save_as(path)

    return rewrite
