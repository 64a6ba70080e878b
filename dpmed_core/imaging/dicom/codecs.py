"""The subprocess that decodes compressed frames: a request has the fields of `decoding.FrameRequest` and the frame's bytes."""

from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.dicom.codestream import declares_colour_coding
from dpmed_core.imaging.subprocess_server import Answer, serve

MEMORY_BYTES = 2**30
JPEG = (*map(str, range(50, 67)), "70")
"""Baseline, extended, lossless, and the retired progressive and hierarchical processes, only some of which can be decoded."""
JPEG_LS = ("80", "81")
JPEG_2000 = ("90", "91", "92", "93")
HT_JPEG_2000 = ("201", "202", "203")
JPEG_XL = ("110", "111", "112")
RLE = "1.2.840.10008.1.2.5"
MOST_PADDING = 4
"""Bytes that may follow a run-length plane: the standard has one, to an even length, and some programs pad to words."""
UID_PREFIX = "1.2.840.10008.1.2.4."

Decoder = Callable[[bytes, Mapping[str, Any]], NDArray[Any]]


def _jpeg(frame: bytes, request: Mapping[str, Any]) -> NDArray[Any]:
    """A JPEG frame; colour as RGB."""
    # libjpeg takes colour for YCbCr unless the stream says otherwise. Where the header says RGB and the stream says nothing, the
    # samples are RGB already and must not be transformed.
    untransformed = "RGB" if request["rgb"] and not declares_colour_coding(frame) else None
    try:
        return np.asarray(imagecodecs.jpeg8_decode(frame, colorspace=untransformed, outcolorspace=untransformed))
    except imagecodecs.Jpeg8Error:  # some lossless streams that libjpeg-turbo refuses
        return np.asarray(imagecodecs.jpegsof3_decode(frame))


def _run_length(frame: bytes, request: Mapping[str, Any]) -> NDArray[Any]:
    """A run-length frame: byte planes, the most significant first, sample by sample. Source: DICOM PS3.5, annex G."""
    n_planes, n_pixels = request["samples"] * request["bits_allocated"] // 8, request["rows"] * request["columns"]
    # The frame begins with 16 words: the number of planes, then the offset of each.
    offsets = np.frombuffer(frame[:64], dtype="<u4")
    if int(offsets[0]) != n_planes or len(frame) < 64:
        raise ValueError
    ends = [*map(int, offsets[2 : 1 + n_planes]), len(frame)]
    planes = [_unpacked(frame[int(start) : end], n_pixels) for start, end in zip(offsets[1 : 1 + n_planes], ends, strict=True)]
    stacked = np.stack(planes).reshape(request["samples"], -1, n_pixels)
    # Bytes of one value side by side, the most significant first: they can be viewed as big-endian integers.
    values = np.ascontiguousarray(stacked.transpose(2, 0, 1)).view(f">u{request['bits_allocated'] // 8}")
    shape = (request["rows"], request["columns"], request["samples"])
    return values.astype(values.dtype.newbyteorder("=")).reshape(shape if request["samples"] > 1 else shape[:2])


def _unpacked(packed: bytes, n_bytes: int) -> NDArray[np.uint8]:
    """The first `n_bytes` of a PackBits-compressed plane.

    Padding of any value may follow, which can look like the beginning of a run that lacks its bytes: it is taken off byte by byte.

    Raises:
        ValueError: the plane has fewer bytes.
    """
    for n_padding in range(MOST_PADDING + 1):
        try:
            plane = imagecodecs.packbits_decode(packed[: len(packed) - n_padding])
        except RuntimeError:  # the decoder's own error, which the library does not export
            continue
        if len(plane) >= n_bytes:
            return np.frombuffer(plane, dtype=np.uint8)[:n_bytes]
    raise ValueError


DECODERS: dict[str, Decoder] = {
    **{UID_PREFIX + number: _jpeg for number in JPEG},
    **{UID_PREFIX + number: lambda frame, _: np.asarray(imagecodecs.jpegls_decode(frame)) for number in JPEG_LS},
    **{UID_PREFIX + number: lambda frame, _: np.asarray(imagecodecs.jpeg2k_decode(frame)) for number in (*JPEG_2000, *HT_JPEG_2000)},
    **{UID_PREFIX + number: lambda frame, _: np.asarray(imagecodecs.jpegxl_decode(frame)) for number in JPEG_XL},
    RLE: _run_length,
}
"""Transfer syntax -> decoder of one frame, to values `[rows, columns]` or `[rows, columns, samples]`."""


def decoded(request: Mapping[str, Any], frame: bytes) -> Answer:
    """The answer to a request: `dtype` and `shape` of the frame's values and their bytes, or the name of the `error`."""
    try:
        values = np.ascontiguousarray(DECODERS[request["syntax"]](frame, request))
    except (ValueError, TypeError, RuntimeError, LookupError, MemoryError, ArithmeticError) as error:
        return {"error": type(error).__name__}, b""
    return {"dtype": values.dtype.str, "shape": values.shape}, values.data


if __name__ == "__main__":
    serve(decoded, memory_bytes=MEMORY_BYTES)
