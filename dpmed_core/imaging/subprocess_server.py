"""The main loop of a subprocess that reads files for `subprocess_client`: requests arrive on a socket, answers return on it.

Both are `messages`. An empty line says that the process is ready.
"""

import io
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dpmed_core.imaging.messages import receive, send

Answer = tuple[Mapping[str, object], bytes | memoryview]
"""Head and body of an answer."""
Handler = Callable[[Mapping[str, Any], bytes], Answer]
"""From the head and body of a request to its answer."""


def serve(handle: Handler, *, memory_bytes: int) -> None:
    """Answer requests on the socket whose file descriptor is the program's only argument, until it is closed.

    Args:
        handle: from the head and body of a request to its answer.
        memory_bytes: limit of the process's data segment; a larger allocation fails with MemoryError.
    """
    with socket.socket(fileno=int(sys.argv[1])) as connection, connection.makefile("rwb") as stream:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would write pixels of a patient to the disk
        stream.write(b"\n")
        stream.flush()
        answer_all(stream, handle)


def answer_all(stream: io.BufferedRWPair, handle: Handler) -> None:
    """Answer the requests on `stream` one after the other."""
    with suppress(EOFError, ConnectionError):  # the other side is closed
        while True:
            head, body = handle(*receive(stream))
            send(stream, head, body)
