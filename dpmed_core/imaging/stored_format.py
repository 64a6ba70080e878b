"""What is stored of one image: a square of grey for a radiograph, a volume of Hounsfield units for CT."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.volume_grid import SHAPE, SOFT_TISSUE, SPACING_MM

STORED_SIZE = 128
"""Side of a stored radiograph in pixels; aspect ratio kept, padded with black, resampled with an antialiasing (Lanczos) filter."""


@dataclass(frozen=True)
class StoredForm:
    """How one image of a modality is stored.

    Attributes:
        shape: lengths of its axes.
        dtype: numpy's name of the type, with its byte order.
        spacing_mm: between voxels along each axis; None where the size of a pixel is not known.
        noun: what a row's image is called in a message.
    """

    shape: tuple[int, ...]
    dtype: str
    spacing_mm: tuple[float, float, float] | None
    noun: str

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


FORMS = {
    Modality.RADIOGRAPH: StoredForm((STORED_SIZE, STORED_SIZE), "|u1", None, "file"),
    Modality.CT: StoredForm(SHAPE, "<i2", SPACING_MM, "scan"),
}


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image ready to store.

    Attributes:
        pixels: of its modality's `StoredForm`.
        age: years from the file's header; None where it has none.
        sex: from the file's header.
        remarks: what the user should look at in this image; never a value out of its header.
        identifying: keywords of the identifying attributes that its header holds.
    """

    pixels: NDArray[Any]
    age: float | None = None
    sex: Sex = Sex.UNKNOWN
    remarks: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()


def picture_of(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """One stored image as a grey picture `[rows, columns]`: a radiograph as it is, of a volume the middle slice at the soft-tissue window."""
    return np.asarray(pixels, dtype=np.uint8) if pixels.ndim == 2 else windowed(pixels[len(pixels) // 2])


def scan_caption(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> str:
    """What a stored volume is, and how `picture_of` shows it, in words."""
    slices, rows, columns = shape
    low, high = SOFT_TISSUE
    return (
        f"{slices} slices of {rows} x {columns} voxels, {spacing_mm[0]:g} mm apart; shown is the middle slice in the soft-tissue window "
        f"({(low + high) / 2:.0f} ± {(high - low) / 2:.0f} HU), seen from the feet."
    )


def windowed(values: NDArray[Any], window: tuple[float, float] = SOFT_TISSUE) -> NDArray[np.uint8]:
    """Hounsfield units of any shape as grey, 0 at the window's lowest value or below, 255 at its highest or above."""
    low, high = window
    return np.asarray(np.rint(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1) * 255), dtype=np.uint8)
