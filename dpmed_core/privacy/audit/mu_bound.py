"""A lower bound of mu from two samples: what anybody who can tell them apart this well proves."""

import numpy as np
from numpy.typing import NDArray
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
    cut = max(cuts, key=lambda at: bound_at(fitted_in, fitted_out, at, error))
    return max(0.0, bound_at(inside[n:] @ direction, outside[n:] @ direction, cut, error))


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


def bound_at(inside: Floats, outside: Floats, cut: float, error: float) -> float:
    """The lower bound of mu by one cut; -inf where it proves nothing."""
    false_positives = upper_rate(int((outside > cut).sum()), len(outside), error / 2)
    false_negatives = upper_rate(int((inside <= cut).sum()), len(inside), error / 2)
    return float(norm.isf(false_positives) - norm.ppf(false_negatives)) if max(false_positives, false_negatives) < 1 else -np.inf


def upper_rate(count: int, n: int, error: float) -> float:
    """The upper limit of a rate that was seen `count` times of `n`, too small with probability at most `error` (Clopper & Pearson 1934).

    >>> round(upper_rate(0, 100, 0.05), 4)  # 1 - 0.05^(1/100)
    0.0295
    """
    return 1.0 if count == n else float(beta.isf(error, count + 1, n - count))
