"""Intervals from variances: Student's t with the degrees of freedom that the patients, and the training runs, are worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainccinv, stdtrit
from scipy.stats import norm

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
"""What lies beyond each end of a two-sided interval."""
Floats = NDArray[np.float64]


def freedom_of(squares: ArrayLike, fourths: ArrayLike, n_effective: ArrayLike) -> Floats:
    """Degrees of freedom of a variance that is a sum of squared influence values: 3 (sum d^2)^2 / sum d^4, at most n_effective - 1.

    Satterthwaite's 2 V^2 / Var(V), with the variance of each d^2, 2 sigma^4 for a normal d, estimated from d^4 = 3 sigma^4. As many as
    there are patients where all weigh alike, few where few patients carry the variance. At least 1.

    >>> float(freedom_of(squares=4.0, fourths=4.0, n_effective=100))  # four patients who weigh alike, d^2 = 1 each: 3 x 4
    12.0
    >>> float(freedom_of(squares=4.0, fourths=16.0, n_effective=100))  # one patient carries all of it
    3.0

    Args:
        squares: sum of d^2.
        fourths: sum of d^4.
        n_effective: patients of the rarer class, weighed by their images.

    Source: Satterthwaite 1946, Biometrics Bulletin 2; the bound was chosen by simulation (benchmarks/coverage.py).
    """
    squares = np.asarray(squares, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        # `fmin` passes over the NaN of 0 / 0, where no patient has any influence.
        freedom = np.fmin(3 * np.square(squares) / np.asarray(fourths, dtype=float), np.asarray(n_effective) - 1)
    return np.asarray(np.where(np.isnan(squares), np.nan, np.maximum(freedom, 1)))


def added(variance: ArrayLike, freedom: ArrayLike, other: ArrayLike, other_freedom: ArrayLike) -> tuple[Floats, Floats]:
    """The sum a + b of two independently estimated variances and its degrees of freedom, (a + b)^2 / (a^2 / df_a + b^2 / df_b).

    >>> total, joint = added(1.0, 10, 1.0, 10)
    >>> float(total), float(joint)  # (1 + 1)^2 / (1 / 10 + 1 / 10)
    (2.0, 20.0)

    Args:
        variance: a.
        freedom: its degrees of freedom, at least 1.
        other: b; may be 0 everywhere, as where there is one training run.
        other_freedom: its degrees of freedom.

    Source: Satterthwaite 1946, Biometrics Bulletin 2.
    """
    a, b = np.asarray(variance, dtype=float), np.asarray(other, dtype=float)
    total = a + b
    with np.errstate(divide="ignore", invalid="ignore"):
        # A part of 0 adds no uncertainty, whatever freedom it comes with: that of one training run would be 0.
        spread = np.square(a) / np.asarray(freedom) + np.where(b > 0, np.square(b) / np.maximum(other_freedom, 1), 0)
        joint = np.square(total) / spread
    return total, np.asarray(np.where(np.isfinite(joint), np.maximum(joint, 1), np.where(np.isnan(total), np.nan, 1.0)))


def upper_quantile(tail: ArrayLike, freedom: ArrayLike) -> Floats:
    """Student's t quantile that is exceeded with probability `tail`, with at least one degree of freedom.

    >>> round(float(upper_quantile(0.025, 10)), 3), round(float(upper_quantile(0.025, 1e9)), 3)  # the printed tables
    (2.228, 1.96)
    """
    # By symmetry, since 1 - tail has lost its digits where the tail is small.
    return np.asarray(-stdtrit(np.maximum(freedom, 1), np.asarray(tail, dtype=float)))


def symmetric(value: ArrayLike, variance: ArrayLike, freedom: ArrayLike, *, tail: ArrayLike = TAIL) -> tuple[Floats, Floats]:
    """value -+ t sqrt(variance), for differences and whatever else has no bounds to respect.

    >>> [round(float(end), 3) for end in symmetric(0.1, 0.0004, 10)]  # 0.1 -+ 2.228 x 0.02
    [0.055, 0.145]
    """
    centre, reach = np.asarray(value, dtype=float), upper_quantile(tail, freedom) * np.sqrt(variance)
    return np.asarray(centre - reach), np.asarray(centre + reach)


def logit(p: ArrayLike) -> Floats:
    """log(p / (1 - p)), finite: p is kept 1e-9 away from 0 and 1.

    >>> round(float(logit(0.9)), 6)  # log 9
    2.197225
    """
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def logit_slope(p: ArrayLike) -> Floats:
    """Slope of `logit` at p, 1 / (p (1 - p)), finite likewise: it carries an error of p to the logit scale (delta method).

    >>> round(float(logit_slope(0.9)), 6)  # 1 / 0.09
    11.111111
    """
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(1 / (p * (1 - p)))


def on_logit(
    value: ArrayLike, variance: ArrayLike, freedom: ArrayLike, n_effective: ArrayLike, *, tail: ArrayLike = TAIL
) -> tuple[Floats, Floats]:
    """Interval of an AUROC or a share, symmetric on the logit scale, so that it stays in [0, 1].

    At exactly 0 or 1 the logit has no value and the estimated variance is 0. There the far end is where a proportion seen in all of
    `n_effective` patients would have been seen with probability 2.5 %: 0.025^(1/n) (Clopper & Pearson 1934).

    >>> [round(float(end), 3) for end in on_logit(1.0, 0.0, 4, 5)]  # five positives, all ranked above every negative
    [0.478, 1.0]
    >>> [round(float(end), 3) for end in on_logit(0.5, 1.0, 1e9, 100)]  # logistic(-1.96) to logistic(1.96)
    [0.123, 0.877]

    Args:
        value: the estimates.
        variance: of their logits.
        freedom: degrees of freedom of the variances.
        n_effective: patients of the smaller class, or in the denominator.
        tail: what lies beyond each end.
    """
    value = np.asarray(value, dtype=float)
    inside = (value > 0) & (value < 1)
    centre, reach = logit(value), upper_quantile(tail, freedom) * np.sqrt(variance)
    low, high = logistic(centre - reach), logistic(centre + reach)
    # At 0 or 1 the estimated variance is 0 and says nothing: the far end comes from the number of patients alone.
    far = np.asarray(tail, dtype=float) ** (1 / np.maximum(n_effective, 1))
    low = np.where(inside, low, np.where(value >= 1, far, np.where(np.isnan(value), np.nan, 0.0)))
    high = np.where(inside, high, np.where(value >= 1, 1.0, np.where(np.isnan(value), np.nan, 1 - far)))
    return low, high


def largest_logit_variance(value: ArrayLike, freedom: ArrayLike, n_effective: ArrayLike, *, tail: ArrayLike = TAIL) -> Floats:
    """The variance of an AUROC's logit with which `on_logit` reaches as far as the exact interval of a share `value` seen in `n_effective`
    patients, on the side of 0.5.

    An AUROC varies no more than a share seen in as many patients as the rarer class has, A (1 - A) / min(m, n) (van Dantzig 1951; Birnbaum
    & Klose 1957, Annals of Mathematical Statistics 28). Near 1, where one patient may hold all errors, an estimated variance may come out
    far larger, and hardly any degrees of freedom would make an interval of it that says nothing.

    Args:
        value: the estimates.
        freedom: degrees of freedom of their variances.
        n_effective: patients of the rarer class, weighed by their images.
        tail: what lies beyond each end.
    """
    n = np.asarray(n_effective, dtype=float)
    hits = np.asarray(value, dtype=float) * n
    # On the side of 0.5 lies the upper end of the rarer outcome's share.
    errors = np.minimum(hits, n - hits)
    reach = logit(_upper_share(errors, n, tail=tail)) - logit(errors / n)
    # `on_logit` multiplies by the quantile, so it is divided out here.
    return np.asarray(np.square(reach / upper_quantile(tail, freedom)))


def exact_share(hits: int, n: int) -> tuple[float, float]:
    """The exact interval of a share seen in `n` independent cases. Source: Clopper & Pearson 1934, Biometrika 26.

    >>> [round(end, 4) for end in exact_share(5, 10)]  # statsmodels: proportion_confint(5, 10, method="beta")
    [0.1871, 0.8129]
    """
    return float(1 - _upper_share(n - hits, n)), float(_upper_share(hits, n))


def _upper_share(hits: ArrayLike, n: ArrayLike, *, tail: ArrayLike = TAIL) -> Floats:
    """Upper end of the exact interval, a quantile of Beta(hits + 1, n - hits); `hits` need not be whole, as an AUROC's are not."""
    hits, n = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where(hits >= n, 1.0, betainccinv(hits + 1, n - hits, np.asarray(tail, dtype=float)))


