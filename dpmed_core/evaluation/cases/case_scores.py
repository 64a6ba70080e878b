"""Every training's score and answer of every case: what the worklist and the view of one case are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.operating_point import OperatingRule, run_thresholds
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_cases import RUN_COLUMNS
from dpmed_core.evaluation.statistics.arms import Arm, arms_of

POSITIVE, NEGATIVE, SPLIT, NO_ANSWER = "positive", "negative", "split", "none"
"""An arm's answer: that of more than half of its trainings; half and half; or none, where a training has no threshold."""
TRAINING_COLUMNS = ("finding", *(name for name in RUN_COLUMNS if name != "recipe"), "score", "threshold", "positive")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The trainings of one recipe and unit, and what each says of the same cases.

    Attributes:
        panel: their scores; its cases are those that can be looked at.
        thresholds: `[n_runs, n_findings]`, chosen on validation patients by each training for itself; NaN where that cannot be done.
    """

    panel: Panel = field(repr=False)
    thresholds: Floats = field(repr=False)

    @cached_property
    def arms(self) -> list[Arm]:
        """The trainings by budget."""
        return arms_of(self.panel.runs)

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each case in the panel."""
        return {case_id: number for number, case_id in enumerate(self.panel.cases["case_id"])}

    @property
    def twin(self) -> Arm | None:
        """The trainings without privacy."""
        return next((arm for arm in self.arms if not arm.is_private), None)

    def private(self, epsilon: float) -> Arm | None:
        """The trainings at the target `epsilon`."""
        return next((arm for arm in self.arms if arm.epsilon == epsilon), None)

    def run_at(self, epsilon: float) -> str:
        """The run_id of a training at the target `epsilon`, which must be trained."""
        return str(self.panel.runs.loc[self.panel.runs["epsilon"] == epsilon, "run_id"].iloc[0])

    @property
    def epsilons(self) -> list[float]:
        """The trained targets, rising."""
        return sorted({arm.epsilon for arm in self.arms if arm.is_private})


@dataclass(frozen=True, eq=False)
class ArmAnswers:
    """What the trainings of one arm say; arrays `[n_findings, n_cases]`.

    Attributes:
        n_trainings: how many.
        score: mean over the trainings.
        spread: standard deviation between them; NaN where there is one.
        n_positive: trainings that call the case positive.
        answer: `POSITIVE`, `NEGATIVE`, `SPLIT` or `NO_ANSWER`.
        distance: mean distance of the score from its training's threshold, above it positive; NaN where there is none.
    """

    n_trainings: int
    score: Floats = field(repr=False)
    spread: Floats = field(repr=False)
    n_positive: NDArray[np.intp] = field(repr=False)
    answer: NDArray[np.object_] = field(repr=False)
    distance: Floats = field(repr=False)


def case_scores(
    panels: Sequence[Panel], validation: Sequence[Panel], *, recipe: str, unit: str, rule: OperatingRule | None = None
) -> CaseScores | None:
    """The trainings of `recipe` and `unit`; None where there are none. Of several panels the one with most of them.

    Args:
        panels: of the cases to look at.
        validation: of the cases that thresholds are chosen on.
        recipe: of the trainings.
        unit: of the trainings.
        rule: the operating point; None for Youden's.
    """
    fitting = [(panel, _rows(panel.runs, recipe, unit)) for panel in panels]
    panel, rows = max(fitting, key=lambda found: len(found[1]), default=(None, np.empty(0, np.intp)))
    if panel is None or len(rows) == 0:
        return None
    kept = replace(panel, runs=panel.runs.iloc[rows].reset_index(drop=True), scores=panel.scores[rows])
    where = {run: (chosen_on, row) for chosen_on in validation for row, run in enumerate(chosen_on.runs["run_id"])}
    return CaseScores(kept, _thresholds(kept, where, rule or OperatingRule()))


def _rows(runs: pd.DataFrame, recipe: str, unit: str) -> NDArray[np.intp]:
    return np.flatnonzero((runs["recipe"] == recipe) & (runs["unit"] == unit))


def _thresholds(panel: Panel, where: dict[str, tuple[Panel, int]], rule: OperatingRule) -> Floats:
    chosen = np.full((len(panel.runs), len(panel.findings)), np.nan)
    for number, run in enumerate(panel.runs["run_id"]):
        if run in where:
            validation, row = where[run]
            chosen[number] = run_thresholds(validation, row, panel.findings, np.ones((1, len(validation.cases))), rule)[:, 0]
    return chosen


def arm_answers(scores: CaseScores, arm: Arm, cases: slice | NDArray[np.intp] = slice(None)) -> ArmAnswers:
    """What the trainings of `arm` say of `cases` (numbers in the panel), of all of them by default."""
    values = scores.panel.scores[arm.runs][:, :, cases]
    cuts = scores.thresholds[arm.runs][:, :, None]
    n = len(arm.runs)
    n_positive = (values >= cuts).sum(axis=0)
    known = np.broadcast_to(~np.isnan(cuts).any(axis=0), n_positive.shape)
    answer = np.select([~known, 2 * n_positive > n, 2 * n_positive < n], [NO_ANSWER, POSITIVE, NEGATIVE], SPLIT).astype(object)
    spread = values.std(axis=0, ddof=1) if n > 1 else np.full(n_positive.shape, np.nan)
    return ArmAnswers(n, values.mean(axis=0), spread, n_positive, answer, (values - cuts).mean(axis=0))


def trainings_of_case(scores: CaseScores, case_id: str) -> pd.DataFrame:
    """What every training says of one case, one row a finding and training, with `TRAINING_COLUMNS`; `positive` is NaN without threshold.

    Raises:
        KeyError: the case is not in the panel.
    """
    return trainings_table(scores, scores.panel.scores[:, :, scores.places[case_id]])


def trainings_table(scores: CaseScores, values: Floats) -> pd.DataFrame:
    """The same for a case that the trainings of `scores` gave `values` `[n_runs, n_findings]`, one that is not in the panel perhaps."""
    panel = scores.panel
    n_findings = len(panel.findings)
    runs = panel.runs.loc[np.repeat(np.arange(len(panel.runs)), n_findings)].reset_index(drop=True)
    score, threshold = values.ravel(), scores.thresholds.ravel()
    table = runs.assign(
        finding=np.tile(np.array(panel.findings, dtype=object), len(panel.runs)),
        score=score,
        threshold=threshold,
        positive=np.where(np.isnan(threshold), np.nan, score >= threshold),
    )
    return table[list(TRAINING_COLUMNS)]
