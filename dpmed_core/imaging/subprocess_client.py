"""Reading untrusted bytes in a subprocess, with a limit on its time.

Decoders are written in C and C++ and get files of unknown origin. A crash, an endless loop or a runaway allocation ends the
subprocess alone, and the next request starts another. `subprocess_server` is the other side.
"""

import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import Any

from dpmed_core.child_environment import decoder_environment
from dpmed_core.imaging.messages import receive, send

STARTING_SECONDS = 60.0


def ask_subprocess(module: str, head: Mapping[str, object], body: bytes = b"", *, seconds: float) -> tuple[dict[str, Any], bytes]:
    """The answer, head and body, of this thread's subprocess of `module`, which is started when first needed.

    Args:
        module: the program, which calls `subprocess_server.serve`.
        head: the request, as JSON.
        body: bytes that belong to it.
        seconds: how long the answer may take.

    Raises:
        TimeoutError: it took longer; the subprocess has been killed.
        ConnectionError: the subprocess died.
    """
    process = _process_of_this_thread(module)
    try:
        return process.ask(head, body, seconds=seconds)
    except TimeoutError:
        end_subprocess(module)
        raise
    except (OSError, EOFError):
        end_subprocess(module)
        raise ConnectionError from None


def end_subprocess(module: str) -> None:
    """End this thread's subprocess of `module`, if there is one; the next request starts another."""
    if (process := _of_this_thread.processes.pop(module, None)) is not None:
        process.end()


class _Process:
    """The subprocess and the socket to it; both are closed when this object is deleted."""

    def __init__(self, module: str) -> None:
        """Start the program `module` and wait until it is ready."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=decoder_environment(),
            )
        self._requests, self._answers = self._socket.makefile("wb"), self._socket.makefile("rb")
        # `finalize` also runs at the interpreter's exit, where `__del__` may not.
        self.end = weakref.finalize(self, _end, self._process, self._socket, self._answers)
        self._socket.settimeout(STARTING_SECONDS)
        self._answers.readline()  # the empty line that says it is ready

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, head: Mapping[str, object], body: bytes, *, seconds: float) -> tuple[dict[str, Any], bytes]:
        self._socket.settimeout(seconds)
        send(self._requests, head, body)
        return receive(self._answers)


def _end(process: "subprocess.Popen[bytes]", *connections: Any) -> None:
    for connection in connections:
        connection.close()
    process.kill()
    process.wait()


class _ThreadProcesses(threading.local):
    """The subprocesses of one thread by module; threads do not share them, so requests need no lock."""

    def __init__(self) -> None:
        self.processes: dict[str, _Process] = {}


_of_this_thread = _ThreadProcesses()


def _process_of_this_thread(module: str) -> _Process:
    process = _of_this_thread.processes.get(module)
    if process is None or not process.is_alive:
        process = _of_this_thread.processes[module] = _Process(module)
    return process
