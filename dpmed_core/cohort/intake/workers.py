"""The pool of worker processes that read images.

`multiprocessing` is not used: it would import the main module again in every worker, and its workers could survive a killed parent.

No worker holds an import up: one that crashes, is stopped by a signal or takes too long is replaced, and its images are read by another.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType

import psutil

from dpmed_core.child_environment import decoder_environment
from dpmed_core.cohort.intake.read_result import Chunk, ReadChunk, ReadResult, signature_of
from dpmed_core.cohort.intake.wire import answered, request_of
from dpmed_core.imaging.messages import receive, send
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import STORED_SIZE
from dpmed_core.phrases import duration_in_words

HALTED = "crashes the program that reads it: export it again."
TOO_SLOW = "takes the program that reads it more than {duration}: export it again."
LONGEST_SECONDS = {Modality.RADIOGRAPH: 120.0, Modality.CT: 900.0}
"""For one image. Decoders have limits of their own, far below; this is for all else that may hang, as a disk that does not answer."""
LOOK_SECONDS = 5.0
"""Between two looks whether a process that has not answered was stopped."""
ENDING_SECONDS = 30.0
KEPT_BYTES = str(1 << 28)
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
}
"""Memory is kept for the next image: otherwise glibc returns it, and every image causes page faults again."""


class Workers:
    """A pool of worker processes, as a context manager that ends them."""

    def __init__(self, count: int, modality: Modality, side: int = STORED_SIZE) -> None:
        """Start `count` workers for a cohort of `modality` with radiographs of `side` pixels; they are ready after about a second."""
        self._modality, self._side = modality, side
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
            _end(process)

    def _read(self, chunk: Chunk) -> ReadChunk:
        """`chunk` as read by an idle worker; an image that crashes its worker gets the message `HALTED`, a slow one `TOO_SLOW`."""
        channel = self._idle.get()
        try:
            if not isinstance(read := self._answer(channel, chunk), str):
                return read
            # One image of the chunk crashed the worker, or it was stopped: they are read one by one to find which, if any.
            channel = self._replaced(channel)
            one_by_one: ReadChunk = []
            for index, image in chunk:
                read = self._answer(channel, [(index, image)])
                if isinstance(read, str):
                    channel = self._replaced(channel)
                    read = [(index, ReadResult(signature_of(image), message=read))]
                one_by_one += read
            return one_by_one
        finally:
            self._idle.put(channel)

    def _answer(self, channel: socket.socket, chunk: Chunk) -> ReadChunk | str:
        """The answer of the worker at `channel`; what to say of the image if it crashed, answers something else, or takes too long."""
        seconds = LONGEST_SECONDS[self._modality] * len(chunk)
        try:
            channel.settimeout(seconds)  # of each piece of a message: a worker may be stopped amid its answer
            with channel.makefile("rwb") as messages:
                send(messages, request_of(chunk, self._modality, self._side))
                self._wait(channel, seconds)
                return answered(*receive(messages), chunk, self._modality, self._side)
        except TimeoutError:
            return TOO_SLOW.format(duration=duration_in_words(seconds))
        except (OSError, EOFError, ValueError):
            return HALTED

    def _wait(self, channel: socket.socket, seconds: float) -> None:
        """Wait until `channel` has something to read; whatever is stopped meanwhile among the workers is ended, which closes its channel.

        Raises:
            TimeoutError: it has nothing after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not select.select([channel], [], [], min(LOOK_SECONDS, max(deadline - time.monotonic(), 0.0)))[0]:
            if time.monotonic() >= deadline:
                raise TimeoutError
            for process in self._started:
                _end_stopped(process.pid)

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


def _end_stopped(session: int) -> None:
    """End the processes of a session of workers that were stopped by a signal: nobody would continue them."""
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):  # it has ended meanwhile
            if os.getsid(pid) == session and psutil.Process(pid).status() == psutil.STATUS_STOPPED:
                os.kill(pid, signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for workers whose channels are closed; what of their session hangs is ended."""
    deadline = time.monotonic() + ENDING_SECONDS
    # Without reaping it, so that its number, which is its group's, stays its own until the group has been ended.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
