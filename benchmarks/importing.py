"""Importing DICOM images: throughput against a minimal loop that decodes and resizes in one process, and peak memory by number of images.

The minimal loop reads each file with pydicom, scales its values to 0-255, resizes them with the same filter to the same square, and
discards them. The import also reads headers and windows, hashes, validates, writes a journal, and stores the cohort durably.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pydicom
from PIL import Image

from dpmed_core.cohort.demo.radiograph import write_dicom
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.store import CohortStore
from dpmed_core.imaging.stored_format import SIDES, STORED_SIZE

ROUNDS = 5
SPEED_CASES = ((300, 2048), (1000, 1024), (2500, 512))
"""Numbers of images and their side in pixels."""
MEMORY_CASES = (1000, 20_000)
MEMORY_SIDE = 128
KEY = bytes(range(32))


@dataclass(frozen=True)
class Speed:
    """The throughput of importing one cohort.

    Attributes:
        case: number and size of the images.
        stored: side of the stored square, of either.
        ours_seconds: of the import, median of the rounds.
        bare_seconds: of the minimal loop, median of the rounds.
        throughput_ratio: images imported per image that the minimal loop reads.
        ours_processor_seconds: median, worker processes included.
        bare_processor_seconds: median.
    """

    case: str
    stored: int
    ours_seconds: float
    bare_seconds: float
    throughput_ratio: float
    ours_processor_seconds: float
    bare_processor_seconds: float


@dataclass(frozen=True)
class Memory:
    """The peak memory of an import.

    Attributes:
        case: size of the images.
        stored: side of the stored square.
        n_images: number of images.
        peak_mib: of the importing process.
        worker_peak_mib: of the largest of its worker processes.
    """

    case: str
    stored: int
    n_images: int
    peak_mib: float
    worker_peak_mib: float


def measure_speed(n_images: int, side: int, stored: int = STORED_SIZE) -> Speed:
    """The throughput of importing `n_images` images of `side` x `side` pixels, with the files in the page cache."""
    with images(n_images, side) as manifest:
        ours_once, bare_once = partial(_import, stored=stored), partial(_bare, stored=stored)
        bare_once(manifest)
        rounds = [(*_seconds(ours_once, manifest), *_seconds(bare_once, manifest)) for _ in range(ROUNDS)]
    ours, ours_processor, bare, bare_processor = (round(median(times), 3) for times in zip(*rounds, strict=True))
    return Speed(f"{n_images} images {side}x{side}, 16 bits", stored, ours, bare, round(bare / ours, 3), ours_processor, bare_processor)


def measure_memory(n_images: int, stored: int = STORED_SIZE) -> Memory:
    """The peak memory of importing `n_images` images, measured in a subprocess."""
    with images(n_images, MEMORY_SIDE) as manifest, multiprocessing.get_context("spawn").Pool(1) as pool:
        own, worker = pool.apply(_peaks, (manifest, stored))
    return Memory(f"{MEMORY_SIDE}x{MEMORY_SIDE}", stored, n_images, round(own / 1024, 1), round(worker / 1024, 1))


@contextmanager
def images(n_images: int, side: int) -> Iterator[Path]:
    """The manifest of `n_images` different images of `side` x `side` pixels, 12 bits; removed when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        root, rng = Path(folder), np.random.default_rng(0)
        lines = ["image,patient_id,age,sex,mass"]
        for i in range(n_images):
            smooth = Image.fromarray(rng.random((8, 8), dtype=np.float32)).resize((side, side), Image.Resampling.BICUBIC)
            grain = np.frombuffer(rng.bytes(side * side), np.uint8).reshape(side, side) / 2550
            write_dicom(root / f"{i}.dcm", np.clip(np.asarray(smooth) * 0.9 + grain, 0, 1), age=40, sex="F", portable=False, inverted=False)
            lines.append(f"{i}.dcm,p{i // 2},{20 + i % 70},{'FM'[i // 2 % 2]},{i % 2}")
        (root / "manifest.csv").write_text("\n".join(lines) + "\n")
        yield root / "manifest.csv"


def _seconds(action: Callable[[Path], None], manifest: Path) -> tuple[float, float]:
    """Elapsed seconds and processor seconds of `action`, those of finished child processes included."""
    began, processor = time.perf_counter(), os.times()
    action(manifest)
    used = os.times()
    return time.perf_counter() - began, sum(used[:4]) - sum(processor[:4])


def _import(manifest: Path, *, stored: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        import_manifest(CohortStore(Path(folder), KEY), "images", manifest=manifest, images_dir=None, findings=("mass",), pixels=stored)


def _bare(manifest: Path, *, stored: int) -> None:
    for line in manifest.read_text().splitlines()[1:]:
        pixels = pydicom.dcmread(manifest.parent / line.split(",")[0]).pixel_array.astype(np.float32)
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255
        np.asarray(Image.fromarray(pixels).resize((stored, stored), Image.Resampling.LANCZOS)).astype(np.uint8)


def _peaks(manifest: Path, stored: int) -> tuple[int, int]:
    _import(manifest, stored=stored)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def rows() -> list[dict[str, object]]:
    """Throughput by number and size of images, then memory by number of images, each by the side of stored images."""
    speeds = [measure_speed(*case, side) for case in SPEED_CASES for side in SIDES]
    return list(map(asdict, [*speeds, *(measure_memory(n_images, side) for n_images in MEMORY_CASES for side in SIDES)]))
