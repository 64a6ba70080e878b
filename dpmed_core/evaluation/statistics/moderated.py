"""Variances between few training runs, steadied by one another (empirical Bayes).

Two or three runs say next to nothing about how much training varies, but many subgroups, findings and budgets were trained alike. Their
variances s_g^2 of d_g degrees of freedom are taken as draws around s_0^2 with d_0 degrees of freedom, both estimated from the spread of
log s_g^2, and each is replaced by

    (d_0 s_0^2 + d_g s_g^2) / (d_0 + d_g)   with   d_0 + d_g   degrees of freedom.

Where the variances differ more than chance explains, d_0 is small and each counts for itself. Source: Smyth 2004, Statistical Applications
in Genetics and Molecular Biology 3, section 6.2, with a trend of log s_0^2 (Law et al. 2014, Genome Biology 15): a subgroup of few
patients varies more between runs.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

FEWEST = 3
"""Variances from which a common one is estimated; below it each counts for itself."""
Floats = NDArray[np.float64]


def moderated(
    variances: Floats, freedom: Floats, sizes: Floats, *, most_freedom: float, sources: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats, Floats]:
    """Each variance with what the others say of it, its degrees of freedom, and the variance that the others alone lead to expect `[n]`.

    Args:
        variances: `[n]`; NaN and exactly 0 are left as they are and say nothing of the others.
        freedom: their degrees of freedom `[n]`.
        sizes: what they may grow with `[n]`, above 0: here the variance over patients of the same value.
        most_freedom: no variance gets more than this: variances that share their training runs are not independent.
        sources: from which the common variance is estimated `[n]`; None for all.
    """
    adjusted = np.asarray(variances > 0) & np.asarray(sizes > 0)
    pooled, joint, common = variances.copy(), freedom.astype(float).copy(), variances.copy()
    known = adjusted if sources is None else adjusted & sources
    if known.sum() < FEWEST:
        return pooled, joint, common
    s2, d = variances[known], freedom[known].astype(float)
    # E log s^2 is below log sigma^2 by log(d/2) - digamma(d/2) for a chi-square of d degrees of freedom.
    e = np.log(s2) - digamma(d / 2) + np.log(d / 2)
    x = np.log(sizes[known])
    slope = _slope(x, e)
    beyond_chance = np.square(e - e.mean() - slope * (x - x.mean())).sum() / max(len(e) - 2, 1) - polygamma(1, d / 2).mean()
    prior = 2 * _inverse_trigamma(beyond_chance) if beyond_chance > 0 else np.inf
    # log s^2 of a draw with d_0 degrees of freedom around s_0^2 is again below log s_0^2 on average.
    shift = np.log(prior / 2) - digamma(prior / 2) if np.isfinite(prior) else 0.0
    own = freedom[adjusted].astype(float)
    base = np.exp(e.mean() + slope * (np.log(sizes[adjusted]) - x.mean()) - shift)
    weight = own / (own + prior) if np.isfinite(prior) else np.zeros_like(own)
    # The mean of what varies around s_0^2, which is larger; without end for two degrees of freedom, so three times at most.
    common[adjusted] = base * (min(prior / (prior - 2), 3.0) if 2 < prior < np.inf else 1.0 if prior > 2 else 3.0)
    pooled[adjusted] = weight * variances[adjusted] + (1 - weight) * base
    joint[adjusted] = np.maximum(np.minimum(own + prior, most_freedom), own)
    return pooled, joint, common


def _slope(x: Floats, y: Floats) -> float:
    """Slope of y on x, between 0 (no trend) and 1 (proportional)."""
    spread = np.square(x - x.mean()).sum()
    return float(np.clip(((x - x.mean()) * (y - y.mean())).sum() / spread, 0, 1)) if spread > 0 else 0.0


def _inverse_trigamma(value: float) -> float:
    """y with trigamma(y) = value."""
    return float(np.exp(brentq(lambda log_y: float(np.log(polygamma(1, np.exp(log_y)))) - np.log(value), -20.0, 20.0)))
