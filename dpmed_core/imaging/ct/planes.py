"""One slice of a scan, whatever file it comes from: where it lies, and its Hounsfield units when asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.volume_grid import AIR, DENSEST

LEAST, MOST = -(2**15), 2**15 - 1


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice.

    Attributes:
        position: of its first voxel in patient coordinates, mm.
        orientation: unit vectors in patient coordinates, along a row and down a column, one after the other.
        spacing: mm between rows, and between columns.
        shape: rows and columns.
        read: its Hounsfield units `[rows, columns]`, within `AIR` and `DENSEST`.
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
        """Unit vector at right angles to both. Source: DICOM PS3.3 C.7.6.2.1.1."""
        across = np.cross(self.row, self.column)
        return np.asarray(across / np.linalg.norm(across))


def hounsfield(values: NDArray[Any], *, slope: float, intercept: float, padding: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """Stored values as Hounsfield units, padding as air, what lies beyond the stored range at its ends.

    Args:
        values: as stored.
        slope: units a step.
        intercept: units of a stored 0.
        padding: lowest and highest stored value that stand for no measurement.

    Raises:
        ImageError: a value is no number, or beyond what 16 bits hold, so that slope or intercept must be wrong.
    """
    units = values.astype(np.float64)
    if values.dtype.kind == "f" and not np.isfinite(units).all():
        raise ImageError("holds voxels that are no numbers (NaN or infinite): export it again, or fill them with -1024.")
    absent = None if padding is None else (units >= padding[0]) & (units <= padding[1])
    units *= slope
    units += intercept
    if absent is not None:
        units[absent] = AIR
    low, high = units.min(), units.max()
    if low < LEAST or high > MOST:
        raise ImageError(
            f"has values from {low:.6g} to {high:.6g} after rescaling, beyond the 16 bits of Hounsfield units: "
            "check RescaleSlope and RescaleIntercept, and export it again."
        )
    return np.clip(units, AIR, DENSEST, out=units)
