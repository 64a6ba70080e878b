"""Where the voxels of a scan lie relative to its centre; the scanner's origin plays no part."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALIGNED_COSINE = float(np.cos(np.deg2rad(1.0)))
"""Axes within one degree of the patient's count as aligned: 192 mm from the centre, a voxel is then displaced by less than its size."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Axes of an array `[slices, rows, columns]` in the patient.

    Attributes:
        directions: unit vectors of the three axes in patient coordinates (x, y, z), as columns `[3, 3]`; the first need not be
            at right angles to the others.
        positions: for each axis, the increasing positions of its samples in mm, 0 in the middle of their extent.
    """

    directions: NDArray[np.float64]
    positions: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    @property
    def axes(self) -> tuple[int, int, int]:
        """For each of the patient's axes z, y, x the array's axis that is most nearly parallel to it; a permutation of 0, 1, 2."""
        strength = np.abs(self.directions)
        return max(PERMUTATIONS, key=lambda p: float(strength[2, p[0]] * strength[1, p[1]] * strength[0, p[2]]))

    @property
    def is_aligned(self) -> bool:
        """Whether every axis of the array is parallel to one of the patient's, within the tolerance of `ALIGNED_COSINE`."""
        # `axes` is in the order z, y, x, the rows of `directions` are x, y, z.
        return all(abs(self.directions[2 - number, axis]) >= ALIGNED_COSINE for number, axis in enumerate(self.axes))

    @property
    def words(self) -> str:
        """Where the array's axes point in the patient, in words."""
        towards = {2: ("head", "feet"), 1: ("back", "front"), 0: ("left", "right")}
        found = []
        for axis, name in ((2, "columns"), (1, "rows"), (0, "slices")):
            along = 2 - self.axes.index(axis)
            found.append(f"{name} to the {towards[along][int(self.is_reversed(axis))]}")
        return ", ".join(found) + ("" if self.is_aligned else "; oblique")

    def is_reversed(self, axis: int) -> bool:
        """Whether the array's `axis` points against the patient's axis that it is parallel to."""
        return bool(self.directions[2 - self.axes.index(axis), axis] < 0)


PERMUTATIONS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def even_positions(count: int, spacing: float) -> NDArray[np.float64]:
    """Positions of `count` samples `spacing` apart, symmetric about 0: reversed and negated they are exactly the same numbers.

    >>> even_positions(4, 2.0)
    array([-3., -1.,  1.,  3.])
    """
    return np.asarray((np.arange(count) - (count - 1) / 2) * spacing, dtype=np.float64)
