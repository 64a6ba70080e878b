"""The main loop of a subprocess that reads files for `subprocess_client`: requests arrive on a socket, answers return on it.

A request is one line of JSON and then as many bytes as its field `n_bytes` says; an answer has the same form. An empty line says that the
process is ready.
"""

import io
import json
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

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
    while line := stream.readline():
        request = json.loads(line)
        head, body = handle(request, stream.read(request.get("n_bytes", 0)))
        n_bytes = memoryview(body).nbytes
        stream.write(json.dumps({**head, "n_bytes": n_bytes}).encode() + b"\n")
        stream.write(body)
        stream.flush()
