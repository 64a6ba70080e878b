"""The stored form of an image: a grey square for a radiograph, a volume of Hounsfield units for CT."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.reading import Reading
from dpmed_core.imaging.volume_grid import SHAPE, SOFT_TISSUE, SPACING_MM

STORED_SIZE, FINE_SIZE = 128, 256
"""Sides of stored radiographs in pixels; aspect ratio kept, padded with black, resampled with an antialiasing (Lanczos) filter.

All radiographs of a cohort have one side. What was made for radiographs of `STORED_SIZE` reads finer ones by `radiographs_at_128`.
"""
SIDES = (STORED_SIZE, FINE_SIZE)
CONSTANT = "has the same value everywhere, so it shows nothing: export it again."
"""The message of a constant image, by which the validation report finds them."""


@dataclass(frozen=True)
class StoredForm:
    """How one image of a modality is stored.

    The names of this class and its fields are part of the hash that names an import's draft (`importer.READERS`): renaming them only
    costs a restart of imports that were interrupted before.

    Attributes:
        shape: lengths of its axes.
        dtype: numpy's name of the type, with its byte order.
        spacing_mm: between voxels along each axis; None if the size of a pixel is not known.
        noun: what an image is called in messages.
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


def form_of(modality: Modality, side: int) -> StoredForm:
    """The form of the images of a cohort whose radiographs have `side` pixels a side; volumes have one form."""
    return replace(FORMS[modality], shape=(side, side)) if modality is Modality.RADIOGRAPH else FORMS[modality]


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image ready to store.

    Attributes:
        pixels: in the `StoredForm` of its modality.
        age: years, from the file's header; None if it has none.
        sex: from the file's header.
        warnings: what the user should check in this image; never a value from its header.
        identifying: keywords of the identifying attributes that its header holds.
        reading: how the file was read; None for what is no file.
        at_128: a radiograph as `STORED_SIZE` stores it, by which it is recognised in cohorts of any side; None where `pixels` are that.
    """

    pixels: NDArray[Any]
    age: float | None = None
    sex: Sex = Sex.UNKNOWN
    warnings: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()
    reading: Reading | None = None
    at_128: NDArray[np.uint8] | None = None


def picture_of(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """One stored image as 8-bit grey `[rows, columns]`: a radiograph unchanged, the middle slice of a volume in the soft-tissue window."""
    return np.asarray(pixels, dtype=np.uint8) if pixels.ndim == 2 else windowed(pixels[len(pixels) // 2])


def scan_caption(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> str:
    """A caption that says how a volume is stored and how `picture_of` shows it."""
    slices, rows, columns = shape
    low, high = SOFT_TISSUE
    return (
        f"{slices} slices of {rows} x {columns} voxels, {spacing_mm[0]:g} mm apart; shown is the middle slice in the soft-tissue window "
        f"(level {(low + high) / 2:.0f} HU, width {high - low:.0f} HU), viewed from the feet."
    )


def windowed(values: NDArray[Any], window: tuple[float, float] = SOFT_TISSUE) -> NDArray[np.uint8]:
    """Hounsfield units of any shape as 8-bit grey: 0 at or below the window's lower end, 255 at or above its upper end, linear between.

    >>> windowed(np.array([-1000, -160, 40, 240, 1000]))
    array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    low, high = window
    return np.asarray(np.rint(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1) * 255), dtype=np.uint8)
