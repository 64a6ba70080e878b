"""Reading PNG, JPEG and TIFF pictures: turned upright, and with values of any depth displayed in their own range."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.frames import MAX_PIXELS
from dpmed_core.imaging.reading import Reading, bits_words, values_words
from dpmed_core.imaging.stored_format import CONSTANT
from dpmed_core.imaging.value_range import NOT_NUMBERS, TAILS_WORDS, between, is_coloured, tails

PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "TIFF")
FULL_DEPTH = 1 << 15
"""A picture of 16 bits with values from here on uses them all; 65,535 is then white."""
ORIENTATION_TAG, UPRIGHT = 0x0112, 1
BITS_TAG, PHOTOMETRIC_TAG, WHITE_IS_ZERO = 258, 262, 0
PNG_DEPTH_AT, PNG_COLOUR_AT, PNG_GREY = 24, 25, 0
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, Image.DecompressionBombError)
"""What Pillow raises on files that are cut short or contradict themselves."""
WIDE_BITS, DARK = 16, 64
"""A colour picture of 16 bits a channel is read by their upper 8; one that stays below this of 255 has its values in the lower bits."""

TURNED = "its EXIF orientation says that it lies on its side or is mirrored; it was turned accordingly"
OWN_RANGE = f"its values use only a part of the range of their type, so {TAILS_WORDS}"
SEVERAL_FRAMES = "it holds several frames, of which the first was read"
COLOUR = "it is a colour picture, perhaps a screenshot; its luminance is stored"


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as displayed.

    Attributes:
        pixels: float32 `[rows, columns]`, luminance from 0, black, to 1, white; transparency is ignored.
        reading: how it was read.
        warnings: what the user should check.
    """

    pixels: NDArray[np.float32]
    reading: Reading
    warnings: tuple[str, ...] = ()


def read_picture(path: Path) -> Picture:
    """The PNG, JPEG or TIFF picture at `path`.

    Raises:
        ImageError: it is none of these, has several pages, is too large, constant, or damaged.
    """
    try:
        # As an open file: of a path, Pillow 13 maps an uncompressed TIFF with the size that it has once turned, which scrambles it.
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageError(f"has {picture.width * picture.height:,} pixels, more than {MAX_PIXELS:,} pixels: export it smaller.")
            return _read(picture, path)
    except UnidentifiedImageError:
        raise ImageError("is not a PNG, JPEG or TIFF image, whatever its name says: export it again.") from None
    except DAMAGED:
        raise ImageError("is cut short or damaged: export it again.") from None


def _read(picture: Image.Image, path: Path) -> Picture:
    """The opened picture; what its header says is noted before Pillow turns it, which removes the orientation."""
    kind, n_frames = str(picture.format), getattr(picture, "n_frames", 1)
    if kind == "TIFF" and n_frames > 1:
        raise ImageError(f"holds {n_frames:,} pages, and one radiograph per file is read: save each page as a file of its own.")
    orientation = picture.getexif().get(ORIENTATION_TAG, UPRIGHT)
    tags = getattr(picture, "tag_v2", {})
    is_inverted = kind == "TIFF" and tags.get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO and picture.mode[:1] in "IF"
    wide_colour = _has_wide_colours(path, kind, tags)
    warnings = [*([SEVERAL_FRAMES] if n_frames > 1 else []), *([TURNED] if orientation in range(2, 9) else [])]
    upright = ImageOps.exif_transpose(picture) if TURNED in warnings else picture
    grey = _deep(upright) if upright.mode[:1] in "IF" else _shallow(upright, wide_colour=wide_colour)
    pixels = 1 - grey.pixels if is_inverted else grey.pixels  # Pillow inverts only pictures of 1 and 8 bits itself
    laid = f"turned as its EXIF orientation {orientation} says" if TURNED in warnings else "as stored"
    meaning = f"{grey.reading.photometric}, white is zero" if is_inverted else grey.reading.photometric
    reading = Reading(kind, grey.reading.bits, grey.reading.values, laid, meaning, grey.reading.assumed)
    return Picture(pixels, reading, (*warnings, *grey.warnings))


def luminance(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """An 8-bit image `[rows, columns]`, or `[rows, columns, 3]` in colour, as luminance in [0, 1].

    Raises:
        ImageError: all pixels are equal.
    """
    return _shallow(Image.fromarray(np.asarray(values, dtype=np.uint8)), wide_colour=False).pixels


def _deep(picture: Image.Image) -> Picture:
    """A grey picture of more than 8 bits, whole numbers or floating-point ones, signed or not.

    Raises:
        ImageError: all pixels are equal, or one is not a number.
    """
    stored = np.asarray(picture)
    values: NDArray[np.float64] = stored.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError(NOT_NUMBERS)
    if high <= low:
        raise ImageError(CONSTANT)
    used = values_words(low, high)
    if stored.dtype.kind == "u" and stored.dtype.itemsize == 2 and high >= FULL_DEPTH:
        return Picture(stored.astype(np.float32) / np.float32(65535), Reading("", bits_words(16, 16), used))
    allocated = 16 if picture.mode.startswith("I;16") else 32
    bits = f"{allocated} bits, floating point" if stored.dtype.kind == "f" else bits_words(_bits_of(low, high), allocated)
    shown = between(values, *tails(values))
    return Picture(shown.astype(np.float32), Reading("", bits, used, assumed=(TAILS_WORDS,)), (OWN_RANGE,))


def _bits_of(low: float, high: float) -> int:
    """The bits that whole numbers from `low` to `high` need, one of them the sign if any is negative."""
    return max(int(abs(low)).bit_length(), int(abs(high)).bit_length()) + (low < 0)


def _shallow(picture: Image.Image, *, wide_colour: bool) -> Picture:
    """A picture of up to 8 bits a channel, in grey or in colours.

    Raises:
        ImageError: all pixels are equal, or only bits are used that are not read.
    """
    rgb = None if picture.mode == "L" else (picture if picture.mode == "RGB" else picture.convert("RGB"))
    values = np.array(picture if rgb is None else rgb.convert("L"), dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if wide_colour and high < DARK:
        raise ImageError("has colours of 16 bits of which only the lower ones are used, which are not read: save it as a grey picture.")
    if high <= low:
        raise ImageError(CONSTANT)
    values /= 255
    coloured = rgb is not None and is_coloured(np.asarray(rgb), white=255)
    bits = bits_words(1, 1) if picture.mode == "1" else bits_words(8, 8)
    reading = Reading("", bits, values_words(low, high), photometric="colour" if coloured else "grey")
    return Picture(values, reading, (COLOUR,) if coloured else ())


def _has_wide_colours(path: Path, kind: str, tags: object) -> bool:
    """Whether the picture has several channels of 16 bits, of which Pillow reads the upper eight."""
    if kind == "PNG":
        with path.open("rb") as file:
            header = file.read(PNG_COLOUR_AT + 1)
        return header[PNG_DEPTH_AT] == WIDE_BITS and header[PNG_COLOUR_AT] != PNG_GREY
    bits = tags.get(BITS_TAG, ()) if isinstance(tags, dict) or hasattr(tags, "get") else ()
    return isinstance(bits, tuple) and len(bits) > 1 and max(bits) == WIDE_BITS
