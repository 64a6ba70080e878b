"""One image, whatever its file format, as it is stored: a radiograph as an 8-bit square, a CT scan as a volume."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dpmed_core.errors import ImageError
from dpmed_core.imaging.burned_in import has_text_in_corner
from dpmed_core.imaging.ct.scan import read_scan, read_scan_files
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.dicom.frames import MAX_PIXELS
from dpmed_core.imaging.dicom.header import looks_like_dicom
from dpmed_core.imaging.dicom.read import read_dicom
from dpmed_core.imaging.locations import ImageLocation, SyntheticImage
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.npz_archive import ArrayImage, read_array_image
from dpmed_core.imaging.stored_format import CONSTANT, STORED_SIZE, StoredImage

REDUCING_GAP = 2.0
"""Block means reduce an image first, to at least this many times the final size; the antialiasing filter does the rest."""
BAND_ROWS = 128
"""Rows reduced at once, so that they stay in the processor's cache."""
TEXT_IN_CORNER = "a corner shows what looks like burned-in text"
START_BYTES = 132
"""Enough to recognise the format: DICOM's preamble and prefix are the longest."""
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image(location: ImageLocation, *, modality: Modality = Modality.RADIOGRAPH) -> StoredImage:
    """The image at `location` as it is stored.

    A radiograph may be a PNG, JPEG or DICOM file, one image of an .npz archive, or synthetic; for CT see `read_scan`.

    Args:
        location: where the pixels are.
        modality: what the cohort holds; an image whose header names another modality gets a warning.

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
        return StoredImage(pixels=squared(_luminance(read_array_image(location))))
    if _is_picture(location):
        picture = _read_picture(location)
        return StoredImage(pixels=squared(picture), warnings=_corner_warnings(picture))
    dicom = read_dicom(location, modality=modality)
    return StoredImage(
        pixels=squared(dicom.pixels),
        age=dicom.age,
        sex=dicom.sex,
        warnings=(*dicom.warnings, *_corner_warnings(dicom.pixels)),
        identifying=dicom.identifying,
    )


def _is_picture(path: Path) -> bool:
    """Whether the file at `path` is to be read as PNG or JPEG, judged by its first bytes, else by its name.

    Raises:
        ImageError: it is a folder, or cannot be opened.
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
    return start.startswith(PICTURE_STARTS) or path.suffix.lower() in PICTURE_SUFFIXES


def _corner_warnings(image: NDArray[np.float32]) -> tuple[str, ...]:
    return (TEXT_IN_CORNER,) if has_text_in_corner(image) else ()


def squared(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """`pixels` `[rows, columns]` in [0, 1] as a square of `STORED_SIZE`, 8 bits; aspect ratio kept, centred, padded with black."""
    rows, columns = pixels.shape
    scale = STORED_SIZE / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    picture = Image.fromarray(_block_means(np.asarray(pixels, dtype=np.float32), least_scale=scale * REDUCING_GAP))
    # Lanczos may overshoot at sharp edges, hence the clipping below.
    fitted = np.asarray(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP))
    square = np.zeros((STORED_SIZE, STORED_SIZE), dtype=np.uint8)
    top, left = (STORED_SIZE - size[1]) // 2, (STORED_SIZE - size[0]) // 2
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


def _luminance(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """An 8-bit image `[rows, columns]`, or `[rows, columns, 3]` in colour, as luminance in [0, 1]."""
    return _grey(Image.fromarray(np.asarray(values, dtype=np.uint8)))


def _read_picture(path: Path) -> NDArray[np.float32]:
    """The PNG or JPEG file at `path` as luminance in [0, 1].

    Raises:
        ImageError: it is neither, too large, or damaged.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageError(f"has {picture.width * picture.height:,} pixels, more than {MAX_PIXELS:,} pixels: export it smaller.")
            return _grey(picture)
    except UnidentifiedImageError:
        raise ImageError("is not a PNG or JPEG image, whatever its name says: export it again.") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        raise ImageError("is cut short or damaged: export it again.") from None


def _grey(picture: Image.Image) -> NDArray[np.float32]:
    """Luminance in [0, 1], where 1 is the largest value of the pixel type; transparency is ignored.

    Raises:
        ImageError: all pixels are equal.
    """
    largest = 65535 if picture.mode.startswith("I") else 255  # Pillow's modes "I" and "I;16" hold 16-bit PNG
    if largest == 255 and picture.mode != "L":
        picture = (picture if picture.mode == "RGB" else picture.convert("RGB")).convert("L")
    values = np.array(picture, dtype=np.float32)
    values /= largest
    if values.max() <= values.min():
        raise ImageError(CONSTANT)
    return values
