"""Reading images: here at first, and by processes of their own once there is enough left to merit starting them."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from dpmed_core.cohort.intake.read_result import Chunk, Image, Read, read_one
from dpmed_core.cohort.intake.workers import Workers
from dpmed_core.imaging.modality import Modality

CHUNK = {Modality.RADIOGRAPH: 16, Modality.CT: 2}
"""Images handed over at once: some tenths of a second of work."""
THREADS = 2
TRIAL_SECONDS = 0.15
"""After so long the pace is known, and with it whether processes pay."""
WORTH_SECONDS = 2.5
"""Processes take about a second to start; with less than this left to read, threads are sooner done."""
MAX_WORKERS = 8


def available_workers() -> int:
    """How many processes may read at once: one a core that this process may use, within reason."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


def read_all(images: Sequence[Image], places: Sequence[int], *, modality: Modality, workers: int | None = None) -> Iterator[Read]:
    """The images at `places`, some at a time, in whatever order they are done; never more than a few chunks are held.

    Args:
        images: all images.
        places: which of them to read.
        modality: what the cohort holds.
        workers: processes; 0 to read in this one alone; None for as many as there are cores, if it pays.
    """
    chunks = _chunks(images, places, CHUNK[modality])
    began, n_read = time.monotonic(), 0
    with ThreadPoolExecutor(THREADS) as here:
        while (chunk := next(chunks, None)) is not None:
            yield _read_here(here, chunk, modality)
            n_read += len(chunk)
            elapsed = time.monotonic() - began
            left_seconds = elapsed / n_read * (len(places) - n_read)
            if workers != 0 and (workers or (elapsed > TRIAL_SECONDS and left_seconds > WORTH_SECONDS)):
                yield from _read_by_processes(chunks, workers or available_workers(), here, modality)


def _read_by_processes(chunks: Iterator[Chunk], n_workers: int, here: ThreadPoolExecutor, modality: Modality) -> Iterator[Read]:
    """The rest of `chunks`; until the first process answers, this one goes on reading."""
    waiting: set[Future[Read]] = set()
    answered = False
    with Workers(n_workers, modality) as workers:
        while True:
            waiting |= {workers.submit(chunk) for chunk in islice(chunks, 2 * n_workers + 1 - len(waiting))}
            if not waiting:
                return
            done, waiting = wait(waiting, timeout=None if answered else 0, return_when=FIRST_COMPLETED)
            answered = answered or bool(done)
            if not answered and (chunk := next(chunks, [])):
                yield _read_here(here, chunk, modality)
            for future in done:
                yield future.result()


def _read_here(here: ThreadPoolExecutor, chunk: Chunk, modality: Modality) -> Read:
    return list(zip((place for place, _ in chunk), here.map(lambda one: read_one(one[1], modality), chunk), strict=True))


def _chunks(images: Sequence[Image], places: Sequence[int], size: int) -> Iterator[Chunk]:
    for start in range(0, len(places), size):
        yield [(place, images[place]) for place in places[start : start + size]]
