"""From stored pixels to the networks' input: on a fixed grid, normalised by fixed constants."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.imaging.volume_grid import SHAPE, SOFT_TISSUE

CENTRE, SPREAD = 0.5, 0.25
"""Fixed in advance, for every cohort: statistics of the training data would be a release of them."""
IMAGE_SIDE = 64
"""Pixels of a radiograph's side on a small machine."""
VOLUME_GRID = (SHAPE[0] // 2, SHAPE[1] // 2, SHAPE[2] // 2)
"""Slices, rows and columns of a volume on a small machine: half of what is stored, in every direction."""


def radiograph_tensor(images: NDArray[np.generic]) -> Tensor:
    """Stored radiographs `[n, side, side]`, 8-bit, of any side, as the networks' input `[n, 1, IMAGE_SIDE, IMAGE_SIDE]`."""
    return to_tensor(radiographs_at_128(images), size=IMAGE_SIDE)


def to_tensor(images: NDArray[np.uint8], *, size: int) -> Tensor:
    """Radiographs `[n, height, width]`, 8-bit, as a float tensor `[n, 1, size, size]`: (value / 255 - CENTRE) / SPREAD, averaged by area.

    >>> to_tensor(np.array([[[0, 255], [0, 255]]], dtype=np.uint8), size=2)[0, 0, 0].tolist()
    [-2.0, 2.0]
    """
    # A copy: cohorts are memory-mapped, and the arithmetic is in place.
    x = torch.from_numpy(np.array(images)).float().div_(255).unsqueeze_(1)
    if x.shape[-1] != size:
        x = functional.interpolate(x, size=(size, size), mode="area")
    return x.sub_(CENTRE).div_(SPREAD)


def volume_tensor(volumes: NDArray[np.generic]) -> Tensor:
    """Volumes `[n, slices, rows, columns]` in Hounsfield units as a float tensor `[n, 1, *VOLUME_GRID]`.

    Values are cut off at the soft-tissue window before voxels are averaged, so that bone or air beside tissue does not dominate a mean.
    """
    return functional.interpolate(windowed(volumes), size=VOLUME_GRID, mode="area")


def windowed(volumes: NDArray[np.generic]) -> Tensor:
    """Volumes `[n, 1, slices, rows, columns]` from `[n, slices, rows, columns]` in Hounsfield units: the soft-tissue window as -2 to 2.

    The window is 40 +- 200 HU:

    >>> windowed(np.array([[[[-1000, -160, 40, 240, 3000]]]], dtype=np.int16)).flatten().tolist()
    [-2.0, -2.0, 0.0, 2.0, 2.0]
    """
    x = torch.from_numpy(np.array(volumes, dtype=np.float32)).unsqueeze_(1)
    lowest, highest = SOFT_TISSUE
    return x.sub_(lowest).div_(highest - lowest).clamp_(0, 1).sub_(CENTRE).div_(SPREAD)
