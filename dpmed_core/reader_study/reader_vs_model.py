"""Reader, private and non-private models on exactly the cases that were read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.cases.case_scores import CaseScores, arm_answers
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.statistics.auroc import Design, areas
from dpmed_core.evaluation.statistics.intervals import exact_share, mann_whitney_interval, symmetric
from dpmed_core.evaluation.statistics.jackknife import jackknife
from dpmed_core.reader_study.agreement import agreement

READER, PRIVATE, WITHOUT = "reader", "private", "without privacy"
RATER_COLUMNS = (
    "rater",
    "auroc",
    "auroc_low",
    "auroc_high",
    "sensitivity",
    "sensitivity_low",
    "sensitivity_high",
    "specificity",
    "specificity_low",
    "specificity_high",
    "n_positive",
    "n_negative",
    "reason",
)
PAIR_COLUMNS = (
    "first",
    "second",
    "difference",
    "difference_low",
    "difference_high",
    "agreement",
    "kappa",
    "kappa_low",
    "kappa_high",
    "n_cases",
)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rater:
    """What one rater said of the cases; arrays `[n_cases]`.

    Attributes:
        score: larger = more suspicious.
        positive: the answer; None where there is no operating point.
    """

    score: Floats = field(repr=False)
    positive: NDArray[np.bool_] | None = field(repr=False)


def reader_rater(answers: pd.DataFrame) -> Rater:
    """A reader's answers (`book.ANSWER_COLUMNS`): the score is the confidence, with the sign of the answer."""
    present = answers["present"].to_numpy(dtype=bool)
    return Rater(np.where(present, 1.0, -1.0) * answers["confidence"].to_numpy(dtype=float), present)


def model_raters(scores: CaseScores, case_ids: list[str], *, finding: str, epsilon: float | None) -> dict[str, Rater]:
    """The private models at `epsilon` and the non-private ones: mean over trainings, positive where it is at or above the mean threshold.

    Args:
        scores: what the models say.
        case_ids: the cases that were read, in the reader's order.
        finding: what was asked.
        epsilon: a trained target; None where there is none.
    """
    places = np.array([scores.places[case_id] for case_id in case_ids], dtype=np.intp)
    row = scores.panel.findings.index(finding)
    arms = {PRIVATE: scores.private(epsilon) if epsilon is not None else None, WITHOUT: scores.twin}
    raters = {}
    for name, arm in arms.items():
        if arm is not None:
            said = arm_answers(scores, arm, places)
            distance = said.distance[row]
            raters[name] = Rater(said.score[row], None if np.isnan(distance).any() else distance >= 0)
    return raters


def rater_table(raters: Mapping[str, Rater], labels: Floats) -> pd.DataFrame:
    """One row a rater with `RATER_COLUMNS`: AUROC (Newcombe), sensitivity and specificity (Clopper & Pearson), with 95 % intervals.

    Args:
        raters: by name.
        labels: `[n_cases]`, 1 or 0; the cases are of different patients.
    """
    design = _design(labels)
    reason = design.counts.reasons()[0]
    rows = []
    for name, rater in raters.items():
        value = float(areas(rater.score, design)[0][0])
        auroc = [np.nan] * 3 if reason else [value, *mann_whitney_interval(value, int((labels == 1).sum()), int((labels == 0).sum()))]
        rows.append([name, *auroc, *_share(rater, labels == 1, wanted=True), *_share(rater, labels == 0, wanted=False)])
    table = pd.DataFrame(rows, columns=list(RATER_COLUMNS[:10]))
    return table.assign(n_positive=int((labels == 1).sum()), n_negative=int((labels == 0).sum()), reason=reason)[list(RATER_COLUMNS)]


def pair_table(raters: Mapping[str, Rater], labels: Floats) -> pd.DataFrame:
    """One row a pair of raters with `PAIR_COLUMNS`: difference of AUROC on the same cases, agreement and Cohen's kappa."""
    design, rows = _design(labels), []
    hidden = bool(design.counts.reasons()[0])
    for first, second in combinations(raters, 2):
        (a, d_a), (b, d_b) = (areas(raters[name].score, design) for name in (first, second))
        low, high = symmetric(a - b, *jackknife(d_a - d_b, design.grouping, design.counts.effective))
        difference = [np.nan] * 3 if hidden else [float(one[0]) for one in (a - b, low, high)]
        answers = raters[first].positive, raters[second].positive
        agreed = [np.nan] * 4 if answers[0] is None or answers[1] is None else list(agreement(answers[0], answers[1]))
        rows.append([first, second, *difference, *agreed, len(labels)])
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _design(labels: Floats) -> Design:
    """Every case a patient of its own."""
    n = len(labels)
    return Design.of(labels, group_cases(pd.DataFrame(index=range(n)), (), np.arange(n), n_patients=n))


def _share(rater: Rater, cases: NDArray[np.bool_], *, wanted: bool) -> list[float]:
    """Share of `cases` that the rater calls `wanted`, and its interval."""
    n = int(cases.sum())
    if rater.positive is None or n == 0:
        return [np.nan] * 3
    hits = int((rater.positive[cases] == wanted).sum())
    return [hits / n, *exact_share(hits, n)]
