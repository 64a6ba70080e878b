"""Morlet wavelets in two and three dimensions, in the frequency domain: fixed filters, nothing learnt.

Source: Bruna & Mallat 2013, "Invariant scattering convolution networks", IEEE TPAMI 35(8); Morlet wavelets as in Oyallon & Mallat 2015.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

SIGMA, FREQUENCY = 0.8, 3 * math.pi / 4
"""Width and centre frequency of the finest wavelet, in pixels."""
ALIASES = (-1, 0, 1)
"""Periods of the spectrum over which the aliases of the sampling are summed."""


def gaussian(shape: tuple[int, ...], sigma: float, frequency: float, direction: NDArray[np.floating], slant: float) -> NDArray[np.float64]:
    """A Gaussian around `frequency` along `direction` (a unit vector in the order of the axes), stretched by `slant` across it."""
    total = np.zeros(shape)
    lines = np.ix_(*(2 * math.pi * np.fft.fftfreq(n) for n in shape))
    for alias in itertools.product(ALIASES, repeat=len(shape)):
        waves = [line + 2 * math.pi * period for line, period in zip(lines, alias, strict=True)]
        along = sum(wave * part for wave, part in zip(waves, direction, strict=True))
        across = sum(wave**2 for wave in waves) - along**2
        total += np.exp(-0.5 * sigma**2 * ((along - frequency) ** 2 + across / slant**2))
    return total


def morlet(shape: tuple[int, ...], sigma: float, frequency: float, direction: NDArray[np.floating], slant: float) -> NDArray[np.float64]:
    """A Gabor wavelet corrected to have no response to a constant image, `shape`."""
    wave, envelope = gaussian(shape, sigma, frequency, direction, slant), gaussian(shape, sigma, 0.0, direction, slant)
    origin = (0,) * len(shape)
    return np.asarray(wave - wave[origin] / envelope[origin] * envelope)
