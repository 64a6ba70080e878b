"""One image as read, or why it cannot be."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dpmed_core.cohort.intake.row_table import image_of
from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.ct.simpleitk import HEADER_SUFFIX, START_BYTES, detached_voxels
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.locations import HeldLocation, SyntheticImage
from dpmed_core.imaging.modality import Modality, Sex

Image = HeldLocation
"""An image as a row table holds it."""
Signature = tuple[int, ...]
"""What changes when a file's content does; its change time cannot be set by hand. Source: POSIX stat."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One image as read, or why it cannot be.

    Attributes:
        signature: of the file, taken before it was read.
        pixels: bytes of the stored image; None where it cannot be read.
        digest: SHA-256 of `pixels`.
        age: years from the file's header; None where it has none.
        sex: from the file's header.
        message: why it cannot be read.
        remarks: what the user should look at in this image.
        identifying: keywords of the identifying attributes that its header holds.
    """

    signature: Signature
    pixels: bytes | None = field(default=None, repr=False)
    digest: bytes = b""
    age: float | None = None
    sex: Sex = Sex.UNKNOWN
    message: str = ""
    remarks: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()


Chunk = list[tuple[int, Image]]
"""Images to read, each with its place in the row table."""
Read = list[tuple[int, Outcome]]
"""A chunk as read."""


def signature_of(image: Image) -> Signature:
    """The signature of the file, or of all files, that `image` is in; empty where there is none."""
    if isinstance(image, SyntheticImage):
        return ()
    try:
        if isinstance(image, SeriesFiles):
            return _of_files(map(os.stat, image.paths))
        facts = os.stat(image if isinstance(image, str) else image.archive)  # noqa: PTH116 - a `Path` for each of a million costs
        if isinstance(image, str) and stat.S_ISDIR(facts.st_mode):
            return _of_files(entry.stat() for place in os.walk(image) for entry in os.scandir(place[0]) if entry.is_file())
        if isinstance(image, str) and image.lower().endswith(HEADER_SUFFIX):
            return _of_files(map(os.stat, _header_and_voxels(Path(image))))
    except OSError:
        return ()
    return _of_file(facts)


def _header_and_voxels(header: Path) -> list[Path]:
    """The files of a MetaImage whose voxels lie beside its header; the header alone where they cannot be told."""
    with header.open("rb") as file:
        start = file.read(START_BYTES)
    try:
        voxels = detached_voxels(header, start)
    except ImageError:
        voxels = None
    return [header] if voxels is None else [header, voxels]


def _of_file(facts: os.stat_result) -> Signature:
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def _of_files(files: Iterable[os.stat_result]) -> Signature:
    """How many files there are, and a digest of the signatures of all."""
    found = sorted(map(_of_file, files))
    return (len(found), int.from_bytes(sha256(repr(found).encode()).digest()[:8], "big"))


def read_one(image: Image, modality: Modality) -> Outcome:
    """`image` as read for a cohort of `modality`, or why it cannot be."""
    signature = signature_of(image)
    try:
        stored = read_image(image_of(image), modality=modality)
    except ImageError as error:
        return Outcome(signature, message=str(error))
    pixels = stored.pixels.tobytes()
    return Outcome(signature, pixels, sha256(pixels).digest(), stored.age, stored.sex, "", stored.remarks, stored.identifying)
