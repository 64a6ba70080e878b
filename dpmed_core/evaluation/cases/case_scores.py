"""Score and answer of every training run for every case: what the worklist and the view of one case are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.arms import Arm, arms_of
from dpmed_core.evaluation.scores.operating_point import OperatingRule, run_thresholds
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS

POSITIVE, NEGATIVE, SPLIT, NO_ANSWER = "positive", "negative", "split", "none"
"""An arm's answer: that of more than half of its training runs; split where they are half and half; none where one has no threshold."""
TRAINING_COLUMNS = ("finding", *(name for name in RUN_COLUMNS if name != "recipe"), "score", "threshold", "positive", "repeats")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The training runs of one recipe and unit, and their scores of the same cases.

    Attributes:
        panel: the scores; its cases are those that can be shown.
        thresholds: `[n_runs, n_findings]`, each chosen on the validation patients for its own run; NaN where there are too few of them.
    """

    panel: Panel = field(repr=False)
    thresholds: Floats = field(repr=False)

    @cached_property
    def arms(self) -> list[Arm]:
        """The training runs grouped by privacy budget."""
        return arms_of(self.panel.runs, self.panel.scores)

    @cached_property
    def case_index(self) -> dict[str, int]:
        """The index of each case in the panel, by case_id."""
        return {case_id: index for index, case_id in enumerate(self.panel.cases["case_id"])}

    @property
    def non_private(self) -> Arm | None:
        """The non-private references; None where there are none."""
        return next((arm for arm in self.arms if not arm.is_private), None)

    def private(self, epsilon: float) -> Arm | None:
        """The training runs at the privacy budget `epsilon`; None where there are none."""
        return next((arm for arm in self.arms if arm.epsilon == epsilon), None)

    def runs_at(self, epsilon: float) -> list[str]:
        """The run_ids of the training runs at the privacy budget `epsilon`."""
        return [str(run_id) for run_id in self.panel.runs.loc[self.panel.runs["epsilon"] == epsilon, "run_id"]]

    def first_run(self, arm: Arm) -> int:
        """Index of the run of `arm` with the smallest seed: the one that stands for a single model, whichever others were trained."""
        return int(arm.runs[np.argmin(self.panel.runs["seed"].to_numpy()[arm.runs])])

    @cached_property
    def at_common_threshold(self) -> "CaseScores":
        """The same scores with one threshold for all, that of the first non-private reference; with their own where there is none."""
        if self.non_private is None:
            return self
        common = self.thresholds[self.first_run(self.non_private)]
        return replace(self, thresholds=np.broadcast_to(common, self.thresholds.shape))

    def of(self, finding: str) -> "CaseScores":
        """The same training runs and cases for one finding."""
        row = [self.panel.findings.index(finding)]
        labels, values = self.panel.labels[row], self.panel.scores[:, row]
        unusable = None if self.panel.unusable is None else self.panel.unusable[row]
        panel = replace(self.panel, findings=(finding,), labels=labels, scores=values, unusable=unusable, kept=None)
        return CaseScores(panel, self.thresholds[:, row])

    @property
    def epsilons(self) -> list[float]:
        """The trained privacy budgets, in increasing order."""
        return sorted({arm.epsilon for arm in self.arms if arm.is_private})


@dataclass(frozen=True, eq=False)
class ArmAnswers:
    """Scores and answers of the training runs of one arm; arrays `[n_findings, n_cases]`.

    Attributes:
        n_trainings: number of training runs.
        score: mean over the training runs, 0 to 1.
        spread: standard deviation between them; NaN where there is one.
        n_positive: training runs that call the case positive.
        answer: `POSITIVE`, `NEGATIVE`, `SPLIT` or `NO_ANSWER`.
        distance: mean of score minus threshold over the training runs, each with its own; NaN where one has no threshold.
    """

    n_trainings: int
    score: Floats = field(repr=False)
    spread: Floats = field(repr=False)
    n_positive: NDArray[np.intp] = field(repr=False)
    answer: NDArray[np.object_] = field(repr=False)
    distance: Floats = field(repr=False)


def case_scores(panels: Sequence[Panel], validation: Sequence[Panel], *, recipe: str, unit: str) -> CaseScores | None:
    """The training runs of `recipe` and `unit`; None where there are none. Of several panels, the one with most of them is taken.

    Args:
        panels: of the cases to show.
        validation: of the cases on which thresholds are chosen.
        recipe: of the training runs.
        unit: of the training runs.
    """
    # Runs that scored different cases are in different panels; a comparison needs the same cases, so one panel is taken.
    fitting = [(panel, _rows(panel.runs, recipe, unit)) for panel in panels]
    panel, rows = max(fitting, key=lambda found: len(found[1]), default=(None, np.empty(0, np.intp)))
    if panel is None or len(rows) == 0:
        return None
    kept = replace(panel, runs=panel.runs.iloc[rows].reset_index(drop=True), scores=panel.scores[rows])
    where = {run: (chosen_on, row) for chosen_on in validation for row, run in enumerate(chosen_on.runs["run_id"])}
    return CaseScores(kept, _thresholds(kept, where, OperatingRule()))


def _rows(runs: pd.DataFrame, recipe: str, unit: str) -> NDArray[np.intp]:
    return np.flatnonzero((runs["recipe"] == recipe) & (runs["unit"] == unit))


def _thresholds(panel: Panel, where: dict[str, tuple[Panel, int]], rule: OperatingRule) -> Floats:
    """The threshold `[n_runs, n_findings]` of each run by `rule`; `where` holds each run's validation panel and its row there."""
    chosen = np.full((len(panel.runs), len(panel.findings)), np.nan)
    for number, run in enumerate(panel.runs["run_id"]):
        if run in where:
            validation, row = where[run]
            chosen[number] = run_thresholds(validation, row, panel.findings, np.ones((1, len(validation.cases))), rule)[:, 0]
    return chosen


