"""How far trainings differ about one case, and what of that is the privacy noise's.

Private trainings of one budget differ in their noise and, where they sample units or start from drawn weights, in those too. Their
non-private twins differ in everything but the noise. If what the noise adds does not depend on the rest, variances add:

    s_noise^2 = s_private^2 - s_twin^2

An estimate below 0 is 0. Where the twins give one and the same score, nothing but noise differs, and all of the spread is its.
"""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

CONFIDENCE = 0.95
SAME = 1e-9
"""Scores closer than this are the same: what rounding in another order of sums may do."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a case's score between trainings, in units of the score (0 to 1); NaN where one training tells nothing.

    Attributes:
        private: between private trainings.
        private_low: lower 95 % bound of `private`.
        private_high: upper 95 % bound.
        twin: between trainings without privacy.
        noise: what the privacy noise alone adds.
        noise_only: whether the twins are all the same, so that noise is all that differs.
        n_private: private trainings.
        n_twin: trainings without privacy.
    """

    private: float
    private_low: float
    private_high: float
    twin: float
    noise: float
    noise_only: bool
    n_private: int
    n_twin: int


def spread_of(private: NDArray[np.float64], twin: NDArray[np.float64]) -> Spread:
    """The spread of one case's scores.

    Args:
        private: `[n_trainings]`, at one budget.
        twin: `[n_trainings]`, without privacy.
    """
    of_private, of_twin = _deviation(private), _deviation(twin)
    noise_only = len(twin) > 1 and float(np.ptp(twin)) < SAME
    noise = of_private if noise_only else sqrt(max(of_private**2 - of_twin**2, 0)) if min(len(private), len(twin)) > 1 else nan
    low, high = deviation_interval(of_private, len(private))
    return Spread(of_private, low, high, of_twin, noise, noise_only, len(private), len(twin))


def deviation_interval(deviation: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a standard deviation estimated from `n` normal values: s sqrt((n - 1) / chi2 quantile), with n - 1 df.

    Source: Snedecor & Cochran, Statistical Methods, 8th ed., section 5.11.
    """
    if n < 2:
        return nan, inf
    tail = (1 - CONFIDENCE) / 2
    low, high = (deviation * sqrt((n - 1) / float(chi2.ppf(p, n - 1))) for p in (1 - tail, tail))
    return low, high


def _deviation(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else nan
