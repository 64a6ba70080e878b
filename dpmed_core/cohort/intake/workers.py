"""Processes that read images, asked by threads: started without the module that is being run, gone when this process is."""

import os
import pickle
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from dpmed_core.cohort.intake.read_result import Chunk, Outcome, Read, signature_of
from dpmed_core.imaging.modality import Modality

HALTED = "brings the reader to a halt: export it again."
PRODUCT = Path(__file__).resolve().parents[3]
KEPT_BYTES = str(1 << 28)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
}
"""One thread each; and what an image needed is kept for the next: else glibc gives pages back, and every image faults them in again."""


class Workers:
    """Some reading processes; a context manager that ends them."""

    def __init__(self, count: int, modality: Modality) -> None:
        """Start `count` of them, for a cohort of `modality`; they are ready after about a second."""
        self._modality = modality
        self._threads = ThreadPoolExecutor(count)
        self._idle: SimpleQueue[socket.socket] = SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []
        for channel in self._start(count):
            self._idle.put(channel)
        self._count = count

    def submit(self, chunk: Chunk) -> "Future[Read]":
        """What becomes of `chunk`."""
        return self._threads.submit(self._ask, chunk)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._count):
            self._idle.get().close()
        for process in self._started:
            process.wait()

    def _ask(self, chunk: Chunk) -> Read:
        channel = self._idle.get()
        try:
            if (read := self._answer(channel, chunk)) is not None:
                return read
            channel = self._replaced(channel)
            apart: Read = []
            for place, image in chunk:  # one of them ended the worker: each by itself, to find which
                read = self._answer(channel, [(place, image)])
                if read is None:
                    channel = self._replaced(channel)
                    read = [(place, Outcome(signature_of(image), message=HALTED))]
                apart += read
            return apart
        finally:
            self._idle.put(channel)

    def _answer(self, channel: socket.socket, chunk: Chunk) -> Read | None:
        """What the worker behind `channel` read of `chunk`; None where it ended over it."""
        try:
            with channel.makefile("rwb") as messages:
                pickle.dump((self._modality, chunk), messages, pickle.HIGHEST_PROTOCOL)
                messages.flush()
                read: Read = pickle.load(messages)  # noqa: S301 - from a process that this one started
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        return read

    def _replaced(self, channel: socket.socket) -> socket.socket:
        channel.close()
        [another] = self._start(1)
        return another

    def _start(self, count: int) -> list[socket.socket]:
        """Channels to `count` new workers, in a session of their own, so that Ctrl-C reaches their parent alone."""
        paths = [str(PRODUCT), *filter(None, [os.environ.get("PYTHONPATH")])]
        pairs = [socket.socketpair() for _ in range(count)]
        theirs = [their_end.fileno() for _, their_end in pairs]
        process = subprocess.Popen(
            [sys.executable, "-m", "dpmed_core.cohort.intake.worker", *map(str, theirs)],
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # decoders print, of headers too
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        for _, their_end in pairs:
            their_end.close()
        return [our_end for our_end, _ in pairs]
