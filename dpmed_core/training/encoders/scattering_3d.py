"""Wavelet scattering of volumes: fixed filters, nothing is learned.

A cascade over two resolutions, the second half the first, with the same wavelets at both: moduli of the volume's wavelet coefficients at
both, and moduli of the coefficients of those moduli at the coarser one, all averaged over a coarse grid.
Source: Bruna & Mallat 2013, "Invariant scattering convolution networks", IEEE TPAMI 35(8).
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dpmed_core.training.encoders.wavelets import FREQUENCY, SIGMA, morlet

GRID = (4, 4, 4)
"""Cells over which coefficients are averaged: slices, rows, columns."""
DIRECTIONS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1))
"""Axes and diagonals of a cube; wavelets of opposite direction have the same modulus."""
SLANT = 0.7
"""Wavelets are narrower across their direction than along it, by this factor."""
N_PATHS = 1 + 2 * len(DIRECTIONS) + len(DIRECTIONS) ** 2
"""The mean, the first order at both resolutions, and the second order at all pairs of directions."""


def scatter_volumes(volumes: Tensor) -> Tensor:
    """Scattering coefficients up to second order, `[n, N_PATHS, *GRID]`, of volumes `[n, 1, slices, rows, columns]` with even sides."""
    fine = volumes[:, 0]
    first = _moduli(fine)
    coarse = functional.avg_pool3d(volumes, 2)[:, 0]
    outputs = [fine[:, None], first, _moduli(coarse)]
    finer = functional.avg_pool3d(first, 2)
    outputs += [_moduli(finer[:, i]) for i in range(len(DIRECTIONS))]
    return torch.cat([functional.adaptive_avg_pool3d(o, GRID) for o in outputs], dim=1)


def _moduli(volumes: Tensor) -> Tensor:
    """Moduli of the wavelet coefficients of `volumes` `[n, *shape]` in all directions, `[n, len(DIRECTIONS), *shape]`."""
    spectrum = torch.fft.fftn(volumes, dim=(1, 2, 3))
    waves = _waves(tuple(volumes.shape[1:])).to(volumes.device)
    return torch.stack([torch.fft.ifftn(spectrum * wave, dim=(1, 2, 3)).abs() for wave in waves], dim=1)


@lru_cache(maxsize=4)
def _waves(shape: tuple[int, ...]) -> Tensor:
    """The wavelets `[len(DIRECTIONS), *shape]`, in the frequency domain."""
    units = [np.array(direction) / np.linalg.norm(direction) for direction in DIRECTIONS]
    return torch.tensor(np.stack([morlet(shape, SIGMA, FREQUENCY, unit, SLANT) for unit in units]), dtype=torch.float32)
