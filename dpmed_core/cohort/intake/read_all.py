"""Reading images: in this process first, and in worker processes if enough is left to make starting them worthwhile."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from dpmed_core.cohort.intake.read_result import Chunk, ReadChunk, read_one
from dpmed_core.cohort.intake.workers import Workers
from dpmed_core.imaging.locations import HeldLocation
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import STORED_SIZE

CHUNK = {Modality.RADIOGRAPH: 16, Modality.CT: 2}
"""Images passed to a worker at once: some tenths of a second of work."""
THREADS = 2
TRIAL_SECONDS = 0.15
"""After this time the speed is known well enough to decide on workers."""
WORTH_SECONDS = 2.5
"""Workers take about a second to start; with less than this left to read, threads finish sooner."""
MAX_WORKERS = 8


def available_workers() -> int:
    """The number of workers: one per core that this process may use, at most `MAX_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


def read_all(
    images: Sequence[HeldLocation], indices: Sequence[int], *, modality: Modality, side: int = STORED_SIZE, workers: int | None = None
) -> Iterator[ReadChunk]:
    """The images at `indices` as read, chunk by chunk, in the order in which they are done; only a few chunks are held at a time.

    Args:
        images: all images.
        indices: of the images to read.
        modality: of the cohort.
        side: of its radiographs, in pixels.
        workers: processes; 0 to read in this process alone; None for `available_workers`, if they save time.
    """
    chunks = _chunks(images, indices, CHUNK[modality])
    began, n_read = time.monotonic(), 0
    with ThreadPoolExecutor(THREADS) as here:
        while (chunk := next(chunks, None)) is not None:
            yield _read_here(here, chunk, modality, side)
            n_read += len(chunk)
            elapsed = time.monotonic() - began
            left_seconds = elapsed / n_read * (len(indices) - n_read)
            # Small imports never pay for the start of workers; a given number of workers starts them after the first chunk.
            if workers != 0 and (workers or (elapsed > TRIAL_SECONDS and left_seconds > WORTH_SECONDS)):
                yield from _read_by_processes(chunks, workers or available_workers(), here, modality, side)


def _read_by_processes(
    chunks: Iterator[Chunk], n_workers: int, here: ThreadPoolExecutor, modality: Modality, side: int
) -> Iterator[ReadChunk]:
    """The rest of `chunks`, read by workers; this process continues to read until the first worker answers."""
    waiting: set[Future[ReadChunk]] = set()
    answered = False
    with Workers(n_workers, modality, side) as workers:
        while True:
            # Two chunks per worker keep every worker busy while results are consumed, and bound the memory.
            waiting |= {workers.submit(chunk) for chunk in islice(chunks, 2 * n_workers + 1 - len(waiting))}
            if not waiting:
                return
            done, waiting = wait(waiting, timeout=None if answered else 0, return_when=FIRST_COMPLETED)
            answered = answered or bool(done)
            if not answered and (chunk := next(chunks, [])):
                yield _read_here(here, chunk, modality, side)
            for future in done:
                yield future.result()


def _read_here(here: ThreadPoolExecutor, chunk: Chunk, modality: Modality, side: int) -> ReadChunk:
    """`chunk` as read by threads of this process."""
    return list(zip((index for index, _ in chunk), here.map(lambda one: read_one(one[1], modality, side), chunk), strict=True))


def _chunks(images: Sequence[HeldLocation], indices: Sequence[int], size: int) -> Iterator[Chunk]:
    for start in range(0, len(indices), size):
        yield [(index, images[index]) for index in indices[start : start + size]]