def arm_answers(scores: CaseScores, arm: Arm, cases: slice | NDArray[np.intp] = slice(None)) -> ArmAnswers:
    """Scores and answers of `arm` for `cases` (indices in the panel), for all of them by default.

    Each training run answers by its own threshold, and the arm by majority. A threshold for the mean score would be that of a model that
    nobody trained, and one threshold for all runs would ignore that runs differ in scale.
    """
    values = scores.panel.scores[arm.runs][:, :, cases]
    cuts = scores.thresholds[arm.runs][:, :, None]
    n = len(arm.runs)
    # A comparison with NaN is False, so a run without a threshold would count as negative; `known` takes those findings out.
    n_positive = (values >= cuts).sum(axis=0)
    known = np.broadcast_to(~np.isnan(cuts).any(axis=0), n_positive.shape)
    answer = words_where([~known, 2 * n_positive > n, 2 * n_positive < n], [NO_ANSWER, POSITIVE, NEGATIVE], SPLIT)
    spread = values.std(axis=0, ddof=1) if n > 1 else np.full(n_positive.shape, np.nan)
    return ArmAnswers(n, values.mean(axis=0), spread, n_positive, answer, (values - cuts).mean(axis=0))


def words_where(conditions: Sequence[NDArray[np.bool_]], words: Sequence[str], otherwise: str) -> NDArray[np.object_]:
    """As `np.select`, of one `str` for each word: making one for every case of a large cohort would take most of the time."""
    each = np.array([*words, otherwise], dtype=object)
    return np.asarray(each[np.select(conditions, range(len(words)), len(words))])


def trainings_of_case(scores: CaseScores, case_id: str) -> pd.DataFrame:
    """Score and answer of every training run for one case, with `TRAINING_COLUMNS`; `positive` is NaN where there is no threshold.

    `repeats` marks runs that score every case like an earlier run of their arm, and so are not another model (`scores.arms`).

    Raises:
        KeyError: the case is not in the panel.
    """
    return trainings_table(scores, scores.panel.scores[:, :, scores.case_index[case_id]])


def trainings_table(scores: CaseScores, values: Floats) -> pd.DataFrame:
    """The table of `trainings_of_case` for a case outside the panel, from its scores `values` `[n_runs, n_findings]`."""
    panel = scores.panel
    n_findings = len(panel.findings)
    runs = panel.runs.loc[np.repeat(np.arange(len(panel.runs)), n_findings)].reset_index(drop=True)
    score, threshold = values.ravel(), scores.thresholds.ravel()
    repeats = np.zeros(len(panel.runs), dtype=bool)
    for arm in scores.arms:
        repeats[arm.runs] = arm.repeats
    table = runs.assign(
        repeats=np.repeat(repeats, n_findings),
        finding=np.tile(np.array(panel.findings, dtype=object), len(panel.runs)),
        score=score,
        threshold=threshold,
        positive=np.where(np.isnan(threshold), np.nan, score >= threshold),
    )
    return table[list(TRAINING_COLUMNS)]
