"""The pool of worker processes that read images.

`multiprocessing` is not used: it would import the main module again in every worker, and its workers could survive a killed parent.
"""

import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType

from dpmed_core.child_environment import decoder_environment
from dpmed_core.cohort.intake.read_result import Chunk, ReadChunk, ReadResult, signature_of
from dpmed_core.cohort.intake.wire import answered, request_of
from dpmed_core.imaging.messages import receive, send
from dpmed_core.imaging.modality import Modality

HALTED = "crashes the program that reads it: export it again."
KEPT_BYTES = str(1 << 28)
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
}
"""Memory is kept for the next image: otherwise glibc returns it, and every image causes page faults again."""


class Workers:
    """A pool of worker processes, as a context manager that ends them."""

    def __init__(self, count: int, modality: Modality) -> None:
        """Start `count` workers for a cohort of `modality`; they are ready after about a second."""
        self._modality = modality
        self._threads = ThreadPoolExecutor(count)
        self._idle: SimpleQueue[socket.socket] = SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []
        for channel in self._start(count):
            self._idle.put(channel)
        self._count = count

    def submit(self, chunk: Chunk) -> "Future[ReadChunk]":
        """The future result of reading `chunk`."""
        return self._threads.submit(self._read, chunk)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        # Closing the sockets ends the workers; every channel is idle again once the threads have ended.
        for _ in range(self._count):
            self._idle.get().close()
        for process in self._started:
            process.wait()

    def _read(self, chunk: Chunk) -> ReadChunk:
        """`chunk` as read by an idle worker; an image that crashes its worker gets the message `HALTED`."""
        channel = self._idle.get()
        try:
            if (read := self._answer(channel, chunk)) is not None:
                return read
            # One image of the chunk crashed the worker: they are read one by one to find which.
            channel = self._replaced(channel)
            one_by_one: ReadChunk = []
            for index, image in chunk:
                read = self._answer(channel, [(index, image)])
                if read is None:
                    channel = self._replaced(channel)
                    read = [(index, ReadResult(signature_of(image), message=HALTED))]
                one_by_one += read
            return one_by_one
        finally:
            self._idle.put(channel)

    def _answer(self, channel: socket.socket, chunk: Chunk) -> ReadChunk | None:
        """The answer of the worker at `channel`; None if it crashed, or answers something else."""
        try:
            with channel.makefile("rwb") as messages:
                send(messages, request_of(chunk, self._modality))
                return answered(*receive(messages), chunk, self._modality)
        except (OSError, EOFError, ValueError):
            return None

    def _replaced(self, channel: socket.socket) -> socket.socket:
        """The channel to a new worker in place of the crashed one at `channel`."""
        channel.close()
        [another] = self._start(1)
        return another

    def _start(self, count: int) -> list[socket.socket]:
        """Channels to `count` new workers, which run in a session of their own so that Ctrl-C interrupts this process alone."""
        pairs = [socket.socketpair() for _ in range(count)]
        theirs = [their_end.fileno() for _, their_end in pairs]
        process = subprocess.Popen(
            [sys.executable, "-m", "dpmed_core.cohort.intake.worker", *map(str, theirs)],
            env=decoder_environment(**ENVIRONMENT),
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # decoders print warnings that may hold header values
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        # Our copies of the workers' ends: while one is open, a crashed worker's socket would not be seen as closed.
        for _, their_end in pairs:
            their_end.close()
        return [our_end for our_end, _ in pairs]
