"""What an import would read: every distinct kind of file among the rows, and how some files of each kind are read."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.intake.row_table import RowTable, image_of
from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.series import SeriesFiles, series_file_paths
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.kind_of_file import kind_of_path
from dpmed_core.imaging.locations import HeldLocation
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.npz_archive import ArrayImage
from dpmed_core.imaging.reading import Reading
from dpmed_core.imaging.stored_format import FORMS, STORED_SIZE, StoredImage

READ_EVENLY = {Modality.RADIOGRAPH: 24, Modality.CT: 8}
"""Images that are read for a preview, evenly over the rows; reading a scan takes seconds."""
NOT_READ = Reading("", "", "", orientation="", photometric="")
LOOK_SECONDS = 20.0
"""How long files are looked at to find their kinds; of a larger cohort, files taken evenly."""


@dataclass(frozen=True)
class FileKind:
    """Files that are of one kind.

    Attributes:
        kind: format, compression, depth and photometric interpretation, as far as the beginning of the file says.
        count: how many of the files that were looked at.
        row: of the first one.
    """

    kind: str
    count: int
    row: int


@dataclass(frozen=True, eq=False)
class ReadRow:
    """One image as it would be read.

    Attributes:
        index: in the row table.
        row: of the source.
        stored: the image; None if it cannot be read.
        problem: why it cannot be read; empty otherwise.
    """

    index: int
    row: int
    stored: StoredImage | None
    problem: str = ""

    def to_fields(self) -> dict[str, Any]:
        """The row and how it was read, as plain values for JSON."""
        reading = self.stored.reading if self.stored is not None else None
        return {"row": self.row, "problem": self.problem, **_fields(reading or NOT_READ)}


def _fields(reading: Reading) -> dict[str, Any]:
    return {**asdict(reading), "assumed": list(reading.assumed)}


def kinds_of_files(row_table: RowTable, *, seconds: float = LOOK_SECONDS) -> tuple[list[FileKind], list[int], int]:
    """(the kinds of the files, the most frequent first; the index of a first row of each; the number of files looked at).

    Args:
        row_table: the rows that can be read.
        seconds: after which no further file is looked at.
    """
    found: dict[str, list[int]] = {}
    began, n_looked = time.monotonic(), 0
    for index in _spread(len(row_table)):
        if time.monotonic() - began > seconds:
            break
        n_looked += 1
        found.setdefault(_kind(row_table.images[index]), []).append(index)
    ordered = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    kinds = [FileKind(kind, len(indices), min(row_table.rows[index] for index in indices)) for kind, indices in ordered]
    return kinds, [min(indices) for _, indices in ordered], n_looked


def read_some(row_table: RowTable, firsts: Sequence[int], modality: Modality, side: int = STORED_SIZE) -> list[ReadRow]:
    """Images as they would be read: some taken evenly from the rows, since neighbours are often of one patient, and one of each other kind.

    Args:
        row_table: the rows that can be read.
        firsts: the index of a first row of each kind.
        modality: of the images.
        side: of stored radiographs, in pixels.
    """
    evenly: NDArray[np.int64] = np.unique(np.linspace(0, len(row_table) - 1, READ_EVENLY[modality]).astype(int))
    among_them = {_kind(row_table.images[index]) for index in evenly.tolist()}
    read = []
    for index in [*evenly.tolist(), *(first for first in firsts if _kind(row_table.images[first]) not in among_them)]:
        try:
            stored, problem = read_image(image_of(row_table.images[index]), modality=modality, side=side), ""
        except ImageError as error:
            stored, problem = None, f"the {FORMS[modality].noun} {error}"
        read.append(ReadRow(index, row_table.rows[index], stored, problem))
    return read


def _spread(n: int) -> list[int]:
    """0 to `n` - 1 in an order whose every beginning is spread over all of them: strides that halve."""
    order: list[int] = []
    seen = bytearray(n)
    stride = 1 << max(n - 1, 1).bit_length()
    while len(order) < n:
        fresh = [index for index in range(0, n, stride) if not seen[index]]
        for index in fresh:
            seen[index] = 1
        order += fresh
        stride = max(1, stride // 2)
    return order


def _kind(image: HeldLocation) -> str:
    """The kind of the file that holds `image`, or of the first file of a series."""
    if isinstance(image, SeriesFiles):
        return f"series of {kind_of_path(Path(image.paths[0]))}"
    if isinstance(image, ArrayImage):
        return "NumPy archive (.npz)"
    if not isinstance(image, str):
        return "drawn by DPMed"
    if os.path.isdir(image):  # noqa: PTH112 - a Path for each of a million is slow
        try:
            return f"folder of {kind_of_path(Path(next(islice(series_file_paths(image), 1))))}"
        except ImageError:
            return "empty folder"
    return kind_of_path(Path(image))
