"""Any scan on the stored grid, centred on the scan's own middle.

A stored voxel is a weighted mean of the samples around it, the weights falling linearly to zero at a distance of the stored or the
scan's own spacing, whichever is larger: a coarser scan is interpolated linearly, a finer one is averaged, so nothing aliases, and one
that lies on the grid already is stored as it is. Samples weigh by the length they stand for, so uneven spacing does no harm.
The filter is separable. Slices are shrunk one by one as they come: no more than one is held in full.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.ct.geometry import Geometry, evenly
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM

LATTICE_MM = min(SPACING_MM)
"""Spacing to which an oblique scan is first brought along its own axes."""
UPWARDS = 0.5 + 1e-6
"""Rounds halves up, also those that a sum in another order puts a hair below."""

GRID = tuple(evenly(count, spacing) for count, spacing in zip(SHAPE, SPACING_MM, strict=True))


def resampled(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.int16]:
    """Hounsfield units on the stored grid, int16 `SHAPE`, `AIR` where the scan does not reach.

    Args:
        slices: `[rows, columns]` each, in the order of the geometry's first axis.
        geometry: where their voxels lie.
    """
    values = _along_axes(slices, geometry) if geometry.is_aligned else _oblique(slices, geometry)
    return np.floor(values + UPWARDS).astype(np.int16, order="C")


def weights(samples: NDArray[np.float64], wanted: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """The matrix `[n_wanted, n_samples]` from values at `samples` to values at `wanted` `spacing` apart; rows sum to 1, or to 0 outside.

    A sample stands for the half of the distance to each neighbour; beyond what the outermost stand for is outside.
    """
    distances = np.diff(samples) if len(samples) > 1 else np.array([spacing])
    before, after = np.append(distances[0], distances), np.append(distances, distances[-1])
    reach = max(spacing, float(distances.max()))
    found = np.maximum(1 - np.abs(samples[None, :] - wanted[:, None]) / reach, 0) * (before + after) / 2
    inside = (wanted >= samples[0] - before[0] / 2) & (wanted <= samples[-1] + after[-1] / 2)
    found[~inside] = 0
    sums = found.sum(axis=1, keepdims=True)
    return np.asarray(found / np.where(sums > 0, sums, 1))


@dataclass(frozen=True, eq=False)
class Band:
    """A matrix of weights of which only a band is not zero; multiplied in one fixed order, on one core.

    Attributes:
        places: of the samples that weigh `[n_wanted, width]`.
        weights: theirs `[n_wanted, width]`.
    """

    places: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> "Band":
        """The band of `matrix` `[n_wanted, n_samples]`."""
        there = matrix > 0
        first = there.argmax(axis=1)
        last = matrix.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        width = int(np.where(there.any(axis=1), last - first + 1, 1).max())
        places = np.minimum(first, matrix.shape[1] - width)[:, None] + np.arange(width)
        return cls(places, np.take_along_axis(matrix, places, axis=1))

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which of the wanted places any sample weighs at."""
        return np.asarray(self.weights.any(axis=1))

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values `[n_samples, ...]` at the wanted places `[n_wanted, ...]`."""
        shape = (-1, *(1,) * (values.ndim - 1))
        total = np.zeros((len(self.places), *values.shape[1:]))
        for places, weights_ in zip(self.places.T, self.weights.T, strict=True):
            total += weights_.reshape(shape) * values[places]
        return total


def _along_axes(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.float64]:
    """The scan on the grid, its axes turned into the patient's order and direction before anything is summed."""
    bands = []
    for axis in range(3):
        place, samples = geometry.axes.index(axis), geometry.positions[axis]
        samples = -samples[::-1] if geometry.is_reversed(axis) else samples
        bands.append(Band.of(weights(samples, GRID[place], SPACING_MM[place])))
    step = [-1 if geometry.is_reversed(axis) else 1 for axis in range(3)]
    shrunk = np.stack([bands[2](bands[1](one[:: step[1], :: step[2]]).T).T for one in slices])[:: step[0]]
    values = bands[0](shrunk)
    for axis, band in enumerate(bands):
        np.moveaxis(values, axis, 0)[~band.covered] = AIR
    return values.transpose(geometry.axes)


def _oblique(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.float64]:
    """The scan on the grid by way of a lattice along its own axes, which need not be at right angles."""
    lattice = [evenly(int((samples[-1] - samples[0]) // LATTICE_MM) + 2, LATTICE_MM) for samples in geometry.positions]
    bands = [
        Band.of(weights(samples, np.clip(wanted, samples[0], samples[-1]), LATTICE_MM))
        for samples, wanted in zip(geometry.positions, lattice, strict=True)
    ]
    from scipy.ndimage import map_coordinates  # rarely needed, and half a second to import

    native = bands[0](np.stack([bands[2](bands[1](one).T).T for one in slices]))
    z, y, x = np.meshgrid(*GRID, indexing="ij", sparse=False)
    along = np.linalg.solve(geometry.directions, np.stack([x, y, z]).reshape(3, -1))
    places = [axis / LATTICE_MM + (len(one) - 1) / 2 for axis, one in zip(along, lattice, strict=True)]
    values = map_coordinates(native, places, order=1, mode="nearest")
    for axis, samples in zip(along, geometry.positions, strict=True):
        half = (samples[1] - samples[0]) / 2 if len(samples) > 1 else LATTICE_MM / 2
        values[(axis < samples[0] - half) | (axis > samples[-1] + half)] = AIR
    return np.asarray(values.reshape(SHAPE))
