"""The smallest true difference that a one-sided t test finds with a given probability: a property of the design, not of what was seen."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize.elementwise import find_root
from scipy.stats import chi2, nct, norm, t

POWER = 0.80
LARGE = 1e5
"""From so many degrees of freedom on Student's t is the normal distribution to all printed digits, and its noncentral form is slow."""
FAR = 3000.0
"""From so large a critical value on (few degrees of freedom, many comparisons) the normal part of the statistic is nothing beside the
estimated error, and the noncentral form does not converge."""
Floats = NDArray[np.float64]


def detectable(standard_error: ArrayLike, freedom: ArrayLike, *, level: ArrayLike = 0.05, power: float = POWER) -> Floats:
    """The difference d for which P(estimate / standard error > critical value) = `power`, the statistic being noncentral t with d / error.

    With few degrees of freedom this is more than the sum of two quantiles of the central t, since the estimated error varies too.

    >>> round(float(detectable(1.0, 1e9)), 3)  # 1.645 + 0.842
    2.486
    >>> round(float(detectable(0.1, 4)), 3)  # the sum of the quantiles would be 0.307
    0.304

    Args:
        standard_error: of the estimate, which the design gives.
        freedom: degrees of freedom with which it will be estimated, at least 1.
        level: of the one-sided test, after adjusting for other tests.
        power: the wanted probability.
    """
    error, freedom, level = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (standard_error, freedom, level)))
    known = ~(np.isnan(error) | np.isnan(freedom) | np.isnan(level))
    found = np.full(error.shape, np.nan)
    few = known & (freedom < LARGE)
    found[known & ~few] = norm.isf(level[known & ~few]) + norm.ppf(power)
    if few.any():
        found[few] = _noncentrality(np.maximum(freedom[few], 1), level[few], power)
    return np.asarray(found * error)


def _noncentrality(freedom: Floats, level: Floats, power: float) -> Floats:
    """The noncentrality with which the critical value of t is exceeded with probability `power`."""
    critical = t.isf(level, freedom)
    near = np.minimum(critical, FAR)
    bracket = np.zeros_like(near), 4 * (near + t.ppf(power, freedom))
    found = find_root(lambda at, freedom, critical: nct.sf(critical, freedom, at) - power, bracket, args=(freedom, near))
    return np.asarray(np.where(critical <= FAR, found.x, critical * np.sqrt(chi2.ppf(power, freedom) / freedom)))
