"""What has been read so far, on disk: an import that was cut off goes on where it stopped.

Pixels lie in `arriving.bin`, one slot an image; each line of `journal.jsonl` tells of a chunk whose pixels were written before it.
Nothing in either names a patient or a file. On resuming, an entry counts only if the file still is the one that was read and the
slot holds the pixels whose digest was noted: a line that broke off, or pixels lost to a power cut, are simply read again.
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

from dpmed_core.cohort.intake.read_result import Outcome, Read, signature_of
from dpmed_core.cohort.intake.row_table import RowTable
from dpmed_core.imaging.header_warnings import Gathered
from dpmed_core.imaging.modality import Sex
from dpmed_core.imaging.stored_format import StoredForm

DIGEST_BYTES = 32
SEXES = tuple(Sex)


@dataclass(eq=False)
class Journal:
    """The images of a row table, as far as they have been read.

    Attributes:
        folder: the draft.
        form: of the images; a slot holds one.
        is_read: per place, whether its pixels lie in their slot `[n]`.
        digests: SHA-256 of each place's pixels `[n, 32]`.
        ages: from headers, years, NaN where there is none `[n]`.
        sexes: from headers, as places of `SEXES` `[n]`.
        rows: line of each in its source.
        failures: why an image could not be read, by place.
        gathered: remarks with their rows, and counts of identifying attributes.
        n_resumed: images of an earlier attempt that need not be read again.
    """

    folder: Path
    form: StoredForm
    is_read: NDArray[np.bool_]
    digests: NDArray[np.uint8]
    ages: NDArray[np.float64]
    sexes: NDArray[np.uint8]
    rows: Sequence[int]
    failures: dict[int, str] = field(default_factory=dict)
    gathered: Gathered = field(default_factory=Gathered)
    n_resumed: int = 0

    @classmethod
    def open(cls, folder: Path, row_table: RowTable, form: StoredForm) -> "Journal":
        """The journal of the draft in `folder`, with what an earlier attempt at `row_table` left of use."""
        n = len(row_table)
        unknown = np.full(n, SEXES.index(Sex.UNKNOWN), np.uint8)
        journal = cls(folder, form, np.zeros(n, bool), np.zeros((n, DIGEST_BYTES), np.uint8), np.full(n, np.nan), unknown, row_table.rows)
        if journal._lines.exists():
            journal._resume(row_table)
        return journal

    @property
    def pixels(self) -> Path:
        """The file of slots."""
        return self.folder / "arriving.bin"

    @property
    def _lines(self) -> Path:
        return self.folder / "journal.jsonl"

    def unread(self) -> list[int]:
        """The places still to read, in order."""
        failed = np.zeros(len(self.is_read), bool)
        failed[list(self.failures)] = True
        return [int(place) for place in np.flatnonzero(~self.is_read & ~failed)]

    def follow(self, chunks: Iterator[Read]) -> Iterator[int]:
        """Write every chunk down as it comes; yields how many images each held."""
        self.pixels.touch(mode=0o600)
        with self.pixels.open("r+b", buffering=0) as slots, self._lines.open("ab") as lines:
            for chunk in chunks:
                for place, outcome in chunk:
                    self._take(place, outcome)
                    if outcome.pixels is not None:
                        os.pwrite(slots.fileno(), outcome.pixels, place * self.form.n_bytes)
                _append(lines, chunk)
                yield len(chunk)

    def _take(self, place: int, outcome: Outcome) -> None:
        if outcome.pixels is None and not outcome.digest:
            self.failures[place] = outcome.message
            return
        self.is_read[place] = True
        self.gathered.add(self.rows[place], outcome.remarks, outcome.identifying)
        self.digests[place] = np.frombuffer(outcome.digest, np.uint8)
        self.ages[place] = np.nan if outcome.age is None else outcome.age
        self.sexes[place] = SEXES.index(outcome.sex)

    def _resume(self, row_table: RowTable) -> None:
        with self.pixels.open("rb") as slots, self._lines.open("rb") as lines:
            for line in lines:
                for place, outcome in _parsed(line):
                    unchanged = signature_of(row_table.images[place]) == outcome.signature
                    if unchanged and self._slot_holds(slots.fileno(), place, outcome.digest):
                        self._take(place, outcome)
        with self._lines.open("ab") as lines:
            lines.write(b"\n")  # a line that broke off stays by itself
        self.n_resumed = int(self.is_read.sum()) + len(self.failures)

    def _slot_holds(self, descriptor: int, place: int, digest: bytes) -> bool:
        n_bytes = self.form.n_bytes
        return not digest or sha256(os.pread(descriptor, n_bytes, place * n_bytes)).digest() == digest


def _append(lines: BufferedWriter, chunk: Read) -> None:
    entries = [[place, o.signature, o.digest.hex(), o.age, o.sex.value, o.message, o.remarks, o.identifying] for place, o in chunk]
    lines.write(json.dumps(entries).encode() + b"\n")
    lines.flush()


def _parsed(line: bytes) -> Read:
    try:
        entries = json.loads(line)
    except ValueError:
        return []
    return [
        (place, Outcome(tuple(signature), None, bytes.fromhex(digest), age, Sex(sex), message, tuple(remarks), tuple(identifying)))
        for place, signature, digest, age, sex, message, remarks, identifying in entries
    ]
