"""Thousands of broken image files, the same ones for the same seed: `python -m benchmarks.mutated_files [--files N] [--seed S] [--json]`.

Each is read as an import would read it. What must not happen: an exception other than an `ImageError`, the process's death, more than
`LIMIT_SECONDS` for one file, more than `LIMIT_BYTES` of memory in the reader or in its decoder.
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
    """`data` up to anywhere."""
    return data[: int(rng.integers(0, len(data)))]


def bits_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """One to 64 bits flipped anywhere."""
    return _flipped(data, rng, len(data))


def header_bits_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """One to 64 bits flipped in the first two thousand bytes."""
    return _flipped(data, rng, min(len(data), 2048))


def _flipped(data: bytearray, rng: np.random.Generator, end: int) -> bytearray:
    for place in rng.integers(0, end, int(rng.integers(1, 65))):
        data[place] ^= 1 << int(rng.integers(0, 8))
    return data


def length_made_huge(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Four bytes of the header replaced by an absurd length."""
    place = int(rng.integers(0, max(min(len(data), 4096) - 4, 1)))
    data[place : place + 4] = int(rng.choice(HUGE_LENGTHS)).to_bytes(4, "little")
    return data


def size_made_absurd(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Rows, columns, bits or frames replaced by absurd numbers, where the file has them."""
    for tag in NUMBER_TAGS:
        if (place := data.find(tag)) >= 0 and rng.random() < 0.5:
            data[place + 8 : place + 10] = int(rng.choice(ABSURD_NUMBERS)).to_bytes(2, "little")
    if (place := data.find(FRAMES_TAG)) >= 0:
        data[place + 8 : place + 10] = b"99"
    return data


def frame_size_made_absurd(data: bytearray, rng: np.random.Generator) -> bytearray:
    """The size in a compressed frame replaced; other files get random bytes there."""
    places = [place for marker in SIZE_MARKERS if (place := data.find(marker, 200)) >= 0] or [int(rng.integers(0, len(data)))]
    start = int(rng.choice(places)) + 4
    data[start : start + 16] = rng.integers(0, 256, 16, dtype=np.uint8).tobytes()
    return data


def bytes_inserted(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Up to 300 random bytes inserted."""
    place = int(rng.integers(0, len(data)))
    data[place:place] = rng.integers(0, 256, int(rng.integers(1, 300)), dtype=np.uint8).tobytes()
    return data


def bytes_removed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Up to 300 bytes removed."""
    place = int(rng.integers(0, len(data)))
    del data[place : place + int(rng.integers(1, 300))]
    return data


def block_zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A block of up to a tenth set to zero."""
    place, length = int(rng.integers(0, len(data))), int(rng.integers(1, max(len(data) // 10, 2)))
    data[place : place + length] = bytes(len(data[place : place + length]))
    return data


def sequences_nested(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Hundreds to ten thousand sequences opened inside each other and never closed."""
    place = PREFIX_END if len(data) > PREFIX_END else 0
    data[place:place] = OPEN_SEQUENCE * int(rng.integers(200, 10_000))
    return data


def spliced(data: bytearray, rng: np.random.Generator) -> bytearray:
    """The file's own middle repeated at its end and in its header."""
    middle = data[len(data) // 4 : len(data) // 2]
    place = int(rng.integers(0, len(data)))
    return data[:place] + middle + data[place:]


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
    """(suffix, content) of the DICOM files that pydicom installs (every twentieth of those alike), a PNG and a JPEG."""
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
    """(what was done, suffix, content) of `n_files` broken files, fixed by `seed`."""
    sources, rng = originals(), np.random.default_rng(seed)
    for _ in range(n_files):
        suffix, content = sources[int(rng.integers(0, len(sources)))]
        mutate = MUTATIONS[int(rng.integers(0, len(MUTATIONS)))]
        yield mutate.__name__, suffix, bytes(mutate(bytearray(content), rng))


@dataclass(frozen=True)
class Outcome:
    """What became of the files.

    Attributes:
        n_files: how many were read.
        n_images: gave an image all the same.
        n_refused: gave one sentence.
        n_faults: raised anything else.
        slowest_seconds: of one file.
        peak_bytes: the reader's memory, at most.
        decoder_peak_bytes: its decoders' memory, at most.
        sentences: how often each sentence came.
        faults: what was raised, at most ten.
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
        """Whether nothing happened that must not."""
        return not self.n_faults and self.slowest_seconds < LIMIT_SECONDS and max(self.peak_bytes, self.decoder_peak_bytes) < LIMIT_BYTES


def read_mutants(n_files: int, seed: int) -> Outcome:
    """Read `n_files` broken files, one after another."""
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
            except Exception:  # noqa: BLE001 - whatever it is, it is what this looks for
                faults.append(f"file {number}, {mutation}: {traceback.format_exc(limit=-3)}")
            slowest = max(slowest, time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outcome(
        n_files, n_images, sentences.total(), len(faults), slowest, peak, _decoder_peak(), dict(sentences.most_common()), faults[:10]
    )


def _decoder_peak() -> int:
    """The most memory that any decoder process had; the one still there is ended first."""
    end_subprocess(DECODER)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


@click.command()
@click.option("--files", default=5000, show_default=True)
@click.option("--seed", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(files: int, seed: int, as_json: bool) -> None:
    """Read broken files and say what became of them; the exit status is 1 if something happened that must not."""
    outcome = read_mutants(files, seed)
    if as_json:
        click.echo(json.dumps(asdict(outcome), indent=1))
    else:
        for sentence, count in outcome.sentences.items():
            click.echo(f"{count:6d}  {sentence}")
        click.echo(f"{outcome.n_files} files: {outcome.n_images} images, {outcome.n_refused} refused, {outcome.n_faults} faults")
        memory, decoder = outcome.peak_bytes / 2**20, outcome.decoder_peak_bytes / 2**20
        click.echo(f"slowest {outcome.slowest_seconds:.2f} s; memory {memory:.0f} MB, decoder {decoder:.0f} MB")
        for fault in outcome.faults:
            click.echo(fault)
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
