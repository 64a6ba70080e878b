"""Wavelet scattering of small radiographs: fixed filters, nothing is learned.

Source: Bruna & Mallat 2013, "Invariant scattering convolution networks", IEEE TPAMI 35(8); Morlet wavelets as in Oyallon & Mallat 2015.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dpmed_core.training.encoders.wavelets import FREQUENCY, SIGMA, gaussian, morlet

SIDE = 32
"""Pixels of a radiograph's side."""
SCALES, ANGLES = 2, 8
STRIDE = 2**SCALES
N_PATHS = 1 + SCALES * ANGLES + ANGLES**2 * SCALES * (SCALES - 1) // 2
"""The mean, each first-order path, and each pair of a scale with a coarser one, at all pairs of angles."""
SLANT = 4 / ANGLES
"""Wavelets are narrower across their direction than along it, by this factor."""


def scatter(radiographs: Tensor) -> Tensor:
    """Scattering coefficients up to second order, `[n, N_PATHS, SIDE / STRIDE, SIDE / STRIDE]`, of radiographs `[n, 1, SIDE, SIDE]`.

    First order: moduli of wavelet coefficients; second order: moduli of the coarser wavelets' coefficients of those moduli; all averaged
    by the low-pass filter.
    """
    low, waves = (filters.to(radiographs.device) for filters in _filters())
    spectrum = torch.fft.fft2(radiographs[:, 0])
    outputs = [_averaged(spectrum, low)]
    for scale in range(SCALES):
        first = torch.fft.fft2(torch.fft.ifft2(spectrum[:, None] * waves[scale]).abs())
        outputs.append(_averaged(first, low))
        # Coarser wavelets only: a modulus varies more slowly than the wavelet it came from (Bruna & Mallat 2013).
        for coarser in range(scale + 1, SCALES):
            second = torch.fft.ifft2(first[:, :, None] * waves[coarser]).abs().flatten(1, 2)
            outputs.append(_averaged(torch.fft.fft2(second), low))
    return torch.cat([o if o.ndim == 4 else o[:, None] for o in outputs], dim=1)


def at_scattering_size(radiographs: Tensor) -> Tensor:
    """Radiographs `[n, 1, s, s]` resized by area to `SIDE`."""
    return radiographs if radiographs.shape[-1] == SIDE else functional.interpolate(radiographs, size=(SIDE, SIDE), mode="area")


def _averaged(spectrum: Tensor, low: Tensor) -> Tensor:
    """The image of `spectrum` after the low-pass filter, at every `STRIDE`-th position."""
    averaged: Tensor = torch.fft.ifft2(spectrum * low).real
    return averaged[..., ::STRIDE, ::STRIDE]


@lru_cache(maxsize=1)
def _filters() -> tuple[Tensor, Tensor]:
    """The low-pass filter `[SIDE, SIDE]` and the wavelets `[SCALES, ANGLES, SIDE, SIDE]`, in the frequency domain."""
    low = gaussian((SIDE, SIDE), SIGMA * 2**SCALES, 0.0, _direction(0), 1.0)
    waves = [
        [morlet((SIDE, SIDE), SIGMA * 2**scale, FREQUENCY / 2**scale, _direction(angle), SLANT) for angle in range(ANGLES)]
        for scale in range(SCALES)
    ]
    # The low-pass filter leaves a constant image as it is.
    return torch.tensor(low / low[0, 0], dtype=torch.float32), torch.tensor(np.array(waves), dtype=torch.float32)


def _direction(angle: int) -> NDArray[np.float64]:
    """The unit vector (row, column) of the wavelet with index `angle`."""
    turn = math.pi * angle / ANGLES
    return np.array([math.sin(turn), math.cos(turn)])
