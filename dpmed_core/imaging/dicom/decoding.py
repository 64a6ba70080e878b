"""Decoding a compressed frame in a subprocess, with a limit on its time."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.subprocess_client import ask_subprocess

DECODER = "dpmed_core.imaging.dicom.codecs"
DECODING_SECONDS, DECODING_SECONDS_PER_MEGAPIXEL = 4.0, 0.5


@dataclass(frozen=True)
class FrameRequest:
    """What the decoder needs to know about a frame.

    Attributes:
        syntax: transfer syntax UID.
        rows: as the header declares.
        columns: as the header declares.
        samples: values per pixel, 1 or 3.
        bits_allocated: bits per value.
        rgb: the header says that the colours are RGB, not luminance and chrominance.
    """

    syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    rgb: bool


def decode_frame(frame: bytes, request: FrameRequest) -> NDArray[Any]:
    """The values of `frame`, `[rows, columns]` or `[rows, columns, samples]`, as its decoder returns them.

    Raises:
        NotImplementedError: there is no decoder for the transfer syntax.
        TimeoutError: the decoder took too long and was killed.
        ValueError: the decoder refused the frame or crashed.
    """
    seconds = DECODING_SECONDS + DECODING_SECONDS_PER_MEGAPIXEL * request.rows * request.columns / 1e6
    try:
        answer, data = ask_subprocess(DECODER, asdict(request), frame, seconds=seconds)
    except ConnectionError:
        raise ValueError from None
    if "error" in answer:
        raise NotImplementedError if answer["error"] == "KeyError" else ValueError  # KeyError: no decoder under this UID
    return np.frombuffer(data, dtype=answer["dtype"]).reshape(answer["shape"])
