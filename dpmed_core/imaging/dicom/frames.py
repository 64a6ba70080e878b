"""Stored pixel values of the single frame of a DICOM file, whatever its transfer syntax."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import UID, ExplicitVRBigEndian

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.codestream import frame_size
from dpmed_core.imaging.dicom.decoding import FrameRequest, decode_frame
from dpmed_core.imaging.dicom.header import DAMAGED, TABLE_BITS, DicomHeader

MAX_PIXELS = 50_000_000
WIDE_PIXEL_FACTOR = 8
"""Pixels of more than `TABLE_BITS` bits are transformed one by one in double precision; so many times fewer of them are accepted."""
MAX_SAMPLES = 4
BITS_ALLOCATED = (1, 8, 16, 32, 64)
MOST_INTEGER_BITS = 32
DECODER_OPTIONS: Any = {"correct_unused_bits": False, "view_only": True}
"""pydicom neither masks unused bits nor copies the pixels: `used_bits` does the former, and only where it is needed."""
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
UID_PREFIX, COLOUR_AS_STORED = "1.2.840.10008.1.2.4.", ("80", "81", "90", "91", "92", "93", "201", "202", "203")
"""Decoders of JPEG return RGB; those of JPEG-LS and JPEG 2000 (these endings of the UID) and of run lengths return what was stored."""
VIDEO = ("MPEG", "HEVC", "SMPTE")

BROKEN = "has pixel data that is cut short or contradicts its header: export it again."
UNREADABLE_DESCRIPTION = "describes its pixels in a way that cannot be read: export it again."
UNKNOWN_COMPRESSION = "is compressed in a way that cannot be decoded here: export it uncompressed."
TOO_SLOW = "could not be decoded in time: export it uncompressed."


def stored_values(header: DicomHeader) -> NDArray[Any]:
    """The values as stored, `[rows, columns]`, or `[rows, columns, 3]` (RGB) for colour; signed if the header says so.

    Raises:
        ImageError: there is no single frame, its declared size exceeds the limits, or it cannot be decoded.
    """
    refuse_unsuitable(header)
    syntax = UID(header.transfer_syntax)
    if not syntax.is_transfer_syntax or syntax.is_encapsulated:
        return frame_values(_only_frame(header), header)
    # Only compressed pixels have an undefined length, and a native transfer syntax says that there are none.
    if "PixelData" in header.attributes and header.attributes["PixelData"].is_undefined_length:
        raise ImageError("does not say how its pixels are compressed: export it uncompressed.")
    return _plain(header) if _is_plain(header) else _native(header, syntax)


def _is_plain(header: DicomHeader) -> bool:
    """Whether the pixels are uncompressed, one little-endian whole number each."""
    whole = "PixelData" in header.attributes and header.integer("BitsAllocated") in (8, 16, 32)
    return whole and header.integer("SamplesPerPixel", 1) == 1 and header.transfer_syntax != ExplicitVRBigEndian


def _plain(header: DicomHeader) -> NDArray[Any]:
    """Pixels for which `_is_plain` holds: a view of the bytes, which needs no decoder."""
    kind = "i" if header.integer("PixelRepresentation", 0) == 1 else "u"
    dtype, shape = f"<{kind}{header.integer('BitsAllocated') // 8}", (header.integer("Rows"), header.integer("Columns"))
    try:
        return np.frombuffer(header.attributes.PixelData, dtype=dtype, count=shape[0] * shape[1]).reshape(shape)
    except DAMAGED:
        raise ImageError(BROKEN) from None


def _native(header: DicomHeader, syntax: UID) -> NDArray[Any]:
    """The other uncompressed pixels, decoded by pydicom: colour, big endian, floating point, single bits."""
    try:
        header.attributes.file_meta.TransferSyntaxUID = syntax
        values, _ = get_decoder(syntax).as_array(header.attributes, index=0, **DECODER_OPTIONS)
    except DAMAGED:
        raise ImageError(BROKEN) from None
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def refuse_unsuitable(header: DicomHeader) -> None:
    """Check, before any pixel is decoded, that the header declares one frame of a size that can be read.

    Raises:
        ImageError: it does not.
    """
    if not any(keyword in header.attributes for keyword in PIXEL_KEYWORDS):
        raise ImageError(f"holds no image data{_kind(header)}: export it again, or take it out.")
    if any(word in UID(header.transfer_syntax).name for word in VIDEO):
        raise ImageError("is a video, and one radiograph per file is read: export a single image.")
    if (frames := header.integer("NumberOfFrames", 1)) > 1:
        raise ImageError(f"holds {frames:,} frames, and one radiograph per file is read: export each frame separately, or import it as CT.")
    rows, columns, samples = header.integer("Rows"), header.integer("Columns"), header.integer("SamplesPerPixel", 1)
    if rows < 1 or columns < 1 or frames < 0 or not 1 <= samples <= MAX_SAMPLES:
        raise ImageError("declares no pixels: export it again.")
    allocated = header.integer("BitsAllocated")
    most = MAX_PIXELS if allocated <= TABLE_BITS else MAX_PIXELS // WIDE_PIXEL_FACTOR
    if rows * columns * samples > most:
        raise ImageError(f"declares {rows:,} x {columns:,} pixels, more than {most:,} pixels: export it smaller.")
    if allocated not in BITS_ALLOCATED or ("PixelData" in header.attributes and allocated > MOST_INTEGER_BITS):
        raise ImageError(f"stores {allocated} bits per pixel; 1, 8, 16 and 32 can be read: export it again.")
    if not 1 <= header.bits_stored <= allocated:
        raise ImageError(UNREADABLE_DESCRIPTION)


def _kind(header: DicomHeader) -> str:
    """The kind of DICOM object, in words; empty if the standard has no name for it."""
    kind = UID(header.text("SOPClassUID"))
    return f" (it is a DICOM object of kind {kind.name.removesuffix(' Storage')!r})" if kind.name != kind else ""


def frame_values(frame: bytes, header: DicomHeader) -> NDArray[Any]:
    """The values of one compressed frame, in the form of `stored_values`.

    Raises:
        ImageError: it cannot be decoded, or contradicts the header.
    """
    return _signed_as_declared(_as_rgb(_decompressed(frame, header), header), header)


def _decompressed(frame: bytes, header: DicomHeader) -> NDArray[Any]:
    """The values of `frame` as its decoder returns them, of the size that the header declares."""
    rows, columns, samples = header.integer("Rows"), header.integer("Columns"), header.integer("SamplesPerPixel", 1)
    # The stream's own size decides how much memory a decoder takes: it must be the one that was judged in the header.
    declared = frame_size(frame)
    if declared is not None and declared != (rows, columns, samples):
        raise ImageError(BROKEN)
    request = FrameRequest(
        syntax=header.transfer_syntax,
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=header.integer("BitsAllocated"),
        rgb=header.photometric == "RGB",
    )
    try:
        values = decode_frame(frame, request)
    except TimeoutError:
        raise ImageError(TOO_SLOW) from None
    except NotImplementedError:
        raise ImageError(UNKNOWN_COMPRESSION) from None
    except ValueError:
        raise ImageError(BROKEN) from None
    if values.shape != ((rows, columns, samples) if samples > 1 else (rows, columns)):
        raise ImageError(BROKEN)
    return values


def _as_rgb(values: NDArray[Any], header: DicomHeader) -> NDArray[Any]:
    """`values` in RGB: luminance and chrominance that the decoder did not convert are converted, others returned unchanged."""
    as_stored = not header.transfer_syntax.startswith(UID_PREFIX) or header.transfer_syntax[len(UID_PREFIX) :] in COLOUR_AS_STORED
    if values.ndim == 3 and as_stored and header.photometric.startswith("YBR_FULL"):
        return np.asarray(convert_color_space(values, "YBR_FULL", "RGB"))
    return values


def _only_frame(header: DicomHeader) -> bytes:
    try:
        return next(generate_frames(header.attributes.PixelData, number_of_frames=1))
    except (*DAMAGED, StopIteration):
        raise ImageError(BROKEN) from None


def _signed_as_declared(values: NDArray[Any], header: DicomHeader) -> NDArray[Any]:
    """`values` as signed numbers if the header says that they are.

    Decoders of JPEG and JPEG-LS return unsigned samples, in which bit `BitsStored` - 1 is the sign.
    """
    if header.integer("PixelRepresentation", 0) != 1 or values.dtype.kind == "i":
        return values
    bits = header.bits_stored
    signed = values.astype(f"i{values.dtype.itemsize}")
    spare = values.dtype.itemsize * 8 - bits
    # Shifting left moves the sign bit to the top; the arithmetic shift back copies it into the unused bits.
    return np.asarray((signed << spare) >> spare) if spare > 0 else signed


def used_bits(values: NDArray[Any], bits: int, highest: int) -> NDArray[Any]:
    """The used bits of whole numbers, without what some files keep in unused bits, e.g. an overlay.

    Args:
        values: as stored; of a signed type, the result is sign-extended.
        bits: how many of each value's bits are used.
        highest: number of the highest used bit, from 0.

    >>> used_bits(np.array([0xF123], dtype=np.uint16), bits=12, highest=11) == 0x123
    array([ True])
    """
    width = values.dtype.itemsize * 8
    highest = min(highest, width - 1)
    return np.asarray((values << (width - 1 - highest)) >> (width - bits))


def fits(low: int, high: int, kind: str, bits: int) -> bool:
    """Whether values from `low` to `high` need at most `bits` bits, one of them the sign if `kind` is "i".

    >>> fits(0, 4095, "u", 12), fits(-2048, 2047, "i", 12), fits(0, 4096, "u", 12)
    (True, True, False)
    """
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "i" else (0, 2**bits - 1)
    return least <= int(low) and int(high) <= most
