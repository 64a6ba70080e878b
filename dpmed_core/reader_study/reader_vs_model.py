"""A reader, a private model and a non-private reference on exactly the cases that were read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.cases.case_scores import CaseScores
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.statistics.auroc import auroc_by_group
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
    """One rater's scores and answers; arrays `[n_cases]`.

    Attributes:
        score: larger = more suspicious.
        positive: the answer; None where there is no operating point.
    """

    score: Floats = field(repr=False)
    positive: NDArray[np.bool_] | None = field(repr=False)


def reader_rater(answers: pd.DataFrame) -> Rater:
    """A reader's answers (`reader_study.store.ANSWER_COLUMNS`): the score is the confidence, with the sign of the answer."""
    present = answers["present"].to_numpy(dtype=bool)
    return Rater(confidence_rating(present, answers["confidence"].to_numpy(dtype=float)), present)


def confidence_rating(present: NDArray[np.bool_], confidence: Floats) -> Floats:
    """The ordinal rating of an answer: the confidence, with the sign of the answer.

    >>> confidence_rating(np.array([True, True, False, False]), np.array([4.0, 1.0, 1.0, 4.0])).tolist()
    [4.0, 1.0, -1.0, -4.0]
    """
    return np.where(present, confidence, -confidence)


def model_raters(scores: CaseScores, case_ids: list[str], *, finding: str, epsilon: float | None) -> dict[str, Rater]:
    """One private model at `epsilon` and one non-private reference: the training run with the smallest seed, at its own threshold.

    A mean score over runs would be a model that nobody trained, and would spend what all of its runs spend together. One reader is compared
    with one model, whose epsilon is the one that is printed.

    Args:
        scores: of the models, for all cases.
        case_ids: the cases that were read, in the reader's order.
        finding: the one that was read for.
        epsilon: a trained privacy budget; None where there is none.
    """
    rows = np.array([scores.case_index[case_id] for case_id in case_ids], dtype=np.intp)
    finding_index = scores.panel.findings.index(finding)
    arms = {PRIVATE: scores.private(epsilon) if epsilon is not None else None, WITHOUT: scores.non_private}
    raters = {}
    for name, arm in arms.items():
        if arm is not None:
            run = scores.first_run(arm)
            score, threshold = scores.panel.scores[run, finding_index, rows], scores.thresholds[run, finding_index]
            raters[name] = Rater(score, None if np.isnan(threshold) else score >= threshold)
    return raters


def rater_table(raters: Mapping[str, Rater], labels: Floats) -> pd.DataFrame:
    """One row a rater with `RATER_COLUMNS`: AUROC, sensitivity and specificity with 95 % intervals.

    Source: Newcombe 2006, Statistics in Medicine 25 (AUROC); Clopper & Pearson 1934, Biometrika 26 (shares).

    Args:
        raters: by name.
        labels: `[n_cases]`, 1 or 0; the cases are of different patients.
    """
    design = _design(labels)
    reason = design.counts.reasons()[0]
    rows = []
    # A reading has few cases, where variances estimated from them collapse near 1: hence the score interval and the exact ones.
    for name, rater in raters.items():
        value = float(auroc_by_group(rater.score, design)[0][0])
        auroc = [np.nan] * 3 if reason else [value, *mann_whitney_interval(value, int((labels == 1).sum()), int((labels == 0).sum()))]
        rows.append([name, *auroc, *_share(rater, labels == 1, wanted=True), *_share(rater, labels == 0, wanted=False)])
    table = pd.DataFrame(rows, columns=list(RATER_COLUMNS[:10]))
    return table.assign(n_positive=int((labels == 1).sum()), n_negative=int((labels == 0).sum()), reason=reason)[list(RATER_COLUMNS)]


def pair_table(raters: Mapping[str, Rater], labels: Floats) -> pd.DataFrame:
    """One row a pair of raters with `PAIR_COLUMNS`: difference of AUROC on the same cases, agreement and Cohen's kappa, 95 % intervals.

    Args:
        raters: by name.
        labels: `[n_cases]`, 1 or 0; the cases are of different patients.

    Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44 (paired AUROCs); `reader_study.agreement` (kappa).
    """
    design, rows = _design(labels), []
    hidden = bool(design.counts.reasons()[0])
    for first, second in combinations(raters, 2):
        # Both read the same cases: influence values are subtracted case by case, which is DeLong's paired test.
        (a, d_a), (b, d_b) = (auroc_by_group(raters[name].score, design) for name in (first, second))
        low, high = symmetric(a - b, *jackknife(d_a - d_b, design.grouping, design.counts.effective))
        difference = [np.nan] * 3 if hidden else [float(one[0]) for one in (a - b, low, high)]
        answers = raters[first].positive, raters[second].positive
        agreed = [np.nan] * 4 if answers[0] is None or answers[1] is None else list(agreement(answers[0], answers[1]))
        rows.append([first, second, *difference, *agreed, len(labels)])
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _design(labels: Floats) -> Design:
    """The design of cases that are each of a different patient, without subgroups."""
    n = len(labels)
    return Design.of(labels, group_cases(pd.DataFrame(index=range(n)), (), np.arange(n), n_patients=n))


def _share(rater: Rater, cases: NDArray[np.bool_], *, wanted: bool) -> list[float]:
    """Share of `cases` that the rater calls `wanted`, and its interval."""
    n = int(cases.sum())
    if rater.positive is None or n == 0:
        return [np.nan] * 3
    hits = int((rater.positive[cases] == wanted).sum())
    return [hits / n, *exact_share(hits, n)]
