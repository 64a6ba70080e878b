"""Processes that read images, asked by threads: started without the module that is being run, gone when this process is."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from dpmed_core.cohort.intake.outcome import Chunk, Outcome, Read, signature_of
from dpmed_core.cohort.schema import Modality

HALTED = "brings the reader to a halt: export it again."
PRODUCT = Path(__file__).resolve().parents[3]
KEPT_BYTES = str(1 << 28)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
}
"""One thread each; and what a film needed is kept for the next: else glibc gives pages back, and every film faults them in again."""


class Workers:
    """Some reading processes; a context manager that ends them."""

    def __init__(self, count: int, modality: Modality) -> None:
        """Start `count` of them, for a cohort of `modality`; each is ready after about a second."""
        self._modality = modality
        self._threads = ThreadPoolExecutor(count)
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for _ in range(count):
            self._idle.put(_start())
        self._count = count

    def submit(self, chunk: Chunk) -> "Future[Read]":
        """What becomes of `chunk`."""
        return self._threads.submit(self._ask, chunk)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._count):
            _end(self._idle.get())

    def _ask(self, chunk: Chunk) -> Read:
        worker = self._idle.get()
        try:
            if (read := self._answer(worker, chunk)) is not None:
                return read
            worker = _replaced(worker)
            apart: Read = []
            for place, image in chunk:  # one of them ended the worker: each by itself, to find which
                read = self._answer(worker, [(place, image)])
                if read is None:
                    worker = _replaced(worker)
                    read = [(place, Outcome(signature_of(image), message=HALTED))]
                apart += read
            return apart
        finally:
            self._idle.put(worker)

    def _answer(self, worker: "subprocess.Popen[bytes]", chunk: Chunk) -> Read | None:
        """What `worker` read of `chunk`; None where it ended over it."""
        assert worker.stdin is not None and worker.stdout is not None
        try:
            pickle.dump((self._modality, chunk), worker.stdin, pickle.HIGHEST_PROTOCOL)
            worker.stdin.flush()
            read: Read = pickle.load(worker.stdout)  # noqa: S301 - from a process that this one started
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        return read


def _start() -> "subprocess.Popen[bytes]":
    """A worker in a session of its own, so that Ctrl-C reaches its parent alone."""
    paths = [str(PRODUCT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "dpmed_core.cohort.intake.worker"],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _replaced(worker: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    worker.kill()
    _end(worker)
    return _start()


def _end(worker: "subprocess.Popen[bytes]") -> None:
    assert worker.stdin is not None and worker.stdout is not None
    with suppress(OSError):  # it ended with something still to read
        worker.stdin.close()
    worker.stdout.close()
    worker.wait()
