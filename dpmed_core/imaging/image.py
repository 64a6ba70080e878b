"""One image, whatever its kind, as it is stored: a radiograph as a square 8-bit picture, a CT scan as a volume."""

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
from dpmed_core.imaging.stored_format import STORED_SIZE, StoredImage

REDUCING_GAP = 2.0
"""A picture is first shrunk by block means, to not less than so many times the size that the filter then makes."""
BAND_ROWS = 128
"""So many rows are shrunk at once: they then stay in the processor's cache."""
TEXT_IN_CORNER = "a corner carries what looks like burned-in text"
START_BYTES = 132
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image(place: ImageLocation, *, modality: Modality = Modality.RADIOGRAPH) -> StoredImage:
    """The image at `place`: a PNG, JPEG or DICOM file, a picture in an archive of arrays, a synthetic image, or for CT what `read_scan` reads.

    Args:
        place: where the pixels are.
        modality: what the cohort holds; an image whose header says otherwise is remarked on.

    Raises:
        ImageError: it is none of these, or cannot be decoded.
    """
    if isinstance(place, SyntheticImage):
        return place.read()
    if isinstance(place, SeriesFiles):
        return read_scan_files(place)
    if modality is Modality.CT:
        if isinstance(place, ArrayImage):
            raise ImageError("is a picture in an archive of arrays; CT is read as DICOM, NIfTI or MetaImage.")
        return read_scan(place)
    if isinstance(place, ArrayImage):
        return StoredImage(pixels=squared(_picture_values(read_array_image(place))))
    if _is_picture(place):
        picture = _read_picture(place)
        return StoredImage(pixels=squared(picture), remarks=_remarks(picture))
    dicom = read_dicom(place, modality=modality)
    return StoredImage(
        pixels=squared(dicom.pixels),
        age=dicom.age,
        sex=dicom.sex,
        remarks=(*dicom.remarks, *_remarks(dicom.pixels)),
        identifying=dicom.identifying,
    )


def _is_picture(path: Path) -> bool:
    """By what the file begins with; by its name where that tells nothing."""
    if path.is_dir():
        raise ImageError("is a folder, and a radiograph is one file: name the file, or import CT with --modality ct.")
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:
        raise ImageError("cannot be opened: check that it is there and readable.") from None
    if looks_like_dicom(start):
        return False
    return start.startswith(PICTURE_STARTS) or path.suffix.lower() in PICTURE_SUFFIXES


def _remarks(picture: NDArray[np.float32]) -> tuple[str, ...]:
    return (TEXT_IN_CORNER,) if has_text_in_corner(picture) else ()


def squared(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """`pixels` `[rows, columns]` in [0, 1], fitted into a black square of `STORED_SIZE`."""
    rows, columns = pixels.shape
    scale = STORED_SIZE / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    picture = Image.fromarray(_block_means(np.asarray(pixels, dtype=np.float32), most=scale * REDUCING_GAP))
    fitted = np.asarray(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP))
    square = np.zeros((STORED_SIZE, STORED_SIZE), dtype=np.uint8)
    top, left = (STORED_SIZE - size[1]) // 2, (STORED_SIZE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.rint(np.clip(fitted, 0, 1) * 255).astype(np.uint8)
    return square


def _block_means(pixels: NDArray[np.float32], *, most: float) -> NDArray[np.float32]:
    """Means over squares of 2, 4, 8 ... pixels a side, as far as they come out even and shrink by `most` or less; Pillow does the rest."""
    side = 1
    while side * 2 * most <= 1 and not any(length % (side * 2) for length in pixels.shape):
        side *= 2
    if side == 1:
        return np.ascontiguousarray(pixels)
    bands = range(0, len(pixels), max(BAND_ROWS, side))
    return np.concatenate([_halved(pixels[start : start + bands.step], side) for start in bands])


def _halved(band: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    while side > 1:
        lines = band[0::2] + band[1::2]
        band, side = lines[:, 0::2] + lines[:, 1::2], side // 2
        band *= 0.25
    return band


def _picture_values(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """An 8-bit picture `[rows, columns]`, or `[rows, columns, 3]` in colour, as luminance in [0, 1]."""
    return _grey(Image.fromarray(np.asarray(values, dtype=np.uint8)))


def _read_picture(path: Path) -> NDArray[np.float32]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageError(f"has more than {MAX_PIXELS:,} pixels.")
            return _grey(picture)
    except UnidentifiedImageError:
        raise ImageError("is not a PNG or JPEG picture, whatever its name says: export it again.") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        raise ImageError("breaks off or is damaged: export it again.") from None


def _grey(picture: Image.Image) -> NDArray[np.float32]:
    """Luminance in [0, 1] of the whole range of the picture's type; transparency is dropped."""
    largest = 65535 if picture.mode.startswith("I") else 255
    if largest == 255 and picture.mode != "L":
        picture = (picture if picture.mode == "RGB" else picture.convert("RGB")).convert("L")
    values = np.array(picture, dtype=np.float32)
    values /= largest
    if values.max() <= values.min():
        raise ImageError("has the same value everywhere: it shows nothing.")
    return values
