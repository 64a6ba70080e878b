"""Resampling a scan to the stored grid, which is centred on the scan's own centre.

A stored voxel is a weighted mean of the samples around it. Along each axis the weights fall linearly to zero at a distance of the stored
or the scan's own spacing, whichever is larger: a coarser scan is interpolated linearly, a finer one is averaged, which prevents aliasing,
and a scan that lies on the grid already is stored unchanged. Samples are weighted by the length that they represent, so unevenly spaced
slices are not over-represented. The filter is separable. Slices are reduced one by one as they are read: no more than one is held in full.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.ct.geometry import Geometry, even_positions
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM

LATTICE_MM = min(SPACING_MM)
"""Spacing along its own axes to which an oblique scan is resampled first."""
UPWARDS = 0.5 + 1e-6
"""Added before rounding down: halves are rounded up, also where rounding errors of a sum leave them slightly below."""

GRID = tuple(even_positions(count, spacing) for count, spacing in zip(SHAPE, SPACING_MM, strict=True))


def resampled(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.int16]:
    """Hounsfield units on the stored grid, int16 `SHAPE`, `AIR` outside the scan.

    Args:
        slices: `[rows, columns]` each, in the order of the geometry's first axis.
        geometry: of their voxels.
    """
    values = _along_axes(slices, geometry) if geometry.is_aligned else _oblique(slices, geometry)
    return np.floor(values + UPWARDS).astype(np.int16, order="C")


def weights(samples: NDArray[np.float64], wanted: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """The matrix `[n_wanted, n_samples]` that resamples values at `samples` to the positions `wanted`; rows sum to 1, or to 0 outside.

    A sample represents half the distance to each of its neighbours; positions beyond what the outermost ones represent are outside.

    Args:
        samples: increasing positions of the samples, mm.
        wanted: positions on the grid, mm.
        spacing: between them, mm.

    >>> weights(np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0, 9.0]), spacing=2.0)
    array([[0.5, 0.5, 0. ],
           [0. , 1. , 0. ],
           [0. , 0. , 0. ]])
    """
    distances = np.diff(samples) if len(samples) > 1 else np.array([spacing])
    before, after = np.append(distances[0], distances), np.append(distances, distances[-1])
    reach = max(spacing, float(distances.max()))
    # A triangle of half-width `reach`, times the length that each sample represents.
    found = np.maximum(1 - np.abs(samples[None, :] - wanted[:, None]) / reach, 0) * (before + after) / 2
    inside = (wanted >= samples[0] - before[0] / 2) & (wanted <= samples[-1] + after[-1] / 2)
    found[~inside] = 0
    sums = found.sum(axis=1, keepdims=True)
    return np.asarray(found / np.where(sums > 0, sums, 1))


@dataclass(frozen=True, eq=False)
class BandMatrix:
    """A matrix that is zero outside a band along its diagonal, stored as the band.

    Products are summed in one fixed order on one core: a library's matrix product may order sums by the number of cores, and the stored
    volume, hence the cohort's fingerprint, must not depend on the machine.

    Attributes:
        columns: of the weights in each row `[n_wanted, width]`.
        weights: in these columns `[n_wanted, width]`.
    """

    columns: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> "BandMatrix":
        """The band of `matrix` `[n_wanted, n_samples]`."""
        nonzero = matrix > 0
        first = nonzero.argmax(axis=1)
        last = matrix.shape[1] - 1 - nonzero[:, ::-1].argmax(axis=1)
        width = int(np.where(nonzero.any(axis=1), last - first + 1, 1).max())
        columns = np.minimum(first, matrix.shape[1] - width)[:, None] + np.arange(width)
        return cls(columns, np.take_along_axis(matrix, columns, axis=1))

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which rows have any weight, i.e. which wanted positions lie inside the scan `[n_wanted]`."""
        return np.asarray(self.weights.any(axis=1))

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product with `values` `[n_samples, ...]`: values at the wanted positions `[n_wanted, ...]`."""
        shape = (-1, *(1,) * (values.ndim - 1))
        total = np.zeros((len(self.columns), *values.shape[1:]))
        for columns, weights_ in zip(self.columns.T, self.weights.T, strict=True):
            total += weights_.reshape(shape) * values[columns]
        return total


def _along_axes(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.float64]:
    """An aligned scan on the grid.

    Axes are reversed to the patient's directions before anything is summed: every layout of the same voxels then gives the same sums, bit
    by bit.
    """
    bands = []
    for axis in range(3):
        grid_axis, samples = geometry.axes.index(axis), geometry.positions[axis]
        samples = -samples[::-1] if geometry.is_reversed(axis) else samples
        bands.append(BandMatrix.of(weights(samples, GRID[grid_axis], SPACING_MM[grid_axis])))
    step = [-1 if geometry.is_reversed(axis) else 1 for axis in range(3)]
    shrunk = np.stack([bands[2](bands[1](one[:: step[1], :: step[2]]).T).T for one in slices])[:: step[0]]
    values = bands[0](shrunk)
    for axis, band in enumerate(bands):
        np.moveaxis(values, axis, 0)[~band.covered] = AIR
    return values.transpose(geometry.axes)


def _oblique(slices: Iterable[NDArray[np.float64]], geometry: Geometry) -> NDArray[np.float64]:
    """An oblique scan on the grid, by way of a lattice along its own axes, which need not be at right angles.

    The first step averages a finer scan to the stored spacing, so that the second one, linear interpolation, does not skip samples.
    """
    lattice = [even_positions(int((samples[-1] - samples[0]) // LATTICE_MM) + 2, LATTICE_MM) for samples in geometry.positions]
    bands = [
        BandMatrix.of(weights(samples, np.clip(wanted, samples[0], samples[-1]), LATTICE_MM))
        for samples, wanted in zip(geometry.positions, lattice, strict=True)
    ]
    from scipy.ndimage import map_coordinates  # rarely needed, and half a second to import

    native = bands[0](np.stack([bands[2](bands[1](one).T).T for one in slices]))
    z, y, x = np.meshgrid(*GRID, indexing="ij", sparse=False)
    # Each grid point as millimetres along the scan's own axes, then as an index into the lattice.
    along = np.linalg.solve(geometry.directions, np.stack([x, y, z]).reshape(3, -1))
    indices = [axis / LATTICE_MM + (len(one) - 1) / 2 for axis, one in zip(along, lattice, strict=True)]
    values = map_coordinates(native, indices, order=1, mode="nearest")
    for axis, samples in zip(along, geometry.positions, strict=True):
        half = (samples[1] - samples[0]) / 2 if len(samples) > 1 else LATTICE_MM / 2
        values[(axis < samples[0] - half) | (axis > samples[-1] + half)] = AIR
    return np.asarray(values.reshape(SHAPE))
