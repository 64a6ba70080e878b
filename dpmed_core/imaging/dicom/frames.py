"""Stored pixel values of a DICOM file's one frame, whatever its transfer syntax."""

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
WIDE_PIXELS_WEIGH = 8
"""Pixels of more than `TABLE_BITS` bits are transformed one by one, in double precision."""
MAX_SAMPLES = 4
BITS_ALLOCATED = (1, 8, 16, 32, 64)
MOST_INTEGER_BITS = 32
LEFT_TO_US: Any = {"correct_unused_bits": False, "view_only": True}
"""Of what pydicom would do with native pixels: masking unused bits and copying."""
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
JPEG_FAMILY, AFTER_JPEG = "1.2.840.10008.1.2.4.", ("80", "81", "90", "91", "92", "93", "201", "202", "203")
"""JPEG decoders give RGB; those of JPEG-LS, JPEG 2000 and run lengths give what was stored."""
VIDEO = ("MPEG", "HEVC", "SMPTE")

BROKEN = "has pixels that break off or contradict its header: export it again."
UNKNOWN_COMPRESSION = "is compressed in a way that cannot be decoded here: export it uncompressed."
TOO_SLOW = "could not be decoded in time: export it uncompressed."


def stored_values(header: DicomHeader) -> NDArray[Any]:
    """The values as stored, `[rows, columns]`, or `[rows, columns, 3]` (RGB) for colour; of the signedness that the header says.

    Raises:
        ImageError: there is no single frame, its declared size is absurd, or it cannot be decoded.
    """
    refuse_unsuitable(header)
    syntax = UID(header.transfer_syntax)
    if not syntax.is_transfer_syntax or syntax.is_encapsulated:
        return frame_values(_only_frame(header), header)
    if "PixelData" in header.attributes and header.attributes["PixelData"].is_undefined_length:
        raise ImageError("does not say how its pixels are compressed: export it uncompressed.")
    return _plain(header) if _is_plain(header) else _native(header, syntax)


def _is_plain(header: DicomHeader) -> bool:
    """Whether the pixels simply stand there, one little-endian whole number each."""
    whole = "PixelData" in header.attributes and header.integer("BitsAllocated") in (8, 16, 32)
    return whole and header.integer("SamplesPerPixel", 1) == 1 and header.transfer_syntax != ExplicitVRBigEndian


def _plain(header: DicomHeader) -> NDArray[Any]:
    kind = "i" if header.integer("PixelRepresentation", 0) == 1 else "u"
    dtype, shape = f"<{kind}{header.integer('BitsAllocated') // 8}", (header.integer("Rows"), header.integer("Columns"))
    try:
        return np.frombuffer(header.attributes.PixelData, dtype=dtype, count=shape[0] * shape[1]).reshape(shape)
    except DAMAGED:
        raise ImageError(BROKEN) from None


def _native(header: DicomHeader, syntax: UID) -> NDArray[Any]:
    """Colour, big endian, floating point, single bits."""
    try:
        header.attributes.file_meta.TransferSyntaxUID = syntax
        values, _ = get_decoder(syntax).as_array(header.attributes, index=0, **LEFT_TO_US)
    except DAMAGED:
        raise ImageError(BROKEN) from None
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def refuse_unsuitable(header: DicomHeader) -> None:
    """Raise an ImageError unless the header declares one frame of a size that can be read; no pixel has been decoded yet."""
    if not any(keyword in header.attributes for keyword in PIXEL_KEYWORDS):
        raise ImageError(f"holds no image{_kind(header)}.")
    if any(word in UID(header.transfer_syntax).name for word in VIDEO):
        raise ImageError("is a video; one radiograph a file is read here.")
    if (frames := header.integer("NumberOfFrames", 1)) > 1:
        raise ImageError(f"holds {frames} frames; one radiograph a file is read here: export each frame by itself, or CT as single slices.")
    rows, columns, samples = header.integer("Rows"), header.integer("Columns"), header.integer("SamplesPerPixel", 1)
    if rows < 1 or columns < 1 or frames < 0 or not 1 <= samples <= MAX_SAMPLES:
        raise ImageError("declares no pixels: export it again.")
    allocated = header.integer("BitsAllocated")
    most = MAX_PIXELS if allocated <= TABLE_BITS else MAX_PIXELS // WIDE_PIXELS_WEIGH
    if rows * columns * samples > most:
        raise ImageError(f"has more than {most:,} pixels.")
    if allocated not in BITS_ALLOCATED or ("PixelData" in header.attributes and allocated > MOST_INTEGER_BITS):
        raise ImageError(f"stores {allocated} bits a pixel; 1, 8, 16 and 32 can be read: export it again.")
    if not 1 <= header.bits_stored <= allocated:
        raise ImageError("describes its pixels in a way that cannot be understood: export it again.")


def _kind(header: DicomHeader) -> str:
    """What the file holds instead of an image, if the standard has a name for it."""
    kind = UID(header.text("SOPClassUID"))
    return f": its kind is {kind.name.removesuffix(' Storage')!r}, without pixels" if kind.name != kind else ""


def frame_values(frame: bytes, header: DicomHeader) -> NDArray[Any]:
    """The values of one compressed frame, as `stored_values`.

    Raises:
        ImageError: it cannot be decoded, or is not what the header says.
    """
    return _signed_as_declared(_as_rgb(_decompressed(frame, header), header), header)


def _decompressed(frame: bytes, header: DicomHeader) -> NDArray[Any]:
    rows, columns, samples = header.integer("Rows"), header.integer("Columns"), header.integer("SamplesPerPixel", 1)
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
        n_bytes=len(frame),
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
    """Red, green, blue where the frame held luminance and chrominance that its decoder leaves as they are; others unchanged."""
    left_alone = not header.transfer_syntax.startswith(JPEG_FAMILY) or header.transfer_syntax[len(JPEG_FAMILY) :] in AFTER_JPEG
    if values.ndim == 3 and left_alone and header.photometric.startswith("YBR_FULL"):
        return np.asarray(convert_color_space(values, "YBR_FULL", "RGB"))
    return values


def _only_frame(header: DicomHeader) -> bytes:
    try:
        return next(generate_frames(header.attributes.PixelData, number_of_frames=1))
    except (*DAMAGED, StopIteration):
        raise ImageError(BROKEN) from None


def _signed_as_declared(values: NDArray[Any], header: DicomHeader) -> NDArray[Any]:
    """Decoders give JPEG and JPEG-LS samples without a sign: bit `BitsStored` - 1 is the sign where the header says so."""
    if header.integer("PixelRepresentation", 0) != 1 or values.dtype.kind == "i":
        return values
    bits = header.bits_stored
    signed = values.astype(f"i{values.dtype.itemsize}")
    spare = values.dtype.itemsize * 8 - bits
    return np.asarray((signed << spare) >> spare) if spare > 0 else signed


def used_bits(values: NDArray[Any], bits: int, highest: int) -> NDArray[Any]:
    """Whole numbers without what some files keep in unused bits, e.g. an overlay; sign-extended where their type has a sign.

    Args:
        values: as stored.
        bits: how many of each value's bits count.
        highest: the highest of them, from 0.
    """
    width = values.dtype.itemsize * 8
    highest = min(highest, width - 1)
    return np.asarray((values << (width - 1 - highest)) >> (width - bits))


def fits(low: int, high: int, kind: str, bits: int) -> bool:
    """Whether values from `low` to `high` have at most `bits` bits, one of them the sign where `kind` is "i"."""
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "i" else (0, 2**bits - 1)
    return least <= int(low) and int(high) <= most
