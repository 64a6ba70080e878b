"""The worklist: cases filtered and sorted by the models' scores and answers."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import subgroups
from dpmed_core.evaluation.cases.case_scores import (
    NEGATIVE,
    NO_ANSWER,
    POSITIVE,
    SPLIT,
    ArmAnswers,
    CaseScores,
    arm_answers,
    words_where,
)
from dpmed_core.evaluation.scores.arms import Arm
from dpmed_core.evaluation.scores.findings import MACRO

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"
DIFFER, AGREE = "differ", "agree"
EVERY = "every"
"""As a filter: no case is left out."""
Facet = Literal["truth", "answer", "agreement", "subgroup"]
FACETS: dict[Facet, tuple[str, ...]] = {
    "truth": (PRESENT, ABSENT, UNKNOWN),
    "answer": (POSITIVE, NEGATIVE, SPLIT, NO_ANSWER),
    "agreement": (DIFFER, AGREE, UNKNOWN),
    "subgroup": (),
}
"""The columns by which the worklist can be filtered, with their values; those of `subgroup` depend on the attribute."""
Sorting = Literal["harm", "change", "uncertainty", "score", "border", "none"]
SORTINGS: dict[Sorting, str] = {
    "harm": "Changed answers first, harmful ones on top",
    "change": "Largest change of score with privacy",
    "uncertainty": "Largest spread between private models",
    "score": "Highest private score",
    "border": "Closest to the threshold",
    "none": "As stored",
}
WORKLIST_COLUMNS = (
    "case_id",
    "finding",
    "truth",
    "answer",
    "answer_without",
    "agreement",
    "score",
    "spread",
    "score_without",
    "change",
    "distance",
    "harm",
    "subgroup",
)
HARMED, HARMED_AT_ONE, CHANGED, SAME = 0, 1, 2, 3
"""The column `harm`: wrong with privacy and right without it, at own thresholds and at one for all, or at one of these; another change of
the answer, at either; no change."""
Floats = NDArray[np.float64]


def worklist(scores: CaseScores, *, finding: str, epsilon: float | None, attribute: str | None = None) -> pd.DataFrame:
    """One row per case, in stored order, with `WORKLIST_COLUMNS`; NaN or "none" where there is no training run.

    `change` is the mean private score minus the mean non-private score.

    Args:
        scores: the training runs.
        finding: a finding; or "macro", which takes for each case the finding whose score changes most with privacy.
        epsilon: a trained privacy budget; None where there is no private training run.
        attribute: of the column `subgroup`, as `cohort.groups.subgroups` takes it; None for one group of all patients.

    Raises:
        CohortError: there is no such attribute.
    """
    arms = None if epsilon is None else scores.private(epsilon), scores.non_private
    if finding != MACRO:
        scores = scores.of(finding)
    panel = scores.panel
    private, reference = (_answers(scores, arm) for arm in arms)
    change = private.score - reference.score
    chosen = _finding_indices(panel.findings, finding, change), np.arange(len(panel.cases))
    answer, without = private.answer[chosen], reference.answer[chosen]
    at_one = [_answers(scores.at_common_threshold, arm).answer[chosen] for arm in arms]
    return pd.DataFrame(
        {
            "case_id": panel.cases["case_id"].to_numpy(),
            "finding": np.array(panel.findings, dtype=object)[chosen[0]],
            "truth": truth(panel.labels[chosen]),
            "answer": answer,
            "answer_without": without,
            "agreement": _agreement(answer, without),
            "score": private.score[chosen],
            "spread": private.spread[chosen],
            "score_without": reference.score[chosen],
            "change": change[chosen],
            "distance": private.distance[chosen],
            "harm": _harm(truth(panel.labels[chosen]), (answer, without), (at_one[0], at_one[1])),
            "subgroup": subgroup_of(panel.cases, attribute),
        }
    )[list(WORKLIST_COLUMNS)]


def unscored_worklist(cases: pd.DataFrame, findings: Sequence[str], *, finding: str, attribute: str | None = None) -> pd.DataFrame:
    """The worklist of cases without scores; where `finding` is "macro", the truth is whether any finding is present.

    Args:
        cases: rows of the table of a cohort's cases.
        findings: the cohort's findings.
        finding: a finding or "macro".
        attribute: of the column `subgroup`.
    """
    labels = cases[list(findings) if finding == MACRO else [finding]].max(axis=1, skipna=False).to_numpy(dtype=float)
    if finding == MACRO:  # one finding present is enough; absent only where all labels are known
        labels = np.where((cases[list(findings)] == 1).any(axis=1), 1.0, labels)
    nothing = dict.fromkeys(("score", "spread", "score_without", "change", "distance"), np.nan)
    known = {"case_id": cases["case_id"].to_numpy(), "finding": finding, "truth": truth(labels)}
    said = {"answer": NO_ANSWER, "answer_without": NO_ANSWER, "agreement": UNKNOWN, "subgroup": subgroup_of(cases, attribute)}
    return pd.DataFrame({**known, **said, **nothing, "harm": SAME}, index=range(len(cases)))[list(WORKLIST_COLUMNS)]


def selected(table: pd.DataFrame, filters: Mapping[Facet, str]) -> pd.DataFrame:
    """The rows of a worklist that `filters` leave; a facet that is not named, or `EVERY`, leaves out nothing."""
    return table[_mask(table, filters)]


def facet_counts(table: pd.DataFrame, filters: Mapping[Facet, str]) -> dict[Facet, dict[str, int]]:
    """The number of cases that each value of each facet would leave, together with the filters of the other facets; also for `EVERY`."""
    counts: dict[Facet, dict[str, int]] = {}
    for facet, values in FACETS.items():
        # Without the facet's own filter: its other values would otherwise all count 0 as soon as one is chosen.
        left = table.loc[_mask(table, {name: value for name, value in filters.items() if name != facet}), facet]
        found = left.value_counts()
        options = values or tuple(table[facet].cat.categories)
        counts[facet] = {EVERY: len(left), **{value: int(found.get(value, 0)) for value in options}}
    return counts


def ordered(table: pd.DataFrame, sorting: Sorting) -> pd.DataFrame:
    """The rows of a worklist in the order `sorting`; ties stay in stored order, and rows without a value come last."""
    if sorting == "none":
        return table
    # Signs turn "largest first" into rising order; NaN becomes infinite so that cases without a value come last under every sorting.
    keys = {
        "harm": table["harm"] - table["change"].abs().fillna(0) / 2,
        "change": -table["change"].abs(),
        "uncertainty": -table["spread"],
        "score": -table["score"],
        "border": table["distance"].abs(),
    }
    return table.iloc[np.argsort(keys[sorting].fillna(np.inf).to_numpy(), kind="stable")]


def stepped(order: Sequence[str], current: str, by: int) -> str:
    """The case `by` positions after `current` in `order`, at most the first or the last; the first where `current` is not in `order`."""
    if current not in order:
        return order[0]
    return order[min(max(order.index(current) + by, 0), len(order) - 1)]


def truth(labels: Floats) -> NDArray[np.object_]:
    """`PRESENT`, `ABSENT` or `UNKNOWN` for labels 1, 0 and NaN."""
    return words_where([labels == 1, labels == 0], [PRESENT, ABSENT], UNKNOWN)


def subgroup_of(cases: pd.DataFrame, attribute: str | None) -> pd.Series:
    """The subgroup of each case, indexed from 0; one subgroup of all cases where `attribute` is None."""
    if attribute is None:
        return pd.Series(pd.Categorical(["all"] * len(cases), categories=["all"]))
    return subgroups(cases, attribute).reset_index(drop=True)


def _mask(table: pd.DataFrame, filters: Mapping[Facet, str]) -> NDArray[np.bool_]:
    kept = np.ones(len(table), dtype=bool)
    for facet, value in filters.items():
        if value != EVERY:
            kept &= (table[facet] == value).to_numpy()
    return kept


def _answers(scores: CaseScores, arm: Arm | None) -> ArmAnswers:
    """The answers of `arm`; NaN and "none" throughout where there is no arm."""
    if arm is not None:
        return arm_answers(scores, arm)
    shape = scores.panel.labels.shape
    nothing = np.full(shape, np.nan)
    return ArmAnswers(0, nothing, nothing, np.zeros(shape, np.intp), np.full(shape, NO_ANSWER, dtype=object), nothing)


def _finding_indices(findings: Sequence[str], finding: str, change: Floats) -> NDArray[np.intp]:
    """For each case the index of `finding`; of "macro", that of the finding with the largest change, or the first where none changed."""
    if finding != MACRO:
        return np.full(change.shape[1], list(findings).index(finding), dtype=np.intp)
    return np.asarray(np.nan_to_num(np.abs(change)).argmax(axis=0))  # NaN as 0: argmax would choose the NaN


def _harm(
    truths: NDArray[np.object_],
    own: tuple[NDArray[np.object_], NDArray[np.object_]],
    at_one: tuple[NDArray[np.object_], NDArray[np.object_]],
) -> NDArray[np.intp]:
    """The column `harm` of the worklist, from the private and non-private answers at own thresholds and at one for all."""
    right = words_where([truths == PRESENT, truths == ABSENT], [POSITIVE, NEGATIVE], "")
    harmed, changed = [], []
    for answer, without in (own, at_one):
        differs = _agreement(answer, without) == DIFFER
        changed.append(differs)
        harmed.append(differs & (without == right))
    return np.select([harmed[0] & harmed[1], harmed[0] | harmed[1], changed[0] | changed[1]], [HARMED, HARMED_AT_ONE, CHANGED], SAME)


def _agreement(answer: NDArray[np.object_], without: NDArray[np.object_]) -> NDArray[np.object_]:
    """Whether private and non-private models agree; `UNKNOWN` unless both have a majority."""
    clear = np.isin(answer, (POSITIVE, NEGATIVE)) & np.isin(without, (POSITIVE, NEGATIVE))
    return words_where([clear & (answer != without), clear], [DIFFER, AGREE], UNKNOWN)
