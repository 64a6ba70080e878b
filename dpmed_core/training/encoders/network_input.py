"""Stored pixels as the networks want them: on a fixed grid by area, normalised by fixed constants."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dpmed_core.imaging.volume_grid import SHAPE, SOFT_TISSUE

CENTRE, SPREAD = 0.5, 0.25
"""Fixed in advance, for every cohort: statistics of the training data would be a release of them."""
IMAGE_SIDE = 64
"""Pixels of a radiograph's side on a small machine."""
VOLUME_GRID = (SHAPE[0] // 2, SHAPE[1] // 2, SHAPE[2] // 2)
"""Slices, rows and columns of a volume on a small machine: half of what is stored, in every direction."""


def radiograph_tensor(images: NDArray[np.generic]) -> Tensor:
    """Radiographs `[n, height, width]`, 8-bit, as the networks of this folder see them, `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    return to_tensor(np.asarray(images, dtype=np.uint8), size=IMAGE_SIDE)


def to_tensor(images: NDArray[np.uint8], *, size: int) -> Tensor:
    """Radiographs `[n, height, width]`, 8-bit, as a float tensor `[n, 1, size, size]` of mean about 0 and spread about 1."""
    x = torch.from_numpy(np.array(images)).float().div_(255).unsqueeze_(1)
    if x.shape[-1] != size:
        x = functional.interpolate(x, size=(size, size), mode="area")
    return x.sub_(CENTRE).div_(SPREAD)


def volume_tensor(volumes: NDArray[np.generic]) -> Tensor:
    """Volumes `[n, slices, rows, columns]` in Hounsfield units as a float tensor `[n, 1, *VOLUME_GRID]`; what lies
    beyond the soft-tissue window is cut off before voxels are averaged."""
    return functional.interpolate(windowed(volumes), size=VOLUME_GRID, mode="area")


def windowed(volumes: NDArray[np.generic]) -> Tensor:
    """Volumes `[n, slices, rows, columns]` in Hounsfield units in the soft-tissue window, `[n, 1, slices, rows, columns]`, -2 to 2."""
    x = torch.from_numpy(np.array(volumes, dtype=np.float32)).unsqueeze_(1)
    lowest, highest = SOFT_TISSUE
    return x.sub_(lowest).div_(highest - lowest).clamp_(0, 1).sub_(CENTRE).div_(SPREAD)
