"""Areas under the ROC curve with intervals that respect patients with several films.

AUROC is the Mann-Whitney statistic. Its variance comes from DeLong's structural components (DeLong, DeLong & Clarke-Pearson 1988, in the
fast form of Sun & Xu 2014), summed within patients (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", Biometrics
53): with

    V10_i = share of negatives below positive i (ties half),   V01_j = share of positives above negative j (ties half),
    d_p   = sum over p's positives (V10_i - A) / m  +  sum over p's negatives (V01_j - A) / n,

Var(A) = I / (I - 1) sum over the I patients of d_p^2. The d_p, an influence value for each patient, also give the variance of means over
findings and of differences between runs scored on the same patients: add or subtract them first. Where each patient has one film this is
DeLong's variance but for the small-sample factor.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

CONFIDENCE = 0.95
SMALLEST_CLASS = 5
"""Fewer positives or negatives than this: not estimable."""
FEWEST_PATIENTS = 10

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Auroc:
    """An AUROC, or a mean or difference of several.

    Attributes:
        value: the estimate; NaN where not estimable.
        low: lower end of the interval.
        high: upper end.
        influence: d_p `[n_patients_all]`, aligned with the patient numbers that were given; its squares sum to about the variance.
        n_cases: cases with a known label.
        n_positive: of these, positive.
        n_patients: patients of these cases.
        reason: why it is not estimable; empty otherwise.
    """

    value: float
    low: float
    high: float
    influence: Array = field(repr=False)
    n_cases: int
    n_positive: int
    n_patients: int
    reason: str = ""

    @property
    def standard_error(self) -> float:
        """Standard error of `value`, over patients."""
        return standard_error(self.influence, self.n_patients)


def auroc(scores: Array, labels: Array, patients: NDArray[np.intp], *, n_patients_all: int) -> Auroc:
    """The AUROC of `scores` for `labels`, with its interval.

    Args:
        scores: `[n_cases]`, larger = more suspicious.
        labels: `[n_cases]`: 1, 0, or NaN, which is left out.
        patients: `[n_cases]`, numbers below `n_patients_all`.
        n_patients_all: length of the influence vector.
    """
    known = ~np.isnan(labels)
    scores, positive, patients = scores[known], labels[known] == 1, patients[known]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    n_patients = len(np.unique(patients))
    reason = _not_estimable(n_positive, n_negative, n_patients)
    if reason:
        return Auroc(math.nan, math.nan, math.nan, np.full(n_patients_all, np.nan), len(scores), n_positive, n_patients, reason)
    value, components = structural_components(scores, positive)
    centred = np.where(positive, (components - value) / n_positive, (components - value) / n_negative)
    influence: Array = np.bincount(patients, weights=centred, minlength=n_patients_all).astype(np.float64)
    low, high = interval(value, standard_error(influence, n_patients), n_patients)
    return Auroc(value, low, high, influence, len(scores), n_positive, n_patients)


def structural_components(scores: Array, positive: NDArray[np.bool_]) -> tuple[float, Array]:
    """The AUROC and, for each case, V10 (positives) or V01 (negatives), by midranks."""
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    overall = rankdata(scores)
    components = np.empty(len(scores))
    components[positive] = (overall[positive] - rankdata(scores[positive])) / n_negative
    components[~positive] = 1 - (overall[~positive] - rankdata(scores[~positive])) / n_positive
    value = (overall[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    return float(value), components


def mean_auroc(parts: list[Auroc]) -> Auroc:
    """The mean over findings of the estimable ones, with the covariance between findings of the same patients."""
    used = [part for part in parts if not part.reason]
    if not used:
        reason = "no finding is estimable"
        return Auroc(
            math.nan, math.nan, math.nan, parts[0].influence, max(p.n_cases for p in parts), 0, max(p.n_patients for p in parts), reason
        )
    influence = np.mean([part.influence for part in used], axis=0)
    value, n_patients = float(np.mean([part.value for part in used])), max(part.n_patients for part in used)
    low, high = interval(value, standard_error(influence, n_patients), n_patients)
    return Auroc(value, low, high, influence, max(p.n_cases for p in used), sum(p.n_positive for p in used), n_patients)


def standard_error(influence: Array, n_patients: int) -> float:
    """Standard error over patients from their influence values."""
    return float(np.sqrt(n_patients / (n_patients - 1) * np.square(influence).sum())) if n_patients > 1 else math.nan


def interval(value: float, error: float, n_patients: int) -> tuple[float, float]:
    """Interval of an AUROC on the logit scale, with Student's t for the number of patients.

    At exactly 0 or 1, where the logit has no value and the estimated error is 0, the far end is that of the
    rule of three for patients: 3 / n_patients away.
    """
    if value <= 0 or value >= 1:
        far = min(3 / n_patients, 1.0)
        return (1 - far, 1.0) if value >= 1 else (0.0, far)
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, max(n_patients - 1, 1)))
    logit, slope = math.log(value / (1 - value)), 1 / (value * (1 - value))
    reach = quantile * error * slope
    return _logistic(logit - reach), _logistic(logit + reach)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _not_estimable(n_positive: int, n_negative: int, n_patients: int) -> str:
    if n_positive == 0 or n_negative == 0:
        return "only one class" if n_positive + n_negative else "no case with a known label"
    if min(n_positive, n_negative) < SMALLEST_CLASS:
        return f"fewer than {SMALLEST_CLASS} {'positives' if n_positive < n_negative else 'negatives'}"
    return f"fewer than {FEWEST_PATIENTS} patients" if n_patients < FEWEST_PATIENTS else ""
