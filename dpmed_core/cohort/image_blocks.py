"""Reading a stored array of images block by block: mapped pages would count as this process's memory, these do not stay."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORED_TYPES = {3: np.dtype("|u1"), 4: np.dtype("<i2")}
"""Number of axes -> type of the elements: images `[n, rows, columns]`, volumes `[n, slices, rows, columns]`."""


def read_images(path: Path, block_bytes: int) -> Iterator[NDArray[Any]]:
    """The array of images at `path`, some at a time: as many as fit `block_bytes`, but at least one.

    Raises:
        ValueError: it is no array of images or volumes, or breaks off.
    """
    with path.open("rb") as file:
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
                raise ValueError("breaks off")
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])
