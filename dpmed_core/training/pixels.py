"""Stored pixels as the networks want them: on a fixed grid by area, normalised by fixed constants."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

CENTRE, SPREAD = 0.5, 0.25
"""Fixed in advance, for every cohort: statistics of the training data would be a release of them."""
FILM_SIDE = 64
"""Pixels of a film's side on a small machine."""
VOLUME_GRID = (32, 48, 48)
"""Slices, rows and columns of a volume on a small machine: half of what is stored, in every direction."""
WINDOW_CENTRE, WINDOW_WIDTH = 40.0, 400.0
"""The usual soft-tissue window of abdominal CT, in Hounsfield units; what lies beyond it is cut off."""


def film_tensor(images: NDArray[np.generic]) -> Tensor:
    """Films `[n, height, width]`, 8-bit, as the networks of this folder see them, `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    return to_tensor(np.asarray(images, dtype=np.uint8), size=FILM_SIDE)


def to_tensor(images: NDArray[np.uint8], *, size: int) -> Tensor:
    """Films `[n, height, width]`, 8-bit, as a float tensor `[n, 1, size, size]` of mean about 0 and spread about 1."""
    x = torch.from_numpy(np.array(images)).float().div_(255).unsqueeze_(1)
    if x.shape[-1] != size:
        x = functional.interpolate(x, size=(size, size), mode="area")
    return x.sub_(CENTRE).div_(SPREAD)


def volume_tensor(volumes: NDArray[np.generic]) -> Tensor:
    """Volumes `[n, slices, rows, columns]` in Hounsfield units as a float tensor `[n, 1, *VOLUME_GRID]`, windowed first, then averaged."""
    x = torch.from_numpy(np.array(volumes, dtype=np.float32)).unsqueeze_(1)
    x.sub_(WINDOW_CENTRE - WINDOW_WIDTH / 2).div_(WINDOW_WIDTH).clamp_(0, 1)
    return functional.interpolate(x, size=VOLUME_GRID, mode="area").sub_(CENTRE).div_(SPREAD)
