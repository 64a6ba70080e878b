"""Predictive values at a prevalence that is chosen, from sensitivity and specificity by Bayes' rule.

    PPV = s p / (s p + (1 - c) (1 - p)),      NPV = c (1 - p) / (c (1 - p) + (1 - s) p),

s sensitivity, c specificity, p prevalence. A test cohort's own predictive values hold at its own prevalence, which is often not that of the
patients to come. The errors of s and c carry over by the rule's slope, patient by patient, and so do other thresholds; with one image for
each patient and a fixed threshold the interval is the logit interval of Mercaldo, Lau & Zhou 2007, Statistics in Medicine 26.
"""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.metric import Estimate, Metric, Scale
from dpmed_core.evaluation.metrics.rates import SENSITIVITY, SPECIFICITY
from dpmed_core.evaluation.scores.finding_scores import FindingScores

Floats = NDArray[np.float64]


def predictive_values(prevalence: float) -> tuple[Metric, Metric]:
    """PPV and NPV at `prevalence`, as metrics.

    Raises:
        SpecError: the prevalence is not between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise SpecError(f"A prevalence of {prevalence:g} cannot be used: name a share between 0 and 1, for example 0.05.")
    odds = prevalence / (1 - prevalence)
    # With its roles swapped the same rule gives the negative predictive value: specificity finds those without, at inverse odds.
    return _value("ppv", "positive", odds, prevalence), _value("npv", "negative", 1 / odds, prevalence)


def bayes(found: Floats, cleared: Floats, odds: float) -> Floats:
    """found odds / (found odds + 1 - cleared); NaN where nobody is called.

    >>> round(float(bayes(np.array(0.9), np.array(0.8), 0.1 / 0.9)), 4)  # 9 of 100 found, 18 of 100 false alarms: 9 / 27
    0.3333
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(found * odds / (found * odds + 1 - cleared))


def _value(name: str, sign: str, odds: float, prevalence: float) -> Metric:
    """One of the two as a metric."""
    of_called, of_others = (SENSITIVITY, SPECIFICITY) if name == "ppv" else (SPECIFICITY, SENSITIVITY)

    def estimate(scored: FindingScores) -> Estimate:
        """NaN where sensitivity or specificity has no value, or nobody is called."""
        found, cleared = of_called.estimate(scored), of_others.estimate(scored)
        values = bayes(found.values, cleared.values, odds)
        # With t = found x odds and f = 1 - cleared, value = t / (t + f): slopes odds f / (t + f)^2 and t / (t + f)^2.
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = np.square(found.values * odds + 1 - cleared.values)
            by_found, by_cleared = odds * (1 - cleared.values) / whole, found.values * odds / whole
        to_cells = scored.design.grouping.to_cells
        assert found.replicates is not None and cleared.replicates is not None
        replicates = bayes(found.replicates, cleared.replicates, odds)
        return Estimate(
            values=values,
            influence=to_cells(by_found) * found.influence + to_cells(by_cleared) * cleared.influence,
            n_effective=np.minimum(found.n_effective, cleared.n_effective),
            weights=found.weights + cleared.weights,
            # A threshold that calls nobody has no predictive value; it adds nothing to the spread over thresholds.
            replicates=np.where(np.isnan(replicates), values[:, None], replicates),
        )

    phrase = f"{sign} predictive value at a prevalence of {prevalence:g}"
    return Metric(f"{name}_at_prevalence", phrase, estimate, scale=Scale.SHARE, needs_threshold=True, needs_both_classes=False)
