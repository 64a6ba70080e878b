"""Asking a process of its own to decode a compressed frame, with a limit on its time; see `dicom_codecs` for why."""

import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STARTING_SECONDS = 60.0
DECODING_SECONDS, DECODING_SECONDS_PER_MEGAPIXEL = 4.0, 0.5
IMPORT_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class FrameRequest:
    """What the decoder must know of a frame.

    Attributes:
        syntax: transfer syntax UID.
        rows: as the header declares.
        columns: as the header declares.
        samples: values a pixel, 1 or 3.
        bits_allocated: bits a value.
        rgb: the colours are RGB, not luminance and chrominance.
        n_bytes: length of the frame.
    """

    syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    rgb: bool
    n_bytes: int


def decode_frame(frame: bytes, request: FrameRequest) -> NDArray[Any]:
    """The values of `frame`, `[rows, columns]` or `[rows, columns, samples]`, as its decoder gives them.

    Raises:
        NotImplementedError: there is no decoder for the transfer syntax.
        TimeoutError: the decoder took too long; it has been ended.
        ValueError: the decoder refused the frame, or died of it.
    """
    decoder = _own_decoder()
    seconds = DECODING_SECONDS + DECODING_SECONDS_PER_MEGAPIXEL * request.rows * request.columns / 1e6
    try:
        answer, data = decoder.ask(frame, request, seconds=seconds)
    except TimeoutError:
        end_own_decoder()
        raise
    except (OSError, ValueError):
        end_own_decoder()
        raise ValueError from None
    if "error" in answer:
        raise NotImplementedError if answer["error"] == "KeyError" else ValueError
    return np.frombuffer(data, dtype=answer["dtype"]).reshape(answer["shape"])


def end_own_decoder() -> None:
    """End this thread's decoder process, if it has one; the next frame starts another."""
    if _own.decoder is not None:
        _own.decoder.end()
    _own.decoder = None


class _DecoderProcess:
    """The process and the socket to it; both end with this object."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dpmed_core.cohort.dicom_codecs", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": IMPORT_ROOT, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._answers = self._socket.makefile("rb")
        self.end = weakref.finalize(self, _end, self._process, self._socket, self._answers)
        self._socket.settimeout(STARTING_SECONDS)
        self._answers.readline()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, frame: bytes, request: FrameRequest, *, seconds: float) -> tuple[dict[str, Any], bytes]:
        self._socket.settimeout(seconds)
        self._socket.sendall(json.dumps(asdict(request)).encode() + b"\n")
        self._socket.sendall(frame)
        answer = json.loads(self._answers.readline())
        data = self._answers.read(answer.get("n_bytes", 0))
        if len(data) != answer.get("n_bytes", 0):
            raise ConnectionError
        return answer, data


def _end(process: "subprocess.Popen[bytes]", *connections: Any) -> None:
    for connection in connections:
        connection.close()
    process.kill()
    process.wait()


class _Own(threading.local):
    """Each thread's own decoder process, started when first needed."""

    decoder: _DecoderProcess | None = None


_own = _Own()


def _own_decoder() -> _DecoderProcess:
    if _own.decoder is None or not _own.decoder.is_alive:
        _own.decoder = _DecoderProcess()
    return _own.decoder
