"""The side of a process that reads for another, which `apart` starts: questions come in on a socket, answers go out.

A question is one line of JSON and, where it says `n_bytes`, so many bytes; so is the answer. An empty line says that the process is ready.
"""

import io
import json
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

Answer = tuple[Mapping[str, object], bytes | memoryview]
Handler = Callable[[Mapping[str, Any], bytes], Answer]


def serve(handle: Handler, *, memory_bytes: int) -> None:
    """Answer questions on the socket whose descriptor is the program's only argument, until there are no more.

    Args:
        handle: from a question's head and bytes to the answer's.
        memory_bytes: more than so much is not allocated.
    """
    with socket.socket(fileno=int(sys.argv[1])) as connection, connection.makefile("rwb") as stream:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        stream.write(b"\n")
        stream.flush()
        answer_all(stream, handle)


def answer_all(stream: io.BufferedRWPair, handle: Handler) -> None:
    """Answer the questions on `stream` one after the other."""
    while line := stream.readline():
        question = json.loads(line)
        head, body = handle(question, stream.read(question.get("n_bytes", 0)))
        n_bytes = memoryview(body).nbytes
        stream.write(json.dumps({**head, "n_bytes": n_bytes}).encode() + b"\n")
        stream.write(body)
        stream.flush()
