"""Fixtures for tests of CT: an asymmetric scan, its DICOM series, and a way to change the attributes of a file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dpmed_core.imaging.ct.writing import write_series
from tests.image_files import asymmetric_volume


@pytest.fixture
def scan() -> np.ndarray:
    return asymmetric_volume()


@pytest.fixture
def series(tmp_path: Path, scan: np.ndarray) -> list[Path]:
    """The files of the scan, 3 x 2 x 2 mm, from feet to head."""
    return write_series(tmp_path / "series", scan, age=61, sex="F", spacing_mm=(3.0, 2.0, 2.0))


@pytest.fixture
def change() -> Callable[..., None]:
    """A function that rewrites a DICOM file with other attributes; None removes one."""

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
