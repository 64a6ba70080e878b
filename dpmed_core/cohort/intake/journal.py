"""The journal of an import: what has been read so far, on disk, so that an interrupted import can be resumed.

Pixels are in `arriving.bin`, in one slot per image; each line of `journal.jsonl` describes a chunk whose pixels were written before it.
Neither file names a patient or a file. On resuming, an entry is used only if the image's file is unchanged and the slot holds pixels with
the recorded digest. Neither file is flushed to the disk while reading: after a power cut, an incomplete line or lost pixels fail these
checks, and their images are read again.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BufferedWriter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.intake.read_result import ReadChunk, ReadResult, signature_of
from dpmed_core.cohort.intake.row_table import RowTable
from dpmed_core.imaging.header_warnings import ImageWarnings
from dpmed_core.imaging.modality import Sex
from dpmed_core.imaging.stored_format import StoredForm

DIGEST_BYTES = 32
SEXES = tuple(Sex)
SEPARATOR = b"\t"
"""Between what a line says, in which JSON leaves no such character, and its seal."""


@dataclass(eq=False)
class Journal:
    """The images of a row table, as far as they have been read; index i of each array is row i of the table.

    Attributes:
        folder: the draft.
        form: of the images; a slot holds one.
        is_read: whether the pixels are in their slot `[n]`.
        digests: SHA-256 of the pixels `[n, 32]`.
        digests_at_128: of a finer radiograph, SHA-256 of the pixels that 128 would store `[n, 32]`; of others `digests`.
        ages: from headers, years, NaN if there is none `[n]`.
        sexes: from headers, as indices of `SEXES` `[n]`.
        rows: line of each image in its source.
        failures: why an image could not be read, by index.
        image_warnings: warnings with their rows, and counts of identifying attributes.
        n_resumed: number of images that an earlier attempt has read.
    """

    folder: Path
    form: StoredForm
    is_read: NDArray[np.bool_]
    digests: NDArray[np.uint8]
    digests_at_128: NDArray[np.uint8]
    ages: NDArray[np.float64]
    sexes: NDArray[np.uint8]
    rows: Sequence[int]
    failures: dict[int, str] = field(default_factory=dict)
    image_warnings: ImageWarnings = field(default_factory=ImageWarnings)
    n_resumed: int = 0

    @classmethod
    def open(cls, folder: Path, row_table: RowTable, form: StoredForm) -> "Journal":
        """The journal of the draft in `folder`, with the usable entries of an earlier attempt at `row_table`."""
        n = len(row_table)
        unknown = np.full(n, SEXES.index(Sex.UNKNOWN), np.uint8)
        digests, at_128 = np.zeros((n, DIGEST_BYTES), np.uint8), np.zeros((n, DIGEST_BYTES), np.uint8)
        journal = cls(folder, form, np.zeros(n, bool), digests, at_128, np.full(n, np.nan), unknown, row_table.rows)
        if journal._lines.exists():
            journal._resume(row_table)
        return journal

    @property
    def pixels(self) -> Path:
        """The file with the slots of pixels."""
        return self.folder / "arriving.bin"

    @property
    def _lines(self) -> Path:
        return self.folder / "journal.jsonl"

    def unread(self) -> list[int]:
        """The indices of the images still to read, in order."""
        failed = np.zeros(len(self.is_read), bool)
        failed[list(self.failures)] = True
        return [int(index) for index in np.flatnonzero(~self.is_read & ~failed)]

    def follow(self, chunks: Iterator[ReadChunk]) -> Iterator[int]:
        """Record every chunk as it comes; yields the number of images of each."""
        self.pixels.touch(mode=0o600)
        with self.pixels.open("r+b", buffering=0) as slots, self._lines.open("ab") as lines:
            for chunk in chunks:
                for index, outcome in chunk:
                    self._take(index, outcome)
                    if outcome.pixels is not None:
                        os.pwrite(slots.fileno(), outcome.pixels, index * self.form.n_bytes)
                _append(lines, chunk)  # after its pixels: a line must not describe a slot that is still empty
                yield len(chunk)

    def _take(self, index: int, outcome: ReadResult) -> None:
        # A result from the journal has no pixels but a digest; one that could not be read has neither.
        if outcome.pixels is None and not outcome.digest:
            self.failures[index] = outcome.message
            return
        self.is_read[index] = True
        self.image_warnings.add(self.rows[index], outcome.warnings, outcome.identifying)
        self.digests[index] = np.frombuffer(outcome.digest, np.uint8)
        self.digests_at_128[index] = np.frombuffer(outcome.digest_at_128 or outcome.digest, np.uint8)
        self.ages[index] = np.nan if outcome.age is None else outcome.age
        self.sexes[index] = SEXES.index(outcome.sex)

    def _resume(self, row_table: RowTable) -> None:
        """Take over the entries of an earlier attempt whose files are unchanged and whose pixels are intact."""
        with self.pixels.open("rb") as slots, self._lines.open("rb") as lines:
            for line in lines:
                for index, outcome in _parsed(line):
                    unchanged = signature_of(row_table.images[index]) == outcome.signature
                    if unchanged and self._slot_holds(slots.fileno(), index, outcome.digest):
                        self._take(index, outcome)
        with self._lines.open("ab") as lines:
            lines.write(b"\n")  # ends a last line that was cut short, so that it spoils only itself
        self.n_resumed = int(self.is_read.sum()) + len(self.failures)

    def _slot_holds(self, descriptor: int, index: int, digest: bytes) -> bool:
        """Whether slot `index` holds pixels with `digest`; an image that could not be read has no digest and no pixels."""
        n_bytes = self.form.n_bytes
        return not digest or sha256(os.pread(descriptor, n_bytes, index * n_bytes)).digest() == digest


def _append(lines: BufferedWriter, chunk: ReadChunk) -> None:
    """Append `chunk` as one line; `_parsed` reads it back."""
    entries = [
        [index, o.signature, o.digest.hex(), o.age, o.sex.value, o.message, o.warnings, o.identifying, o.digest_at_128.hex()]
        for index, o in chunk
    ]
    said = json.dumps(entries).encode()
    lines.write(said + SEPARATOR + _seal(said) + b"\n")
    lines.flush()


def _seal(said: bytes) -> bytes:
    """What tells a line that was changed: ages and warnings in it are nowhere else to compare with."""
    return sha256(said).hexdigest()[:16].encode()


def _parsed(line: bytes) -> ReadChunk:
    """The chunk that a line describes, without its pixels; empty if it was cut short or changed. An earlier version wrote no seals, and
    no ninth field."""
    said, separator, seal = line.rstrip(b"\n").partition(SEPARATOR)
    try:
        if separator and seal != _seal(said):
            return []
        entries = json.loads(said)
    except ValueError:
        return []
    return [
        (
            index,
            ReadResult(
                tuple(signature),
                None,
                bytes.fromhex(digest),
                age,
                Sex(sex),
                message,
                tuple(warnings),
                tuple(identifying),
                bytes.fromhex("".join(at_128)),
            ),
        )
        for index, signature, digest, age, sex, message, warnings, identifying, *at_128 in entries
    ]
