"""Shares of images at an operating point: sensitivity, specificity, predictive values and related rates.

The threshold was chosen on validation patients, and other validation patients would have given another one. Each rate is therefore computed
at the thresholds of resampled validation patients too, so that its interval is for the rule that chooses the threshold, not for the one
threshold that it gave.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.metric import Better, Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.scores.sample_sizes import FEWEST_PATIENTS, SMALLEST_CLASS
from dpmed_core.evaluation.statistics.ratio import ratio

Floats = NDArray[np.float64]
Parts = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""From flagged and all images by class `[2, ...]`, negatives first, to a share's numerator and denominator `[...]`."""


def _rate(name: str, phrase: str, parts: Parts, *, better: Better = Better.HIGHER, ideal: float = 1.0) -> Metric:
    """A rate as a metric; `parts` says what it is a share of."""

    def estimate(scored: FindingScores) -> Estimate:
        design = scored.design
        share = ratio(*parts(scored.flagged, design.cell_counts), design.grouping)
        # A share needs no images of the other class, so its own denominator decides, not both classes.
        enough = (share.total >= SMALLEST_CLASS) & (share.n_patients >= SMALLEST_CLASS) & (design.counts.patients >= FEWEST_PATIENTS)
        # Whole subgroups suffice for the replicates: they add the threshold's variance, and the patients' comes from the influence values.
        numerators, denominators = parts(*scored.flagged_at_replicates)
        return Estimate(
            values=np.where(enough, share.values, np.nan),
            influence=np.where(enough[design.grouping.cell_group], share.influence, np.nan),
            n_effective=share.n_effective,
            weights=share.total,
            replicates=numerators / np.maximum(denominators, 1),
        )

    return Metric(
        name,
        phrase,
        estimate,
        better=better,
        ideal=ideal,
        scale=Scale.SHARE,
        needs_threshold=True,
        needs_both_classes=False,
        is_kept=True,
    )


SENSITIVITY = _rate("sensitivity", "sensitivity", lambda flagged, total: (flagged[1], total[1]))
SPECIFICITY = _rate(
    "specificity",
    "specificity",
    lambda flagged, total: (total[0] - flagged[0], total[0]),
)
PPV = _rate(
    "ppv",
    "positive predictive value",
    lambda flagged, total: (flagged[1], flagged[1] + flagged[0]),
)
NPV = _rate(
    "npv",
    "negative predictive value",
    lambda flagged, total: (total[0] - flagged[0], (total[0] - flagged[0]) + (total[1] - flagged[1])),
)
ACCURACY = _rate(
    "accuracy",
    "accuracy",
    lambda flagged, total: (flagged[1] + (total[0] - flagged[0]), total[0] + total[1]),
)
POSITIVE_RATE = _rate(
    "positive_rate",
    "share called positive",
    lambda flagged, total: (flagged[1] + flagged[0], total[0] + total[1]),
    better=Better.NEAR_IDEAL,
    ideal=float("nan"),  # neither many nor few positive calls are better as such
)
UNDERDIAGNOSIS = _rate(
    "underdiagnosis",
    "underdiagnosis rate",
    lambda flagged, total: (total[1] - flagged[1], total[1]),
    better=Better.LOWER,
    ideal=0.0,
)
FALSE_ALARMS = _rate(
    "false_alarm_rate",
    "false alarm rate",
    lambda flagged, total: (flagged[0], total[0]),
    better=Better.LOWER,
    ideal=0.0,
)
"""1 - specificity, for what is said per hundred images without the finding; not one of `RATES`, which have the specificity."""
RATES = (SENSITIVITY, SPECIFICITY, PPV, NPV, ACCURACY, POSITIVE_RATE, UNDERDIAGNOSIS)
