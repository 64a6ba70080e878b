"""Explanation maps on the grid of their image; of a volume, one slice."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from dpmed_core.explanations.map_similarity import shared_scale
from dpmed_core.imaging.stored_format import windowed


@dataclass(frozen=True, eq=False)
class Overlay:
    """An image and the maps that are drawn over it.

    Attributes:
        picture: grey levels `[rows, columns]`, 8-bit.
        maps: `[n, rows, columns]`.
        scale: the value at the end of the colour scale that all maps share; 0 where all are 0.
        plane: the slice of a volume, counted from 0; None for a radiograph.
        n_planes: number of slices of the volume.
    """

    picture: NDArray[np.uint8] = field(repr=False)
    maps: NDArray[np.float32] = field(repr=False)
    scale: float
    plane: int | None = None
    n_planes: int = 1


def overlay(image: NDArray[Any], maps: NDArray[np.floating], *, plane: int | None = None) -> Overlay:
    """`maps` resized to the grid of `image`; of a volume, slice `plane` or the slice where the maps are strongest.

    Args:
        image: as its cohort stores it: `[rows, columns]`, or `[slices, rows, columns]` in Hounsfield units.
        maps: `[n, *positions]` on any grid; the last one is of a model with random weights, and has no part in colour scale and slice.
        plane: a slice of the volume.
    """
    # `grid_mode`: pixels are areas, not points, so a coarse map and the image keep the same outer edges.
    fine = np.stack([zoom(one, np.divide(image.shape, one.shape), order=1, grid_mode=True, mode="nearest") for one in maps])
    scale = shared_scale(fine[:-1] if len(fine) > 1 else fine)
    if image.ndim == 2:
        return Overlay(np.asarray(image, dtype=np.uint8), fine.astype(np.float32), scale)
    chosen = plane if plane is not None else int(np.abs(fine[:-1]).sum(axis=(0, 2, 3)).argmax())
    return Overlay(windowed(image[chosen]), fine[:, chosen].astype(np.float32), scale, chosen, len(image))
