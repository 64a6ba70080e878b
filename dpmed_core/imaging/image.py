"""One image, whatever its file format, as it is stored: a radiograph as an 8-bit square, a CT scan as a volume."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dpmed_core.errors import ImageError
from dpmed_core.imaging.burned_in import has_text_in_corner
from dpmed_core.imaging.ct.scan import read_scan, read_scan_files
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.dicom.header import looks_like_dicom
from dpmed_core.imaging.dicom.read import read_dicom
from dpmed_core.imaging.file_kinds import START_BYTES, not_read
from dpmed_core.imaging.locations import ImageLocation, SyntheticImage
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.npz_archive import ArrayImage, read_array_image
from dpmed_core.imaging.picture import PICTURE_STARTS, PICTURE_SUFFIXES, luminance, read_picture
from dpmed_core.imaging.stored_format import FINE_SIZE, STORED_SIZE, StoredImage

REDUCING_GAP = 2.0
"""Block means reduce an image first, to at least this many times the final size; the antialiasing filter does the rest."""
BAND_ROWS = 128
"""Rows reduced at once, so that they stay in the processor's cache."""
TEXT_IN_CORNER = "a corner shows what looks like burned-in text"
SAVE_AS = "save it as PNG, TIFF or DICOM"
ENLARGED = f"it has fewer than {FINE_SIZE} pixels along its longer side and was enlarged, which adds no detail (--pixels {STORED_SIZE})"


def read_image(location: ImageLocation, *, modality: Modality = Modality.RADIOGRAPH, side: int = STORED_SIZE) -> StoredImage:
    """The image at `location` as it is stored.

    A radiograph may be a PNG, JPEG, TIFF or DICOM file, one image of an .npz archive, or synthetic; for CT see `read_scan`.

    Args:
        location: where the pixels are.
        modality: what the cohort holds; an image whose header names another modality gets a warning.
        side: of the cohort's radiographs, in pixels.

    Raises:
        ImageError: it is none of these, or cannot be decoded.
    """
    if isinstance(location, SyntheticImage):
        return location.read()
    if isinstance(location, SeriesFiles):
        return read_scan_files(location)
    if modality is Modality.CT:
        if isinstance(location, ArrayImage):
            raise ImageError("is an image of an .npz archive; CT is read as DICOM, NIfTI or MetaImage: export it in one of these formats.")
        return read_scan(location)
    if isinstance(location, ArrayImage):
        return _stored(luminance(read_array_image(location)), side)
    if _is_picture(location):
        picture = read_picture(location)
        return _stored(picture.pixels, side, warnings=(*picture.warnings, *_file_warnings(picture.pixels, side)), reading=picture.reading)
    dicom = read_dicom(location, modality=modality)
    return _stored(
        dicom.pixels,
        side,
        age=dicom.age,
        sex=dicom.sex,
        warnings=(*dicom.warnings, *_file_warnings(dicom.pixels, side)),
        identifying=dicom.identifying,
        reading=dicom.reading,
    )


def _is_picture(path: Path) -> bool:
    """Whether the file at `path` is to be read as PNG, JPEG or TIFF, judged by its first bytes, else by its name.

    Raises:
        ImageError: it is a folder, cannot be opened, or is of a kind that is not read.
    """
    if path.is_dir():
        raise ImageError("is a folder, and a radiograph is one file: name the file, or import CT with --modality ct.")
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:
        raise ImageError("cannot be opened: check that it exists and is readable.") from None
    if looks_like_dicom(start):
        return False
    if start.startswith(PICTURE_STARTS):
        return True
    if unread := not_read(start, advice=SAVE_AS):
        raise ImageError(unread)
    return path.suffix.lower() in PICTURE_SUFFIXES


def _stored(pixels: NDArray[np.float32], side: int, **known: Any) -> StoredImage:
    """A radiograph's `pixels` `[rows, columns]` in [0, 1] as stored, with what is `known` of it."""
    return StoredImage(squared(pixels, side), at_128=None if side == STORED_SIZE else squared(pixels), **known)


def _file_warnings(image: NDArray[np.float32], side: int) -> tuple[str, ...]:
    enlarged = (ENLARGED,) if max(image.shape) < side == FINE_SIZE else ()
    return (*((TEXT_IN_CORNER,) if has_text_in_corner(image) else ()), *enlarged)


def squared(pixels: NDArray[np.float32], side: int = STORED_SIZE) -> NDArray[np.uint8]:
    """`pixels` `[rows, columns]` in [0, 1] as a square of `side` pixels, 8 bits; aspect ratio kept, centred, padded with black."""
    rows, columns = pixels.shape
    scale = side / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    picture = Image.fromarray(_block_means(np.asarray(pixels, dtype=np.float32), least_scale=scale * REDUCING_GAP))
    # Lanczos may overshoot at sharp edges, hence the clipping below.
    fitted = np.asarray(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP))
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.rint(np.clip(fitted, 0, 1) * 255).astype(np.uint8)
    return square


def _block_means(pixels: NDArray[np.float32], *, least_scale: float) -> NDArray[np.float32]:
    """`pixels` reduced by means over squares of 2, 4, 8 ... pixels a side.

    The side is the largest power of two that divides both lengths of the image and reduces it to no less than `least_scale` of its size.
    """
    side = 1
    while side * 2 * least_scale <= 1 and not any(length % (side * 2) for length in pixels.shape):
        side *= 2
    if side == 1:
        return np.ascontiguousarray(pixels)
    bands = range(0, len(pixels), max(BAND_ROWS, side))
    return np.concatenate([_halved(pixels[start : start + bands.step], side) for start in bands])


def _halved(band: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """`band` with each square of `side` pixels replaced by its mean, by halving both axes until `side` is 1."""
    while side > 1:
        lines = band[0::2] + band[1::2]
        band, side = lines[:, 0::2] + lines[:, 1::2], side // 2
        band *= 0.25
    return band
