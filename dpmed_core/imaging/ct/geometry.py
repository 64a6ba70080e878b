"""Where the voxels of a scan lie, relative to its own middle; nothing here depends on where the scanner's origin was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALIGNED_COSINE = float(np.cos(np.deg2rad(1.0)))
"""Axes within one degree of the patient's count as along them: a voxel at the rim then moves by less than its size."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Axes of an array `[slices, rows, columns]` in the patient.

    Attributes:
        directions: unit vectors of the three axes in patient coordinates (x, y, z), as columns `[3, 3]`; the first need not be
            at right angles to the others.
        positions: for each axis, millimetres of its samples along it, rising, from the middle of its extent.
    """

    directions: NDArray[np.float64]
    positions: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    @property
    def axes(self) -> tuple[int, int, int]:
        """For each of the patient's axes z, y, x the array's axis that runs along it, or nearest to it."""
        strength = np.abs(self.directions)
        return max(PERMUTATIONS, key=lambda p: float(strength[2, p[0]] * strength[1, p[1]] * strength[0, p[2]]))

    @property
    def is_aligned(self) -> bool:
        """Whether every axis runs along one of the patient's."""
        return all(abs(self.directions[2 - place, axis]) >= ALIGNED_COSINE for place, axis in enumerate(self.axes))

    def is_reversed(self, axis: int) -> bool:
        """Whether the array's `axis` runs against the patient's axis along it."""
        return bool(self.directions[2 - self.axes.index(axis), axis] < 0)


PERMUTATIONS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def evenly(count: int, spacing: float) -> NDArray[np.float64]:
    """Positions of `count` samples `spacing` apart, around 0; reversed and negated they are the same numbers."""
    return np.asarray((np.arange(count) - (count - 1) / 2) * spacing, dtype=np.float64)
