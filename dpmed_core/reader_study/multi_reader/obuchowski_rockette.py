r"""Multi-reader multi-case analysis after Obuchowski & Rockette, with Hillis' degrees of freedom.

The AUROC of reader j in arm i is modelled as mu + tau_i + R_j + (tau R)_ij + e_ij, with t arms and r readers. Readers R and (tau R) are
drawn from a population of readers. The errors e come from the cases; Var(e) = s2, and their covariances are

    Cov1  of one reader in two arms,   Cov2  of two readers in one arm,   Cov3  of two readers in two arms,

each the mean of the estimated covariances of that kind (`covariances`). With the mean squares of an analysis of variance of the AUROCs,

    MS(T) = r / (t - 1) sum_i (A_i. - A_..)^2,   MS(TR) = sum_ij (A_ij - A_i. - A_.j + A_..)^2 / ((t - 1) (r - 1)),

the arms' means are compared by F = MS(T) / D with t - 1 and v degrees of freedom, and two of them by their difference with the variance
2 D / r and v degrees of freedom:

    readers and cases   D = MS(TR) + r max(Cov2 - Cov3, 0),                   v = (t - 1) (r - 1) D^2 / MS(TR)^2   (Hillis 2007),
    cases               D = s2 - Cov1 + (r - 1) max(Cov2 - Cov3, 0),          v infinite: these readers alone,
    readers             D = MS(TR),                                           v = (t - 1) (r - 1): these cases alone.

One arm alone has the variance S / r, with its own readers' mean square MS(R), s2 and Cov2:

    readers and cases   S = MS(R) + r max(Cov2, 0),        v = (r - 1) S^2 / MS(R)^2,
    cases               S = s2 + (r - 1) max(Cov2, 0),     v infinite,
    readers             S = MS(R),                         v = r - 1.

Intervals of differences are the estimate -+ Student's t times the standard error. Those of an arm are that on the logit scale: near 1 they
hold more often than the published ones, which are cut at 1 (benchmarks/reader_coverage.py).

Source: Obuchowski & Rockette 1995, Communications in Statistics - Simulation 24; Hillis 2007, Statistics in Medicine 26; Hillis 2014,
Statistics in Medicine 33; Hillis, Obuchowski & Berbaum 2011, Academic Radiology 18 (fixed readers, fixed cases).
"""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, f, t

from dpmed_core.evaluation.statistics.intervals import TAIL, logit_slope, on_logit
from dpmed_core.reader_study.multi_reader.covariances import Estimates

ONE_READER = "one reader shows nothing about other readers"
NO_SPREAD = "the AUROCs vary too little for their chance to be estimated"
Floats = NDArray[np.float64]


class About(StrEnum):
    """What a statement is about: which of readers and cases are a sample of others like them."""

    READERS_AND_CASES = "readers and cases"
    CASES = "cases"
    READERS = "readers"


class Components(NamedTuple):
    """Variance and covariances of the AUROCs' errors over cases; `cov2` and `cov3` are 0 for one reader, `cov1` and `cov3` for one arm."""

    variance: float
    cov1: float
    cov2: float
    cov3: float


class MeanSquares(NamedTuple):
    """Of the AUROCs by arm and reader; NaN where there are no degrees of freedom."""

    arms: float
    readers: float
    interaction: float


class Spread(NamedTuple):
    """A variance term (D or S in the head of this module) and its degrees of freedom."""

    term: float
    freedom: float
    reason: str


class Inference(NamedTuple):
    """An estimate with its 95 % interval; NaN, and a reason, where something is not estimable.

    Attributes:
        estimate: an AUROC, or a difference of two.
        low: lower end.
        high: upper end.
        std_error: standard error.
        freedom: degrees of freedom; infinite for the normal distribution.
        p_value: two-sided, of no difference; NaN of an arm alone.
        reason: empty where all is estimable.
    """

    estimate: float
    low: float
    high: float
    std_error: float
    freedom: float
    p_value: float
    reason: str


class Overall(NamedTuple):
    """The test that all arms are equal: `statistic` is F; with infinite `freedom`, chi-squared over its `numerator_freedom`."""

    statistic: float
    numerator_freedom: int
    freedom: float
    p_value: float
    reason: str


def components(found: Estimates) -> Components:
    """The averaged error variance and covariances."""
    n_arms, n_readers = found.auroc.shape
    same_arm, same_reader = np.eye(n_arms, dtype=bool)[:, None, :, None], np.eye(n_readers, dtype=bool)[None, :, None, :]

    def mean_where(arms: NDArray[np.bool_], readers: NDArray[np.bool_]) -> float:
        kind = np.broadcast_to(arms & readers, found.covariance.shape)
        return float(found.covariance[kind].mean()) if kind.any() else 0.0

    return Components(
        mean_where(same_arm, same_reader),
        mean_where(~same_arm, same_reader),
        mean_where(same_arm, ~same_reader),
        mean_where(~same_arm, ~same_reader),
    )


