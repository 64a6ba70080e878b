"""A lower bound of mu from two samples: what anybody who can tell them apart this well proves."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, norm

Floats = NDArray[np.float64]
FITTED_SHARE = 0.25
"""Share of either sample on which discriminant and cut are chosen; the bound comes from the rest."""
CUTS = np.linspace(0.02, 0.98, 49)
"""Quantiles of the fitted part among which the cut is chosen."""


def mu_lower_bound(inside: Floats, outside: Floats, *, error: float) -> float:
    """A lower bound of mu that is too large with probability at most `error`; at least 0.

    A linear discriminant over the statistics and a cut are chosen on the first quarter of both samples. On the rest, the rates of both
    kinds of error are bounded from above (Clopper & Pearson 1934). A mu-Gaussian mechanism with these rates has
    mu >= Phi^-1(1 - false positives) - Phi^-1(false negatives) (Dong, Roth & Su 2022, arXiv 1905.02383, definition 2.6), whatever the
    distributions are.

    A cut half-way between two normal samples at a distance of 4 is wrong in 2.3 % of either:

    >>> rng = np.random.default_rng(0)
    >>> 3.5 < mu_lower_bound(rng.normal(4, 1, (4000, 1)), rng.normal(0, 1, (4000, 1)), error=0.05) < 4
    True

    Args:
        inside: statistics of trainings with the canary, `[n, n_statistics]`.
        outside: without it.
        error: probability of a bound that is too large.
    """
    n = int(FITTED_SHARE * min(len(inside), len(outside)))
    direction = discriminant(inside[:n], outside[:n])
    fitted_in, fitted_out = inside[:n] @ direction, outside[:n] @ direction
    cuts = np.quantile(np.concatenate([fitted_in, fitted_out]), CUTS)
    cut = cuts[[int(np.argmax(bounds_at(fitted_in, fitted_out, cuts, error)))]]
    return max(0.0, float(bounds_at(inside[n:] @ direction, outside[n:] @ direction, cut, error)[0]))


def discriminant(inside: Floats, outside: Floats) -> Floats:
    """Fisher's linear discriminant `[n_statistics]`: the inverse of the covariance within the samples, times the difference of means.

    Source: Fisher 1936, Annals of Eugenics 7.
    """
    within = np.atleast_2d(np.cov(inside.T) + np.cov(outside.T))
    scale = np.sqrt(np.diag(within))
    scale = np.where(scale > 0, scale, 1.0)  # a statistic that never varies within either sample may still differ between them
    difference = (inside.mean(axis=0) - outside.mean(axis=0)) / scale
    correlation = within / np.outer(scale, scale) + 1e-9 * np.eye(len(scale))
    return np.asarray(np.linalg.solve(correlation, difference) / scale)


def bounds_at(inside: Floats, outside: Floats, cuts: Floats, error: float) -> Floats:
    """The lower bound of mu by each of `cuts`, `[n_cuts]`; -inf where a cut proves nothing."""
    above = len(outside) - np.searchsorted(np.sort(outside), cuts, side="right")
    not_above = np.searchsorted(np.sort(inside), cuts, side="right")
    false_positives, false_negatives = upper_rates(above, len(outside), error / 2), upper_rates(not_above, len(inside), error / 2)
    proves = np.maximum(false_positives, false_negatives) < 1
    return np.where(proves, norm.isf(false_positives) - norm.ppf(false_negatives), -np.inf)


def upper_rates(counts: ArrayLike, n: int, error: float) -> Floats:
    """The upper limit of a rate that was seen so many times of `n`, too small with probability at most `error` (Clopper & Pearson 1934).

    >>> upper_rates([0, 100], 100, 0.05).round(4).tolist()  # 1 - 0.05^(1/100)
    [0.0295, 1.0]
    """
    seen = np.asarray(counts)
    return np.where(seen == n, 1.0, beta.isf(error, seen + 1, np.maximum(n - seen, 1)))
