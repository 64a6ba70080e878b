"""Radiographs of 256 pixels as what was made for 128 pixels reads them: the one place where that is done."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.stored_format import FINE_SIZE


def radiographs_at_128(radiographs: NDArray[Any]) -> NDArray[np.uint8]:
    """Stored radiographs `[n, side, side]`, those of `FINE_SIZE` as `[n, FINE_SIZE / 2, FINE_SIZE / 2]`, others as they are; 8-bit.

    Each value is the exact mean of a block of 2 x 2 pixels, rounded to a whole number; a half is rounded to the even one, as the importer
    rounds, so that radiographs become neither brighter nor darker.

    >>> radiograph = np.zeros((1, 256, 256), dtype=np.uint8)
    >>> radiograph[0, 0, :6] = 1, 1, 3, 3, 255, 255  # sums of 2, 6 and 510 over blocks of four: halves
    >>> radiographs_at_128(radiograph)[0, 0, :4].tolist(), radiographs_at_128(radiograph).shape
    ([0, 2, 128, 0], (1, 128, 128))
    """
    if radiographs.shape[-1] != FINE_SIZE:
        return np.asarray(radiographs, dtype=np.uint8)
    rows = radiographs[..., 0::2, :].astype(np.uint16) + radiographs[..., 1::2, :]
    sums = rows[..., 0::2] + rows[..., 1::2]
    return np.asarray((sums + 1 + ((sums >> 2) & 1)) >> 2, dtype=np.uint8)
