"""Many tests at once: p-values and bounds that hold family-wise, for all of them together."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

N_DRAWS, N_AT_ONCE = 20_000, 2_000
Floats = NDArray[np.float64]


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values that hold whatever the dependence; NaN stays NaN and does not count.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()  # 3 x 0.01, 2 x 0.03, and never below the one before
    [0.03, 0.06, 0.06]

    Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    # The k-th smallest p-value is judged among the n - k + 1 that are left; the running maximum keeps the order of the tests.
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def max_t(p_values: Floats, correlation: Floats, *, level: float = 0.05) -> tuple[Floats, float]:
    """Single-step adjusted one-sided p-values, and the unadjusted p-value at which tests of this correlation are judged.

    Each p-value becomes a normal deviate; the largest of deviates with this `correlation` is drawn `N_DRAWS` times, always from the same
    random numbers. A statistic's own distribution (Student's t with its degrees of freedom) went into its p-value.

    >>> adjusted, single = max_t(np.array([0.01, 0.01]), np.eye(2))  # independent: 1 - 0.99^2, and 1 - 0.95^(1/2)
    >>> bool(abs(adjusted[0] - 0.0199) < 0.002), bool(abs(single - 0.0253) < 0.002)
    (True, True)

    Args:
        p_values: `[n]`, none missing.
        correlation: `[n, n]` of the statistics; may be singular.
        level: family-wise error.

    Source: Westfall & Young 1993, "Resampling-Based Multiple Testing"; Hothorn, Bretz & Westfall 2008, Biometrical Journal 50.
    """
    if len(p_values) == 0:
        return np.zeros(0), level
    values, vectors = np.linalg.eigh(correlation)
    # The root by eigenvalues, not Cholesky's: subgroups that complement each other make the correlation singular.
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.sort(_largest(root))
    # A p-value that underflowed to 0 has no finite deviate.
    deviates = norm.isf(np.clip(p_values, 1e-300, 1))
    exceeding = N_DRAWS - np.searchsorted(largest, deviates, side="left")
    # The observed statistic counts as one of the draws, so that no p-value is 0 (North, Curtis & Sham 2002, American Journal of Human
    # Genetics 71). Adjusting never makes a p-value smaller, although the noise of the draws could.
    adjusted = np.maximum((exceeding + 1) / (N_DRAWS + 1), p_values)
    return adjusted, float(norm.sf(np.quantile(largest, 1 - level)))


def _largest(root: Floats) -> Floats:
    """The largest of n normal deviates in each of `N_DRAWS` draws; `root` `[n, n]` is a root of their correlation.

    Always the same random numbers, so that the same scores always give the same verdict.
    """
    rng, rows = np.random.default_rng(0), root.T.astype(np.float32)
    # In parts: a thousand comparisons would need 160 MB at once.
    parts = [(rng.standard_normal((N_AT_ONCE, len(root)), dtype=np.float32) @ rows).max(axis=1) for _ in range(N_DRAWS // N_AT_ONCE)]
    return np.concatenate(parts).astype(float)
