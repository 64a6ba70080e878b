"""What a metric is, and what it is estimated from.

To add a metric, make a `Metric` in a module of this folder and enter it in `metrics/catalogue.py`; tables, figures, pages, exports and
commands take it from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.finding_scores import FindingScores

Floats = NDArray[np.float64]
PREVALENCE = "prevalence"
"""A chance level that is the share of positives, in each subgroup its own."""


class Better(StrEnum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEAR_IDEAL = "near its ideal value"


class Scale(StrEnum):
    """On which scale an interval is symmetric, and from which variance."""

    LOGIT_BOUNDED = "logit, bounded"
    """As LOGIT, and the variance at most that of the exact interval of a share seen in as many patients."""
    LOGIT = "logit"
    """The logit is jackknifed by patient for each run."""
    SHARE = "share"
    """The variance of the mean over runs, carried to the logit by its slope: for shares at a threshold, whose own variance adds to it."""
    PLAIN = "plain"
    """The variance of the mean over runs, on the metric's own scale: for differences, slopes and errors, which have no two bounds."""


class Estimate(NamedTuple):
    """One run's values of a metric for one finding.

    Attributes:
        values: `[n_groups]`; NaN where not estimable.
        influence: what each value loses without the patient of a cell `[n_cells]`.
        n_effective: patients whom the value rests on, weighed by their images `[n_groups]`.
        weights: how much a subgroup counts among others, its denominator `[n_groups]`.
        replicates: values at thresholds chosen on resampled validation patients `[n_groups, n_replicates]`; None without threshold.
    """

    values: Floats
    influence: Floats
    n_effective: Floats
    weights: Floats
    replicates: Floats | None = None


Estimator = Callable[[FindingScores], Estimate]


@dataclass(frozen=True)
class Metric:
    """One number that says how well scores agree with labels.

    Attributes:
        name: in table columns, `--metric` and the address of a page.
        phrase: in a sentence, e.g. "AUROC", "sensitivity".
        estimate: its value for one run and finding, in every subgroup.
        low, high: its range.
        chance: what scores without information reach: a number, `PREVALENCE`, or None where there is no such level.
        better: which values are better.
        ideal: the value of a perfect model.
        scale: of its intervals.
        needs_threshold: whether it counts scores above a threshold that is chosen on validation patients.
        needs_both_classes: whether a subgroup needs enough images and patients of both classes; otherwise the estimate itself is NaN where
            there are too few.
        is_kept: whether a run's estimates are kept with it; only where the name says all that the estimate depends on but scores, labels,
            groups and thresholds.
        contrast_of: for a difference between a subgroup and all others, the metric it is a difference of, whose `estimate` it has.
    """

    name: str
    phrase: str
    estimate: Estimator = field(repr=False)
    low: float = 0.0
    high: float = 1.0
    chance: float | str | None = None
    better: Better = Better.HIGHER
    ideal: float = 1.0
    scale: Scale = Scale.LOGIT
    needs_threshold: bool = False
    needs_both_classes: bool = True
    is_kept: bool = False
    contrast_of: "Metric | None" = None

    @property
    def title(self) -> str:
        """For axes and headings, e.g. "Sensitivity"."""
        return self.phrase[0].upper() + self.phrase[1:]

    @property
    def columns(self) -> tuple[str, str, str]:
        """The columns of its value and its interval's ends."""
        return self.name, f"{self.name}_low", f"{self.name}_high"

    @property
    def gain(self) -> int:
        """1 where a rise is a gain, -1 where it is a loss, 0 where it depends on the side of the ideal value."""
        return {Better.HIGHER: 1, Better.LOWER: -1, Better.NEAR_IDEAL: 0}[self.better]
