"""Intervals from variances: Student's t with as many degrees of freedom as the patients, or the trainings, are worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import beta, norm, t

CONFIDENCE = 0.95
Floats = NDArray[np.float64]


def freedom_of(squares: ArrayLike, fourths: ArrayLike, n_effective: ArrayLike) -> Floats:
    """Degrees of freedom of a variance that is a sum of squared influence values: 3 (sum d^2)^2 / sum d^4, at most n_effective - 1.

    Satterthwaite's 2 V^2 / Var(V), with the variance of each d^2, 2 sigma^4 for a normal d, estimated from d^4 = 3 sigma^4. As many as
    there are patients where all weigh alike, few where few patients carry the variance. At least 1.

    Args:
        squares: sum of d^2.
        fourths: sum of d^4.
        n_effective: patients of the rarer class, weighed by their images.

    Source: Satterthwaite 1946, Biometrics Bulletin 2; the bound was chosen by simulation (benchmarks/coverage.py).
    """
    squares = np.asarray(squares, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.fmin(3 * np.square(squares) / np.asarray(fourths, dtype=float), np.asarray(n_effective) - 1)
    return np.asarray(np.where(np.isnan(squares), np.nan, np.maximum(freedom, 1)))


def added(variance: ArrayLike, freedom: ArrayLike, other: ArrayLike, other_freedom: ArrayLike) -> tuple[Floats, Floats]:
    """The sum of two independently estimated variances and its degrees of freedom (Satterthwaite 1946)."""
    a, b = np.asarray(variance, dtype=float), np.asarray(other, dtype=float)
    total = a + b
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.square(a) / np.asarray(freedom) + np.where(b > 0, np.square(b) / np.maximum(other_freedom, 1), 0)
        joint = np.square(total) / spread
    return total, np.asarray(np.where(np.isfinite(joint), np.maximum(joint, 1), np.where(np.isnan(total), np.nan, 1.0)))


def quantile(probability: float, freedom: ArrayLike) -> Floats:
    """Student's t quantile."""
    return np.asarray(t.ppf(probability, np.maximum(freedom, 1)), dtype=float)


def symmetric(value: ArrayLike, variance: ArrayLike, freedom: ArrayLike) -> tuple[Floats, Floats]:
    """value -+ t sqrt(variance), for differences."""
    centre, reach = np.asarray(value, dtype=float), quantile((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    return np.asarray(centre - reach), np.asarray(centre + reach)


def logit(p: ArrayLike) -> Floats:
    """log(p / (1 - p)), finite: p is kept 1e-9 away from 0 and 1."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def logit_slope(p: ArrayLike) -> Floats:
    """Of `logit` at p, finite likewise: what carries an error of p to the logit scale."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(1 / (p * (1 - p)))


def on_logit(value: ArrayLike, variance: ArrayLike, freedom: ArrayLike, n_effective: ArrayLike) -> tuple[Floats, Floats]:
    """Interval of an AUROC or a share, symmetric on the logit scale, so that it stays in [0, 1].

    At exactly 0 or 1 the logit has no value and the estimated variance is 0. There the far end is where a proportion seen in all of
    `n_effective` patients would have been seen with probability 2.5 %: 0.025^(1/n) (Clopper & Pearson 1934).

    Args:
        value: the estimates.
        variance: of their logits.
        freedom: degrees of freedom of the variances.
        n_effective: patients of the smaller class, or in the denominator.
    """
    value = np.asarray(value, dtype=float)
    inside = (value > 0) & (value < 1)
    centre, reach = logit(value), quantile((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    low, high = _logistic(centre - reach), _logistic(centre + reach)
    far = ((1 - CONFIDENCE) / 2) ** (1 / np.maximum(n_effective, 1))
    low = np.where(inside, low, np.where(value >= 1, far, np.where(np.isnan(value), np.nan, 0.0)))
    high = np.where(inside, high, np.where(value >= 1, 1.0, np.where(np.isnan(value), np.nan, 1 - far)))
    return low, high


def largest_logit_variance(value: ArrayLike, freedom: ArrayLike, n_effective: ArrayLike) -> Floats:
    """The variance of an AUROC's logit with which `on_logit` reaches as far as the exact interval of a share `value` seen in `n_effective`
    patients, on the side of 0.5.

    An AUROC varies no more than a share seen in as many patients as the rarer class has, A (1 - A) / min(m, n) (van Dantzig 1951; Birnbaum
    & Klose 1957, Annals of Mathematical Statistics 28). Near 1, where one patient may hold all errors, an estimated variance may come out
    far larger, and hardly any degrees of freedom would make an interval of it that says nothing.

    Args:
        value: the estimates.
        freedom: degrees of freedom of their variances.
        n_effective: patients of the rarer class, weighed by their images.
    """
    n = np.asarray(n_effective, dtype=float)
    hits = np.asarray(value, dtype=float) * n
    errors = np.minimum(hits, n - hits)
    reach = logit(_upper_share(errors, n)) - logit(errors / n)
    return np.asarray(np.square(reach / quantile((1 + CONFIDENCE) / 2, freedom)))


def exact_share(hits: int, n: int) -> tuple[float, float]:
    """The exact interval of a share seen in `n` independent cases. Source: Clopper & Pearson 1934, Biometrika 26."""
    return float(1 - _upper_share(n - hits, n)), float(_upper_share(hits, n))


def _upper_share(hits: ArrayLike, n: ArrayLike) -> Floats:
    """Upper end of the exact interval; `hits` need not be whole."""
    hits, n = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where(hits >= n, 1.0, beta.ppf((1 + CONFIDENCE) / 2, hits + 1, n - hits))


def mann_whitney_interval(value: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """The score interval of an AUROC of few independent cases: all A with |value - A| <= z sqrt(V(A)), where

    V(A) = A (1 - A) (1 + N (1 - A) / (2 - A) + N A / (1 + A)) / (n_positive n_negative),   N = (n_positive + n_negative) / 2 - 1.

    The variance is taken at A and not at the estimate, so near 1, where an estimated variance rests on one or two cases, the interval still
    says how few there are. Source: Newcombe 2006, Statistics in Medicine 25, method 5.
    """
    return _score_lower(value, n_positive, n_negative), 1 - _score_lower(1 - value, n_positive, n_negative)


def _score_lower(value: float, m: int, n: int) -> float:
    if value <= 0:
        return 0.0
    n_star, z = (m + n) / 2 - 1, float(norm.ppf((1 + CONFIDENCE) / 2))

    def beyond(a: float) -> float:
        return (value - a) ** 2 - z**2 * a * (1 - a) * (1 + n_star * (1 - a) / (2 - a) + n_star * a / (1 + a)) / (m * n)

    return float(brentq(beyond, 0.0, min(value, 1 - 1e-9)))


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))
