"""Pearson's r between sizes that are known and losses that are measured with error, over exactly the subgroups at hand.

The estimand is the correlation of these few subgroups' sizes with their true losses; the subgroups are no sample of others, so measurement
error alone counts. With losses l, their covariance S and k subgroups, the 95 % interval holds every r(sizes, L) of a vector L in

    (l - L)' S^-1 (l - L) <= chi-squared quantile of 95 %, k - 1 degrees of freedom,

which has the true losses, up to a constant that r does not see, in 95 % of studies: so has the interval the true r in at least so many, for
any size of the errors. Resampling around the estimate does not: its errors add to those that the estimate has, and r shrinks towards 0.
Where equal losses are in the set (Cochran's Q is not significant), r can be anything, and the interval is -1 to 1.

Source: Scheffe 1953, Biometrika 40 (projection of a simultaneous region); Cochran 1954, Biometrics 10 (Q).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from dpmed_core.evaluation.statistics.intervals import CONFIDENCE

N_STARTS, N_STEPS = 48, 25
Floats = NDArray[np.float64]


def pearson(sizes: Floats, losses: Floats) -> Floats:
    """Pearson's r of `sizes` `[n_groups]` with each row of `losses` `[n, n_groups]`; 0 for a row of equal losses.

    >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([[2.0, 4.0, 6.0], [3.0, 2.0, 1.0]])).round(12).tolist()
    [1.0, -1.0]
    """
    size, loss = sizes - sizes.mean(), losses - losses.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.square(size).sum() * np.square(loss).sum(axis=1))
    return np.asarray(loss @ size / np.where(scale > 0, scale, 1))


def pearson_interval(sizes: Floats, losses: Floats, covariance: Floats) -> tuple[float, float]:
    """The interval of the head of this module.

    >>> low, high = pearson_interval(np.arange(5.0), np.array([0.0, 1.0, 2.0, 3.0, 3.0]), 1e-4 * np.eye(5))
    >>> 0.9 < low < high < 1  # hardly any error, so hardly any doubt
    True
    >>> pearson_interval(np.arange(5.0), np.array([0.0, 1.0, 2.0, 3.0, 3.0]), 4 * np.eye(5))  # equal losses are not excluded
    (-1.0, 1.0)

    Args:
        sizes: `[n_groups]`, not all equal.
        losses: `[n_groups]`, not all equal.
        covariance: of the losses `[n_groups, n_groups]`; may be singular.
    """
    k = len(sizes)
    # A loss that is known exactly would have no inverse; this much error moves nothing that is printed.
    covariance = covariance + max(1e-9 * float(np.trace(covariance)) / k, 1e-15) * np.eye(k)
    radius = float(chi2.ppf(CONFIDENCE, k - 1))
    inverse: Floats = np.asarray(np.linalg.inv(covariance), dtype=float)
    equal, _ = _nearest(np.ones((k, 1)), losses, inverse)
    if equal <= radius:
        return -1.0, 1.0
    # Losses that lie on a line over the sizes have r = 1 or -1 exactly; they lie inside the set, where the search on its surface is blind.
    line, slope = _nearest(np.column_stack([np.ones(k), sizes]), losses, inverse)
    low, high = -_largest(sizes, -losses, covariance, radius), _largest(sizes, losses, covariance, radius)
    if line <= radius:
        return (low, 1.0) if slope > 0 else (-1.0, high)
    return low, high


def _nearest(design: Floats, losses: Floats, inverse: Floats) -> tuple[float, float]:
    """Distance of `losses` from the span of `design`'s columns in the errors' metric, and the last coefficient of the nearest point."""
    coefficients = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ losses)
    residual = losses - design @ coefficients
    return float(residual @ inverse @ residual), float(coefficients[-1])


def _largest(sizes: Floats, losses: Floats, covariance: Floats, radius: float) -> float:
    """The largest r on the surface of the set.

    Each step takes the point of the surface that lies farthest along the gradient of r at the point before, from many starts.
    """
    size = (sizes - sizes.mean()) / np.linalg.norm(sizes - sizes.mean())
    starts = np.random.default_rng(0).normal(size=(N_STARTS, len(sizes)))  # always the same, so that the same scores give the same end
    points = losses + np.sqrt(radius) * _scaled(starts @ np.linalg.cholesky(covariance).T, starts)
    best = -1.0
    for _ in range(N_STEPS):
        centred = points - points.mean(axis=1, keepdims=True)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        r = (centred @ size)[:, None] / length
        best = max(best, float(r.max()))
        gradient = (size - r * centred / length) / length
        moved = gradient @ covariance
        along = np.sqrt((moved * gradient).sum(axis=1, keepdims=True))
        points = losses + np.sqrt(radius) * moved / np.maximum(along, 1e-300)
    return min(best, 1.0)


def _scaled(values: Floats, by: Floats) -> Floats:
    return np.asarray(values / np.linalg.norm(by, axis=1, keepdims=True))
