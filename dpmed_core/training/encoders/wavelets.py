"""Morlet wavelets in two and three dimensions, in the frequency domain: fixed filters, nothing is learned.

Source: Bruna & Mallat 2013, "Invariant scattering convolution networks", IEEE TPAMI 35(8); Morlet wavelets as in Oyallon & Mallat 2015.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

SIGMA, FREQUENCY = 0.8, 3 * math.pi / 4
"""Standard deviation in pixels, and centre frequency in radians per pixel, of the finest wavelet."""
ALIASES = (-1, 0, 1)
"""Periods of the spectrum that are summed: sampling folds frequencies beyond pi back into the spectrum."""


def gaussian(shape: tuple[int, ...], sigma: float, frequency: float, direction: NDArray[np.floating], slant: float) -> NDArray[np.float64]:
    """The spectrum `shape` of a Gaussian window modulated at `frequency` along `direction`.

    It is exp(-sigma^2 ((w_along - frequency)^2 + w_across^2 / slant^2) / 2), summed over `ALIASES`; with frequency 0 it is 1 at the origin,
    up to aliases:

    >>> round(float(gaussian((8, 8), 4.0, 0.0, np.array([1.0, 0.0]), 1.0)[0, 0]), 9)
    1.0

    Args:
        shape: of the image, by axis.
        sigma: standard deviation of the window along `direction`, in pixels.
        frequency: in radians per pixel.
        direction: a unit vector, by axis.
        slant: standard deviation along `direction` over that across it.
    """
    total = np.zeros(shape)
    lines = np.ix_(*(2 * math.pi * np.fft.fftfreq(n) for n in shape))
    for alias in itertools.product(ALIASES, repeat=len(shape)):
        waves = [line + 2 * math.pi * period for line, period in zip(lines, alias, strict=True)]
        along = sum(wave * part for wave, part in zip(waves, direction, strict=True))
        across = sum(wave**2 for wave in waves) - along**2
        total += np.exp(-0.5 * sigma**2 * ((along - frequency) ** 2 + across / slant**2))
    return total


def morlet(shape: tuple[int, ...], sigma: float, frequency: float, direction: NDArray[np.floating], slant: float) -> NDArray[np.float64]:
    """The spectrum `shape` of a Morlet wavelet: a Gabor wavelet less a Gaussian, so that a constant image gives no response.

    For the arguments see `gaussian`.

    >>> abs(float(morlet((8, 8), 0.8, FREQUENCY, np.array([1.0, 0.0]), 0.5)[0, 0]))
    0.0
    """
    wave, envelope = gaussian(shape, sigma, frequency, direction, slant), gaussian(shape, sigma, 0.0, direction, slant)
    origin = (0,) * len(shape)
    # The Gaussian is weighted so that the two cancel at frequency 0.
    return np.asarray(wave - wave[origin] / envelope[origin] * envelope)
