"""How much training runs differ in their score for one case, and how much of that is due to the privacy noise.

Private training runs at one privacy budget differ in their noise and, where they sample units or start from random weights, in those too.
Their non-private references differ in everything but the noise. If the noise acts independently of the rest, variances add:

    s_noise^2 = s_private^2 - s_non_private^2

Where that is not above 0, the two spreads cannot be separated: there is no estimate, which is not the same as an estimate of 0. Where all
references give the same score, the spread comes from chance that only private training has.
"""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

CONFIDENCE = 0.95
LARGEST = 0.5
"""The standard deviation of scores that are 0 and 1 equally often: values between 0 and 1 have no larger one."""
SAME = 1e-9
"""Scores closer than this are equal: sums in another order may differ by as much."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a case's score between training runs, in units of the score (0 to 1); NaN where there is only one run.

    Attributes:
        private: between private training runs.
        private_low: lower bound of its 95 % interval.
        private_high: upper bound.
        non_private: between non-private references.
        noise: due to the privacy noise alone; NaN too where private training runs do not differ more than their references.
        noise_only: whether all references give the same score, so that they have no chance in training to subtract.
        n_private: number of private training runs.
        n_non_private: number of references.
    """

    private: float
    private_low: float
    private_high: float
    non_private: float
    noise: float
    noise_only: bool
    n_private: int
    n_non_private: int


def spread_of(private: NDArray[np.float64], non_private: NDArray[np.float64]) -> Spread:
    """The spread of one case's scores.

    Args:
        private: `[n_runs]`, at one privacy budget.
        non_private: `[n_references]`.
    """
    of_private, of_non_private = _deviation(private), _deviation(non_private)
    noise_only = len(non_private) > 1 and float(np.ptp(non_private)) < SAME
    if noise_only:
        noise = of_private
    else:
        beyond = of_private**2 - of_non_private**2 if min(len(private), len(non_private)) > 1 else nan
        noise = sqrt(beyond) if beyond > 0 else nan
    low, high = deviation_interval(of_private, len(private))
    high = min(high, LARGEST)
    return Spread(of_private, low, high, of_non_private, noise, noise_only, len(private), len(non_private))


def deviation_interval(deviation: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a standard deviation estimated from `n` normal values: s sqrt((n - 1) / chi2 quantile), with n - 1 df.

    For values without bounds; of a score between 0 and 1 it is at most `LARGEST`.

    >>> [round(bound, 3) for bound in deviation_interval(1.0, 3)]
    [0.521, 6.285]

    Source: Snedecor & Cochran, Statistical Methods, 8th ed., section 5.11.
    """
    if n < 2:
        return nan, inf
    tail = (1 - CONFIDENCE) / 2
    low, high = (deviation * sqrt((n - 1) / float(chi2.ppf(p, n - 1))) for p in (1 - tail, tail))
    return low, high


def _deviation(values: NDArray[np.float64]) -> float:
    """The standard deviation with n - 1 degrees of freedom; NaN for fewer than two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else nan
