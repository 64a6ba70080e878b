"""The pointing game: does the maximum of an explanation map lie on the lesion, and more often than a random point does?

Source: Zhang et al. 2018, "Top-down neural attention by excitation backprop", IJCV 126 (arXiv 1608.00507).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dpmed_core.evaluation.statistics.intervals import exact_share

SMOOTHING = 1 / 32
"""Standard deviation, as a share of the side, of the blur before the maximum is taken, so that a single pixel does not decide."""
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Pointing:
    """How often maps point at the lesion.

    Attributes:
        n_cases: number of independent cases.
        hits: number of cases with the map's maximum on the lesion.
        rate: share of hits.
        low: lower end of its 95 % interval (Clopper & Pearson 1934).
        high: upper end.
        chance: expected rate of a random point: the mean share of the field that the lesion covers.
        best_fixed: rate of the best point that is the same on every radiograph; it shows what knowing the usual site alone achieves.
    """

    n_cases: int
    hits: int
    rate: float
    low: float
    high: float
    chance: float
    best_fixed: float

    @property
    def is_above_chance(self) -> bool:
        """Whether the interval lies above chance."""
        return self.low > self.chance


def point(signed: NDArray[np.floating]) -> tuple[int, ...]:
    """The position of the maximum of a smoothed map, whose positive values support the finding."""
    smooth = gaussian_filter(np.asarray(signed, dtype=float), [side * SMOOTHING for side in signed.shape])
    return tuple(int(index) for index in np.unravel_index(int(np.argmax(smooth)), smooth.shape))


def pointing(maps: NDArray[np.floating], lesions: Masks, fields: Masks) -> Pointing:
    """The pointing game over independent cases.

    Args:
        maps: `[n, *positions]`, high where the image supports the finding.
        lesions: `[n, *positions]`, the lesions, tolerance included.
        fields: `[n, *positions]`, where a random point is drawn.
    """
    hits = int(sum(lesion[point(one)] for one, lesion in zip(maps, lesions, strict=True)))
    n = len(maps)
    low, high = exact_share(hits, n)
    axes = tuple(range(1, lesions.ndim))
    shares = (lesions & fields).sum(axis=axes) / fields.sum(axis=axes)
    return Pointing(n, hits, hits / n, low, high, float(shares.mean()), float(lesions.mean(axis=0).max()))
