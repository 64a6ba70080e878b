"""One image as read, or the reason why it cannot be read."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dpmed_core.cohort.intake.row_table import image_of
from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.ct.simpleitk import HEADER_SUFFIX, START_BYTES, detached_voxel_file
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.locations import HeldLocation, SyntheticImage
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.stored_format import STORED_SIZE

Signature = tuple[int, ...]
"""Size, times and inode of a file, which change with its content; the change time cannot be set by a program. Source: POSIX stat."""


@dataclass(frozen=True, eq=False)
class ReadResult:
    """One image as read, or the reason why it cannot be read.

    Attributes:
        signature: of the file, taken before it was read.
        pixels: bytes of the stored image; None if it cannot be read, and in a result that was read from the journal.
        digest: SHA-256 of the pixels; empty if it cannot be read.
        age: years, from the file's header; None if it has none.
        sex: from the file's header.
        message: why it cannot be read; empty if it was read.
        warnings: what the user should check in this image.
        identifying: keywords of the identifying attributes that its header holds.
        digest_at_128: SHA-256 of a finer radiograph as 128 pixels would store it; empty where `digest` is that, and of volumes.
    """

    signature: Signature
    pixels: bytes | None = field(default=None, repr=False)
    digest: bytes = b""
    age: float | None = None
    sex: Sex = Sex.UNKNOWN
    message: str = ""
    warnings: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()
    digest_at_128: bytes = b""


Chunk = list[tuple[int, HeldLocation]]
"""Images to read, each with its index in the row table."""
ReadChunk = list[tuple[int, ReadResult]]
"""A chunk as read."""


def signature_of(image: HeldLocation) -> Signature:
    """The signature of the file, or of all files, that hold `image`; empty if there is none."""
    if isinstance(image, SyntheticImage):
        return ()
    try:
        if isinstance(image, SeriesFiles):
            return _of_files(map(os.stat, image.paths))
        facts = os.stat(image if isinstance(image, str) else image.archive)  # noqa: PTH116 - a `Path` for each of a million is slow
        if isinstance(image, str) and stat.S_ISDIR(facts.st_mode):
            return _of_files(entry.stat() for index in os.walk(image) for entry in os.scandir(index[0]) if entry.is_file())
        if isinstance(image, str) and image.lower().endswith(HEADER_SUFFIX):
            return _of_files(map(os.stat, _header_and_voxels(Path(image))))
    except OSError:
        return ()
    return _of_file(facts)


def _header_and_voxels(header: Path) -> list[Path]:
    """The files of a MetaImage whose voxels are in a second file; only the header if that file is not named correctly."""
    with header.open("rb") as file:
        start = file.read(START_BYTES)
    try:
        voxels = detached_voxel_file(header, start)
    except ImageError:
        voxels = None
    return [header] if voxels is None else [header, voxels]


def _of_file(facts: os.stat_result) -> Signature:
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def _of_files(files: Iterable[os.stat_result]) -> Signature:
    """The number of files, and a digest of all their signatures."""
    found = sorted(map(_of_file, files))
    return (len(found), int.from_bytes(sha256(repr(found).encode()).digest()[:8], "big"))


def read_one(image: HeldLocation, modality: Modality, side: int = STORED_SIZE) -> ReadResult:
    """`image` as read for a cohort of `modality` with radiographs of `side` pixels, or the reason why it cannot be read."""
    signature = signature_of(image)  # before reading: a change during the reading makes the recorded result stale
    try:
        stored = read_image(image_of(image), modality=modality, side=side)
    except ImageError as error:
        return ReadResult(signature, message=str(error))
    pixels = stored.pixels.tobytes()
    at_128 = b"" if stored.at_128 is None else sha256(stored.at_128.tobytes()).digest()
    return ReadResult(signature, pixels, sha256(pixels).digest(), stored.age, stored.sex, "", stored.warnings, stored.identifying, at_128)
