"""Thousands of damaged image files, reproducible by a seed: `python -m benchmarks.mutated_files [--files N] [--seed S] [--json]`.

Each is read as by an import. A fault is an exception other than `ImageError`, a crash of the process, more than
`LIMIT_SECONDS` for one file, or more than `LIMIT_BYTES` of memory in the reading process or its decoder.
"""

import io
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import pydicom.data
from PIL import Image

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.decoding import DECODER
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.subprocess_client import end_subprocess

LIMIT_SECONDS, LIMIT_BYTES = 5.0, 2**30
HUGE_LENGTHS = (0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x80000000, 0x10000000, 0x00FFFFFF)
ABSURD_NUMBERS = (0, 1, 255, 0x7FFF, 0xFFFF)
NUMBER_TAGS = (b"\x28\x00\x10\x00", b"\x28\x00\x11\x00", b"\x28\x00\x02\x00", b"\x28\x00\x00\x01", b"\x28\x00\x01\x01", b"\x28\x00\x03\x01")
"""Rows, Columns, SamplesPerPixel, BitsAllocated, BitsStored, PixelRepresentation, little endian."""
FRAMES_TAG = b"\x28\x00\x08\x00"
SIZE_MARKERS = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc3", b"\xff\xf7", b"\xff\x51")
OPEN_SEQUENCE = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
PREFIX_END = 132
NOT_DICOM = (".txt", ".json", ".dump", ".icc", ".gz")

Mutation = Callable[[bytearray, np.random.Generator], bytearray]


