"""Asking a process of its own to read something from anywhere, with a limit on its time.

Decoders are written in C and C++ and are fed bytes from anywhere. There a crash, an endless loop or a runaway allocation takes down
that process, which is then started again, and nothing else. `serving` is its other side.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STARTING_SECONDS = 60.0
IMPORT_ROOT = str(Path(__file__).resolve().parents[2])
ENVIRONMENT = {"PYTHONPATH": IMPORT_ROOT, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def ask_apart(module: str, head: Mapping[str, object], body: bytes = b"", *, seconds: float) -> tuple[dict[str, Any], bytes]:
    """The answer of this thread's process of `module`, started when first needed: its head and its bytes.

    Args:
        module: the program, which calls `serving.serve`.
        head: what is asked, as JSON.
        body: bytes that belong to it; `head` must tell how many, as `n_bytes`.
        seconds: how long it may take.

    Raises:
        TimeoutError: it took too long; the process has been ended.
        ConnectionError: the process died of it.
    """
    process = _own_process(module)
    try:
        return process.ask(head, body, seconds=seconds)
    except TimeoutError:
        end_apart(module)
        raise
    except (OSError, ValueError):
        end_apart(module)
        raise ConnectionError from None


def end_apart(module: str) -> None:
    """End this thread's process of `module`, if there is one; the next question starts another."""
    if (process := _own.processes.pop(module, None)) is not None:
        process.end()


class _Process:
    """The process and the socket to it; both end with this object."""

    def __init__(self, module: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT},
            )
        self._answers = self._socket.makefile("rb")
        self.end = weakref.finalize(self, _end, self._process, self._socket, self._answers)
        self._socket.settimeout(STARTING_SECONDS)
        self._answers.readline()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, head: Mapping[str, object], body: bytes, *, seconds: float) -> tuple[dict[str, Any], bytes]:
        self._socket.settimeout(seconds)
        self._socket.sendall(json.dumps(head).encode() + b"\n")
        self._socket.sendall(body)
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
    """Each thread's own processes by module."""

    def __init__(self) -> None:
        self.processes: dict[str, _Process] = {}


_own = _Own()


def _own_process(module: str) -> _Process:
    process = _own.processes.get(module)
    if process is None or not process.is_alive:
        process = _own.processes[module] = _Process(module)
    return process