def mann_whitney_interval(value: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """The score interval of an AUROC of few independent cases: all A with |value - A| <= z sqrt(V(A)), where

    V(A) = A (1 - A) (1 + N (1 - A) / (2 - A) + N A / (1 + A)) / (n_positive n_negative),   N = (n_positive + n_negative) / 2 - 1.

    The variance is taken at A and not at the estimate, so near 1, where an estimated variance rests on one or two cases, the interval still
    says how few there are. Source: Newcombe 2006, Statistics in Medicine 25, method 5.

    >>> [round(end, 3) for end in mann_whitney_interval(1.0, 5, 20)]  # not 1 to 1
    [0.761, 1.0]
    """
    return _score_lower(value, n_positive, n_negative), 1 - _score_lower(1 - value, n_positive, n_negative)


def _score_lower(value: float, m: int, n: int) -> float:
    """The smallest A of `mann_whitney_interval`, for m positives and n negatives."""
    if value <= 0:
        return 0.0
    n_star, z = (m + n) / 2 - 1, float(norm.isf(TAIL))

    def beyond(a: float) -> float:
        return (value - a) ** 2 - z**2 * a * (1 - a) * (1 + n_star * (1 - a) / (2 - a) + n_star * a / (1 + a)) / (m * n)

    # The function is above 0 at A = 0 and below it just under the estimate, so one root lies between; at A = 1 itself V is 0.
    return float(brentq(beyond, 0.0, min(value, 1 - 1e-9)))


def logistic(x: ArrayLike) -> Floats:
    """The inverse of `logit`."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))  # exp overflows from 710 on
