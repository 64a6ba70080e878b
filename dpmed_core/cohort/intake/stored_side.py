"""Which side the radiographs of a new cohort are stored with: the user's, or one that invents no detail."""

import numpy as np

from dpmed_core.cohort.intake.row_table import RowTable
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.size_in_header import longer_side
from dpmed_core.imaging.stored_format import FINE_SIZE, STORED_SIZE

N_LOOKED = 48
"""Files whose headers are looked at, evenly over the rows: a look takes milliseconds, and the files of a source are much alike."""


def size_notes(size: tuple[int, int] | None, side: int) -> list[str]:
    """How images that all have `size`, rows and columns, become squares of `side` pixels, in a sentence; nothing where that is not known.

    >>> size_notes((28, 28), 128)
    ['The images have 28 x 28 pixels and are stored with 128 x 128 pixels, enlarged.']
    """
    if size is None:
        return []
    change = "unchanged" if max(size) == side else "enlarged" if max(size) < side else "reduced"
    return [f"The images have {size[1]} x {size[0]} pixels and are stored with {side} x {side} pixels, {change}."]


def stored_side(row_table: RowTable, modality: Modality, pixels: int | None) -> int:
    """The side of stored radiographs: `pixels`, or where that is None `FINE_SIZE`, but `STORED_SIZE` where no file that was looked at
    is larger than that. Of CT it is not used.
    """
    if pixels is not None or modality is not Modality.RADIOGRAPH:
        return pixels or STORED_SIZE
    evenly = np.unique(np.linspace(0, len(row_table) - 1, N_LOOKED).astype(int))
    known = [side for index in evenly.tolist() if (side := longer_side(row_table.images[index])) is not None]
    return STORED_SIZE if known and max(known) <= STORED_SIZE else FINE_SIZE