def mean_squares(auroc: Floats) -> MeanSquares:
    """Mean squares of AUROCs `[n_arms, n_readers]`.

    >>> [round(value, 4) for value in mean_squares(np.array([[0.7, 0.8], [0.8, 1.0]]))]
    [0.0225, 0.0225, 0.0025]
    """
    n_arms, n_readers = auroc.shape
    of_arm, of_reader, mean = auroc.mean(axis=1, keepdims=True), auroc.mean(axis=0, keepdims=True), auroc.mean()
    return MeanSquares(
        _ratio(n_readers * np.square(of_arm - mean).sum(), n_arms - 1),
        _ratio(n_arms * np.square(of_reader - mean).sum(), n_readers - 1),
        _ratio(np.square(auroc - of_arm - of_reader + mean).sum(), (n_arms - 1) * (n_readers - 1)),
    )


def _ratio(squares: float, freedom: int) -> float:
    return float(squares) / freedom if freedom else math.nan


def spread_of_differences(found: Estimates, about: About) -> Spread:
    """D and v of the head of this module, from all arms of `found`."""
    n_arms, n_readers = found.auroc.shape
    by_readers, parts = mean_squares(found.auroc).interaction, components(found)
    extra = max(parts.cov2 - parts.cov3, 0.0)
    of_cases = parts.variance - parts.cov1 + (n_readers - 1) * extra
    return _spread(found, about, by_readers, (n_arms - 1) * (n_readers - 1), n_readers * extra, of_cases)


def spread_of_arm(found: Estimates, about: About) -> Spread:
    """S and v of the head of this module; `found` has one arm."""
    n_readers = found.auroc.shape[1]
    by_readers, parts = mean_squares(found.auroc).readers, components(found)
    extra = max(parts.cov2, 0.0)
    return _spread(found, about, by_readers, n_readers - 1, n_readers * extra, parts.variance + (n_readers - 1) * extra)


def _spread(found: Estimates, about: About, by_readers: float, freedom: int, extra: float, of_cases: float) -> Spread:
    """The term and its degrees of freedom.

    Args:
        found: the estimates, for their reason.
        about: what is a sample of others like it.
        by_readers: the mean square over readers.
        freedom: its degrees of freedom.
        extra: what cases add to it.
        of_cases: the term of these readers alone.
    """
    if found.reason:
        return Spread(math.nan, math.nan, found.reason)
    if about is not About.CASES and freedom == 0:
        return Spread(math.nan, math.nan, ONE_READER)
    term = {About.READERS_AND_CASES: by_readers + extra, About.CASES: of_cases, About.READERS: by_readers}[about]
    # Rounding leaves a trace of variance where there is none, and unbiased covariances may make it negative.
    if term < 1e-15:
        return Spread(math.nan, math.nan, NO_SPREAD)
    if about is About.CASES:
        return Spread(term, math.inf, "")
    # Without any mean square over readers the term is known from the cases alone.
    return Spread(term, freedom * (term / by_readers) ** 2 if by_readers > 0 else math.inf, "")


def difference(found: Estimates, about: About) -> Inference:
    """The first minus the second of two arms, over readers; `found` has these two arms."""
    return _inference(float(np.diff(found.auroc.mean(axis=1)[::-1])[0]), spread_of_differences(found, about), 2 / found.auroc.shape[1])


def arm_mean(found: Estimates, about: About) -> Inference:
    """The mean AUROC over readers of one arm; `found` has this arm alone."""
    whole = _inference(float(found.auroc.mean()), spread_of_arm(found, about), 1 / found.auroc.shape[1])
    if whole.reason:
        return whole
    variance = (whole.std_error * logit_slope(whole.estimate)) ** 2
    # An AUROC strictly between 0 and 1 needs no number of patients for its ends; at 0 and 1 there is no spread, and a reason.
    low, high = on_logit(whole.estimate, variance, whole.freedom, math.nan)
    return whole._replace(low=float(low), high=float(high), p_value=math.nan)


def _inference(estimate: float, spread: Spread, factor: float) -> Inference:
    """Student's t interval and test of 0; an estimate is given where its chance is not."""
    if spread.reason:
        return Inference(estimate, math.nan, math.nan, math.nan, math.nan, math.nan, spread.reason)
    std_error = math.sqrt(spread.term * factor)
    reach = float(t.isf(TAIL, spread.freedom)) * std_error
    p_value = 2 * float(t.sf(abs(estimate) / std_error, spread.freedom))
    return Inference(estimate, estimate - reach, estimate + reach, std_error, spread.freedom, p_value, "")


def overall(found: Estimates, about: About) -> Overall:
    """The test that all arms of `found` have one mean AUROC."""
    spread, numerator_freedom = spread_of_differences(found, about), len(found.auroc) - 1
    if spread.reason:
        return Overall(math.nan, numerator_freedom, math.nan, math.nan, spread.reason)
    statistic = mean_squares(found.auroc).arms / spread.term
    is_normal = math.isinf(spread.freedom)
    p_value = chi2.sf(numerator_freedom * statistic, numerator_freedom) if is_normal else f.sf(statistic, numerator_freedom, spread.freedom)
    return Overall(statistic, numerator_freedom, spread.freedom, float(p_value), "")
