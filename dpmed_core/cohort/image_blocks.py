"""Reading a stored array of images block by block: pages of a memory-mapped file would count as this process's memory."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORED_TYPES = {3: np.dtype("|u1"), 4: np.dtype("<i2")}
"""Number of axes -> element type: radiographs `[n, rows, columns]`, volumes `[n, slices, rows, columns]`."""


def read_images(path: Path, block_bytes: int) -> Iterator[NDArray[Any]]:
    """Blocks of consecutive images of the array at `path`, each of as many as fit into `block_bytes`, but at least one.

    Raises:
        ValueError: it is not an array of radiographs or volumes, or is cut short.
    """
    with path.open("rb") as file:
        # The importer writes version 1.0; the others are for headers that an array of images never has.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not a version 1.0 array")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if fortran or dtype != STORED_TYPES.get(len(shape)):
            raise ValueError("not an array of images or volumes")
        n_bytes = math.prod(shape[1:]) * dtype.itemsize
        block = max(1, block_bytes // n_bytes)
        for start in range(0, shape[0], block):
            count = min(block, shape[0] - start)
            data = file.read(count * n_bytes)
            if len(data) != count * n_bytes:
                raise ValueError("cut short")
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])
