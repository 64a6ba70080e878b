"""Stored pixels as the networks want them: resized by area, normalised by fixed constants."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

CENTRE, SPREAD = 0.5, 0.25
"""Fixed in advance, for every cohort: statistics of the training data would be a release of them."""


def to_tensor(images: NDArray[np.uint8], *, size: int) -> Tensor:
    """Films `[n, height, width]`, 8-bit, as a float tensor `[n, 1, size, size]` of mean about 0 and spread about 1."""
    x = torch.from_numpy(np.array(images)).float().div_(255).unsqueeze_(1)
    if x.shape[-1] != size:
        x = functional.interpolate(x, size=(size, size), mode="area")
    return x.sub_(CENTRE).div_(SPREAD)
