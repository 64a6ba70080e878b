"""The attack on each patient as a number: how well a patient's likelihood tells trainings with the patient from trainings without.

The AUC of one patient is the probability that a training with the patient gives that patient's labels a larger likelihood than one without
(Mann & Whitney 1947): .5 is chance, 1 is certainty. Trainings are independent, so that the AUC of a patient is one of two independent
samples, and p-values, limits and false-discovery control need no resampling.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Floats = NDArray[np.float64]
Halves = NDArray[np.bool_]
FALSE_DISCOVERIES = 0.05
"""Expected share, among the patients who are flagged, of those on whom the attack is no better than chance."""


@dataclass(frozen=True, eq=False)
class PatientAuc:
    """The attack on each patient, `[n_patients]` each.

    Attributes:
        value: the AUC; .5 where a patient has no known label.
        n_in: trainings with the patient.
        n_out: trainings without.
    """

    value: Floats = field(repr=False)
    n_in: NDArray[np.intp] = field(repr=False)
    n_out: NDArray[np.intp] = field(repr=False)

    def p_values(self) -> Floats:
        """One-sided p-values of "better than chance", by the normal limit of the Mann-Whitney statistic under chance.

        Its variance is (n_in + n_out + 1) / (12 n_in n_out); ties make it smaller, and the test conservative.
        """
        variance = (self.n_in + self.n_out + 1) / (12 * self.n_in * self.n_out)
        return np.asarray(norm.sf((self.value - 0.5) / np.sqrt(variance)))

    def limits(self, *, level: float, n_comparisons: int) -> tuple[Floats, Floats]:
        """Limits that hold for all of `n_comparisons` AUCs at once with probability `level`; see `score_limits`."""
        deviate = float(norm.isf((1 - level) / 2 / n_comparisons))
        return score_limits(self.value, np.minimum(self.n_in, self.n_out), deviate)


def patient_auc(likelihoods: Floats, halves: Halves) -> PatientAuc:
    """The attack on each patient.

    >>> likelihoods = np.array([[3.0], [2.0], [2.5], [1.0]])  # in: 3 and 2; out: 2.5 and 1; three of four pairs are in order
    >>> patient_auc(likelihoods, np.array([[True], [True], [False], [False]])).value.tolist()
    [0.75]

    Args:
        likelihoods: `[n_trainings, n_patients]`.
        halves: who was in, `[n_trainings, n_patients]`; each patient both in and out at least once.
    """
    ranks = rankdata(likelihoods, axis=0)
    n_in = halves.sum(axis=0)
    n_out = len(halves) - n_in
    wins = np.where(halves, ranks, 0.0).sum(axis=0) - n_in * (n_in + 1) / 2
    return PatientAuc(wins / (n_in * n_out), n_in, n_out)


def score_limits(value: Floats, n: NDArray[np.intp], deviate: float) -> tuple[Floats, Floats]:
    """All A with |value - A| <= deviate sqrt(A (1 - A) / n): limits of an AUC from the largest variance that it can have.

    No AUC of samples of m and n has a variance above A (1 - A) / min(m, n) (Birnbaum & Klose 1957, Annals of Mathematical Statistics 28).
    With that variance the limits are Wilson's for a proportion: wide rather than short, and never of no width at 0 or 1.

    For ten of ten, statsmodels' `proportion_confint(10, 10, method="wilson")` has .7225 as its lower limit:

    >>> low, high = score_limits(np.array([1.0]), np.array([10]), 1.959964)
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.7225, 1.0)
    """
    share = deviate**2 / n
    centre = (value + share / 2) / (1 + share)
    reach = np.sqrt(share * value * (1 - value) + share**2 / 4) / (1 + share)
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)


def flagged(p_values: Floats, *, level: float = FALSE_DISCOVERIES) -> NDArray[np.bool_]:
    """The patients on whom the attack is better than chance, at a false-discovery rate of `level`.

    >>> flagged(np.array([0.01, 0.02, 0.04, 0.9])).tolist()  # the k-th smallest is judged at k / 4 of 5 %
    [True, True, False, False]

    Source: Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    order = np.argsort(p_values, kind="stable")
    passed = np.flatnonzero(p_values[order] <= level * np.arange(1, len(order) + 1) / len(order))
    found = np.zeros(len(order), dtype=bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return found