def truncated(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` cut short at a random position."""
    return data[: int(rng.integers(0, len(data)))]


def bits_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with one to 64 bits flipped at random positions."""
    return _flipped(data, rng, len(data))


def header_bits_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with one to 64 bits flipped in the first 2,048 bytes."""
    return _flipped(data, rng, min(len(data), 2048))


def _flipped(data: bytearray, rng: np.random.Generator, end: int) -> bytearray:
    for position in rng.integers(0, end, int(rng.integers(1, 65))):
        data[position] ^= 1 << int(rng.integers(0, 8))
    return data


def length_made_huge(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with four bytes of the header replaced by a huge length."""
    position = int(rng.integers(0, max(min(len(data), 4096) - 4, 1)))
    data[position : position + 4] = int(rng.choice(HUGE_LENGTHS)).to_bytes(4, "little")
    return data


def size_made_absurd(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with rows, columns, bits and frames, if it has them, replaced by impossible numbers."""
    for tag in NUMBER_TAGS:
        if (position := data.find(tag)) >= 0 and rng.random() < 0.5:
            data[position + 8 : position + 10] = int(rng.choice(ABSURD_NUMBERS)).to_bytes(2, "little")
    if (position := data.find(FRAMES_TAG)) >= 0:
        data[position + 8 : position + 10] = b"99"
    return data


def frame_size_made_absurd(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with random bytes in place of the size in a compressed frame, or at a random position of other files."""
    found = [position for marker in SIZE_MARKERS if (position := data.find(marker, 200)) >= 0] or [int(rng.integers(0, len(data)))]
    start = int(rng.choice(found)) + 4
    data[start : start + 16] = rng.integers(0, 256, 16, dtype=np.uint8).tobytes()
    return data


def bytes_inserted(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with up to 300 random bytes inserted."""
    position = int(rng.integers(0, len(data)))
    data[position:position] = rng.integers(0, 256, int(rng.integers(1, 300)), dtype=np.uint8).tobytes()
    return data


def bytes_removed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with up to 300 bytes removed."""
    position = int(rng.integers(0, len(data)))
    del data[position : position + int(rng.integers(1, 300))]
    return data


def block_zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with a block of up to a tenth of its length set to zero."""
    position, length = int(rng.integers(0, len(data))), int(rng.integers(1, max(len(data) // 10, 2)))
    data[position : position + length] = bytes(len(data[position : position + length]))
    return data


def sequences_nested(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with 200 to 10,000 sequences opened inside each other and never closed."""
    position = PREFIX_END if len(data) > PREFIX_END else 0
    data[position:position] = OPEN_SEQUENCE * int(rng.integers(200, 10_000))
    return data


def spliced(data: bytearray, rng: np.random.Generator) -> bytearray:
    """`data` with its second quarter inserted again at a random position."""
    middle = data[len(data) // 4 : len(data) // 2]
    position = int(rng.integers(0, len(data)))
    return data[:position] + middle + data[position:]


MUTATIONS: tuple[Mutation, ...] = (
    truncated,
    bits_flipped,
    header_bits_flipped,
    length_made_huge,
    size_made_absurd,
    frame_size_made_absurd,
    bytes_inserted,
    bytes_removed,
    block_zeroed,
    sequences_nested,
    spliced,
)


def originals() -> list[tuple[str, bytes]]:
    """(suffix, content) of pydicom's DICOM test files (of the similar ones every twentieth), a PNG and a JPEG file.

    PNG and JPEG are repeated so that they are chosen often enough.
    """
    folder = Path(pydicom.data.__file__).parent / "test_files"
    files = [path for path in sorted(folder.glob("*")) if path.is_file() and path.suffix not in NOT_DICOM]
    files += [path for path in sorted(folder.glob("dicomdirtests/**/*")) if path.is_file()][::20]
    pixels = np.random.default_rng(0).integers(0, 256, (96, 64), dtype=np.uint8)
    pictures = []
    for suffix, kind in ((".png", "PNG"), (".jpg", "JPEG")):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        pictures += [(suffix, buffer.getvalue())] * 6
    return [(".dcm", path.read_bytes()) for path in files] + pictures


def mutants(n_files: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """(name of the mutation, suffix, content) of `n_files` damaged files, which depend on `seed` alone."""
    sources, rng = originals(), np.random.default_rng(seed)
    for _ in range(n_files):
        suffix, content = sources[int(rng.integers(0, len(sources)))]
        mutate = MUTATIONS[int(rng.integers(0, len(MUTATIONS)))]
        yield mutate.__name__, suffix, bytes(mutate(bytearray(content), rng))


@dataclass(frozen=True)
class MutationResult:
    """The results of reading the files.

    Attributes:
        n_files: number of files.
        n_images: files that gave an image in spite of the damage.
        n_refused: files that were refused in one sentence.
        n_faults: files that raised another exception.
        slowest_seconds: longest time for one file.
        peak_bytes: peak memory of the reading process.
        decoder_peak_bytes: peak memory of its decoders.
        sentences: how often each sentence occurred.
        faults: tracebacks of the first ten faults.
    """

    n_files: int
    n_images: int
    n_refused: int
    n_faults: int
    slowest_seconds: float
    peak_bytes: int
    decoder_peak_bytes: int
    sentences: dict[str, int]
    faults: list[str]

    @property
    def is_good(self) -> bool:
        """Whether there was no fault and no limit was exceeded."""
        return not self.n_faults and self.slowest_seconds < LIMIT_SECONDS and max(self.peak_bytes, self.decoder_peak_bytes) < LIMIT_BYTES


def read_mutants(n_files: int, seed: int) -> MutationResult:
    """Read `n_files` damaged files, one after another."""
    sentences: Counter[str] = Counter()
    n_images, slowest, faults = 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        for number, (mutation, suffix, content) in enumerate(mutants(n_files, seed)):
            path = Path(folder) / f"image{suffix}"
            path.write_bytes(content)
            began = time.monotonic()
            try:
                read_image(path)
                n_images += 1
            except ImageError as error:
                sentences[str(error)] += 1
            except Exception:  # noqa: BLE001 - any other exception is a fault
                faults.append(f"file {number}, {mutation}: {traceback.format_exc(limit=-3)}")
            slowest = max(slowest, time.monotonic() - began)
    return MutationResult(
        n_files, n_images, sentences.total(), len(faults), slowest, _own_peak(), _decoder_peak(), dict(sentences.most_common()), faults[:10]
    )


def _own_peak() -> int:
    """The peak memory of this process, in bytes.

    Where there is /proc, from VmHWM, which starts anew with a program: `ru_maxrss` begins at the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


def _decoder_peak() -> int:
    """The peak memory of all decoders, in bytes; a running one is ended first, since only ended processes are counted."""
    end_subprocess(DECODER)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


@click.command()
@click.option("--files", default=5000, show_default=True)
@click.option("--seed", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(files: int, seed: int, as_json: bool) -> None:
    """Read damaged files and print the results; the exit status is 1 if there was a fault or a limit was exceeded."""
    result = read_mutants(files, seed)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=1))
    else:
        for sentence, count in result.sentences.items():
            click.echo(f"{count:6d}  {sentence}")
        click.echo(f"{result.n_files} files: {result.n_images} images, {result.n_refused} refused, {result.n_faults} faults")
        memory, decoder = result.peak_bytes / 2**20, result.decoder_peak_bytes / 2**20
        click.echo(f"slowest file {result.slowest_seconds:.2f} s; peak memory {memory:.0f} MiB, decoder {decoder:.0f} MiB")
        for fault in result.faults:
            click.echo(fault)
    sys.exit(not result.is_good)


if __name__ == "__main__":
    main()
