"""Operating points: the score from which an image is called positive, chosen on validation patients and applied to test patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.sample_sizes import SMALLEST_CLASS

N_REPLICATES = 100
"""Resamples of the validation patients, for the threshold's own uncertainty."""
Floats = NDArray[np.float64]


class Aim(StrEnum):
    """What a threshold is chosen for."""

    YOUDEN = "youden"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"


@dataclass(frozen=True)
class OperatingRule:
    """How a threshold is chosen.

    Attributes:
        aim: the largest sensitivity + specificity (Youden 1950, Cancer 3), or a target for one of them.
        target: the wanted sensitivity or specificity, between 0 and 1; None for Youden's.
    """

    aim: Aim = Aim.YOUDEN
    target: float | None = None

    def __post_init__(self) -> None:
        if (self.target is None) != (self.aim is Aim.YOUDEN):
            raise SpecError("Name a target value with sensitivity or specificity, and none with youden.")
        if self.target is not None and not 0 < self.target < 1:
            raise SpecError(f"A {self.aim.value} of {self.target:g} cannot be aimed at: choose a value between 0 and 1, for example 0.9.")

    @classmethod
    def parse(cls, text: str) -> "OperatingRule":
        """The rule that "youden", "sensitivity=0.9" or "specificity=0.9" names.

        Raises:
            SpecError: it is written in another way.
        """
        aim, _, target = text.partition("=")
        try:
            return cls(Aim(aim.strip()), float(target) if target else None)
        except ValueError:
            raise SpecError(f"{text!r} is not an operating point: write youden, sensitivity=0.9 or specificity=0.9.") from None

    def sentence(self) -> str:
        """The rule in words."""
        if self.aim is Aim.YOUDEN:
            return "the threshold with the largest sum of sensitivity and specificity on the validation patients"
        return f"the threshold that gives a {self.aim.value} of {self.target:.0%} on the validation patients"


def thresholds(scores: Floats, labels: Floats, weights: Floats, rule: OperatingRule) -> Floats:
    """The threshold for each row of weights `[n_rows]`; a score at or above it counts as positive. NaN where a row has one class.

    >>> scores, labels = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> thresholds(scores, labels, np.ones((1, 4)), OperatingRule()).tolist()  # halfway between the classes
    [0.5]

    Args:
        scores: `[n_cases]`.
        labels: `[n_cases]`, 1 or 0.
        weights: `[n_rows, n_cases]`, how often each case counts.
        rule: what to choose for.
    """
    order = np.argsort(-scores, kind="stable")
    falling, positive = scores[order], labels[order] == 1
    # A threshold cannot come between equal scores: candidates lie after the last image of each score.
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    weighted = weights[:, order]
    hits = np.cumsum(weighted * positive, axis=1)[:, ends]
    alarms = np.cumsum(weighted * ~positive, axis=1)[:, ends]
    # Halfway to the next lower score, so that no rounding changes a side; the last is the lowest score and calls everybody positive.
    candidates = (falling[ends] + np.append(falling[ends[1:]], falling[-1])) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = hits / hits[:, -1:], 1 - alarms / alarms[:, -1:]
    chosen = _choose(sensitivity, specificity, candidates, rule)
    return np.where(np.isnan(sensitivity[:, 0]) | np.isnan(specificity[:, 0]), np.nan, chosen)


def run_thresholds(panel: Panel, run: int, findings: Sequence[str], weights: Floats, rule: OperatingRule) -> Floats:
    """The thresholds of a run `[n_findings, n_rows]`; NaN where the validation cases have too few of a class, or not the finding.

    Args:
        panel: validation cases.
        run: its index in the panel.
        findings: whose thresholds.
        weights: `[n_rows, n_cases]`, how often each case counts.
        rule: what to choose for.
    """
    chosen = np.full((len(findings), len(weights)), np.nan)
    for row, name in enumerate(findings):
        if name in panel.findings:
            finding_index = panel.findings.index(name)  # validation cases may have been scored for other findings than test cases
            labels = panel.labels[finding_index]
            known = ~np.isnan(labels)
            if min((labels == 1).sum(), (labels == 0).sum()) >= SMALLEST_CLASS:
                chosen[row] = thresholds(panel.scores[run, finding_index][known], labels[known], weights[:, known], rule)
    return chosen


def _choose(sensitivity: Floats, specificity: Floats, candidates: Floats, rule: OperatingRule) -> Floats:
    """The candidate that `rule` chooses for each row `[n_rows]`; candidates fall, so sensitivity rises and specificity falls along them.

    The tolerance lets a target of 0.9 be met by 9 of 10, whose quotient may be rounded down.
    """
    if rule.target is None:
        return np.asarray(candidates[np.argmax(sensitivity + specificity, axis=1)])
    if rule.aim is Aim.SENSITIVITY:
        # The first candidate that reaches the target costs the least specificity; the last reaches every target.
        return np.asarray(candidates[np.argmax(sensitivity >= rule.target - 1e-12, axis=1)])
    # The last candidate that keeps the target; where not even the highest does, a threshold above every score (scores are at most 1).
    enough = (specificity >= rule.target - 1e-12).sum(axis=1)
    return np.asarray(np.where(enough > 0, candidates[enough - 1], np.nextafter(candidates[0], np.inf) + 1))


def patient_resamples(patients: NDArray[np.intp], n_patients: int) -> Floats:
    """Weights `[1 + N_REPLICATES, n_cases]`: each case once, then patients drawn with replacement with all their cases.

    Always the same draws: the same scores give the same interval, and runs that were scored on the same patients share their resamples.
    """
    drawn = np.random.default_rng(0).multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=N_REPLICATES)
    return np.vstack([np.ones(len(patients)), drawn[:, patients]]).astype(float)
