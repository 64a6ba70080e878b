"""Worker processes that read images: chunks arrive on a socket, results return on it (`wire`).

The program is started with one or several sockets and forks into one process per socket, so that imports are loaded only once. Each process
ends when the other end of its socket is closed, so no worker outlives the process that started it, even if that was killed.
"""

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from dpmed_core.cohort.intake.read_result import read_one
from dpmed_core.cohort.intake.wire import answer_of, requested
from dpmed_core.imaging.subprocess_server import Answer, answer_all


def main(sockets: list[int]) -> None:
    """Serve each of `sockets`, given as file descriptors, in a process of its own."""
    children: list[int] = []
    while len(sockets) > 1:
        own = sockets.pop()
        if (child := os.fork()) == 0:
            for other in sockets:  # a copy left open would keep another worker from seeing its socket closed
                os.close(other)
            sockets, children = [own], []
        else:
            os.close(own)
            children.append(child)
    serve(socket.socket(fileno=sockets[0]))
    for child in children:  # only for the workers: this process's decoders end after it, so waiting for them would never return
        os.waitpid(child, 0)


def serve(connection: socket.socket) -> None:
    """Read every chunk that arrives on `connection`, until its other end is closed."""
    with connection, connection.makefile("rwb") as channel:
        answer_all(channel, _read)


def _read(head: Mapping[str, Any], _: bytes) -> Answer:
    chunk, modality, side = requested(head)
    return answer_of([(index, read_one(image, modality, side)) for index, image in chunk])


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
