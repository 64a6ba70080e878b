"""Reading a stored array of images block by block: mapped pages would count as this process's memory, these do not stay."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_images(path: Path, block: int) -> Iterator[NDArray[np.uint8]]:
    """The array of images at `path`, `block` of them at a time.

    Raises:
        ValueError: it is no array of 8-bit images, or breaks off.
    """
    with path.open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not a version 1.0 array")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.uint8 or fortran or len(shape) != 3:
            raise ValueError("not an array of 8-bit images")
        n_bytes = shape[1] * shape[2]
        for start in range(0, shape[0], block):
            count = min(block, shape[0] - start)
            data = file.read(count * n_bytes)
            if len(data) != count * n_bytes:
                raise ValueError("breaks off")
            yield np.frombuffer(data, np.uint8).reshape(count, *shape[1:])
