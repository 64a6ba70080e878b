"""One slice of a scan, whatever file it comes from: its position, and its Hounsfield units, read on demand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.volume_grid import AIR, DENSEST

LEAST, MOST = -(2**15), 2**15 - 1
"""Range of the 16-bit numbers in which volumes are stored."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice.

    Attributes:
        position: of its first voxel in patient coordinates (x, y, z), mm.
        orientation: two unit vectors in patient coordinates, along a row and then down a column, six numbers.
        spacing: mm between rows, and between columns.
        shape: numbers of rows and columns.
        read: reads its Hounsfield units `[rows, columns]`, clipped to `AIR` and `DENSEST`.
    """

    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    shape: tuple[int, int]
    read: Callable[[], NDArray[np.float64]] = field(repr=False)

    @property
    def row(self) -> NDArray[np.float64]:
        """Unit vector along a row."""
        return np.array(self.orientation[:3])

    @property
    def column(self) -> NDArray[np.float64]:
        """Unit vector down a column."""
        return np.array(self.orientation[3:])

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector at right angles to row and column. Source: DICOM PS3.3 C.7.6.2.1.1."""
        across = np.cross(self.row, self.column)
        return np.asarray(across / np.linalg.norm(across))


def hounsfield(values: NDArray[Any], *, slope: float, intercept: float, padding: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """Hounsfield units `slope * value + intercept`, clipped to `AIR` and `DENSEST`; padding becomes air.

    Args:
        values: as stored, of any shape.
        slope: Hounsfield units per stored unit.
        intercept: Hounsfield units of a stored 0.
        padding: lowest and highest stored value that mean padding; None if there is none.

    Raises:
        ImageError: a value is not a number, or needs more than 16 bits after rescaling, so that slope or intercept must be wrong.

    Source: DICOM PS3.3 C.11.1 (modality LUT).

    >>> hounsfield(np.array([0, 1064, 4095]), slope=1, intercept=-1024)
    array([-1024.,    40.,  3071.])
    >>> hounsfield(np.array([0, 500, 2000]), slope=1, intercept=-1000, padding=(2000, 2000))
    array([-1000.,  -500., -1024.])
    """
    units = values.astype(np.float64)
    if values.dtype.kind == "f" and not np.isfinite(units).all():
        raise ImageError("holds voxels that are not numbers (NaN or infinite): export it again, or replace them by -1024.")
    # Padding is found before rescaling: its values are defined in stored units.
    absent = None if padding is None else (units >= padding[0]) & (units <= padding[1])
    units *= slope
    units += intercept
    if absent is not None:
        units[absent] = AIR
    low, high = units.min(), units.max()
    if low < LEAST or high > MOST:
        raise ImageError(
            f"has values from {low:.6g} to {high:.6g} after rescaling, which do not fit the 16 bits of Hounsfield units: "
            "check RescaleSlope and RescaleIntercept, and export it again."
        )
    return np.clip(units, AIR, DENSEST, out=units)
