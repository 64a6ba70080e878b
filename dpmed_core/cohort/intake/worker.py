"""Processes that read images for another: chunks come in over a socket, what was read goes back, both as pickles of our own.

A process is started with one socket or several and parts into one process a socket, so that what it takes to start is paid once. Each ends
when the other end of its socket is closed, so none outlives whoever started it, however that ended.
"""

import os
import pickle
import socket
import sys
from contextlib import suppress

from dpmed_core.cohort.intake.read_result import read_one


def main(sockets: list[int]) -> None:
    """Read chunk after chunk from one of `sockets`, in as many processes, until there is none."""
    parted: list[int] = []
    while len(sockets) > 1:
        apart = sockets.pop()
        if (process := os.fork()) == 0:
            for other in sockets:
                os.close(other)
            sockets, parted = [apart], []
        else:
            os.close(apart)
            parted.append(process)
    serve(socket.socket(fileno=sockets[0]))
    for process in parted:  # not for decoders, which end with whoever started them
        os.waitpid(process, 0)


def serve(asked_over: socket.socket) -> None:
    """Answer every chunk until the other end is closed."""
    with asked_over, asked_over.makefile("rwb") as channel, suppress(EOFError, ConnectionError):  # whoever asked is gone
        while True:
            modality, chunk = pickle.load(channel)  # noqa: S301 - from the process that started this one
            pickle.dump([(place, read_one(image, modality)) for place, image in chunk], channel, pickle.HIGHEST_PROTOCOL)
            channel.flush()


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
