"""The worklist: which cases to look at first, filtered and sorted by what the models said of them."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import subgroups
from dpmed_core.evaluation.cases.case_scores import NEGATIVE, NO_ANSWER, POSITIVE, SPLIT, ArmAnswers, CaseScores, arm_answers
from dpmed_core.evaluation.statistics.arms import Arm
from dpmed_core.evaluation.statistics.auroc_panel import MACRO

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"
DIFFER, AGREE = "differ", "agree"
EVERY = "every"
"""In a filter: nothing is left out."""
Facet = Literal["truth", "answer", "agreement", "subgroup"]
FACETS: dict[Facet, tuple[str, ...]] = {
    "truth": (PRESENT, ABSENT, UNKNOWN),
    "answer": (POSITIVE, NEGATIVE, SPLIT, NO_ANSWER),
    "agreement": (DIFFER, AGREE, UNKNOWN),
    "subgroup": (),
}
"""The columns of the worklist that can be filtered by, with their values; those of `subgroup` depend on the attribute."""
Sorting = Literal["change", "uncertainty", "score", "border", "none"]
SORTINGS: dict[Sorting, str] = {
    "change": "Largest change of score through privacy",
    "uncertainty": "Largest spread between private trainings",
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
    "subgroup",
)
Floats = NDArray[np.float64]


def worklist(scores: CaseScores, *, finding: str, epsilon: float | None, attribute: str | None = None) -> pd.DataFrame:
    """One row a case, in stored order, with `WORKLIST_COLUMNS`; NaN or "none" for what no training says.

    `change` is the mean private score minus the mean score without privacy.

    Args:
        scores: the trainings.
        finding: a finding; or "macro", for each case the finding whose score privacy changed most.
        epsilon: a trained target; None where no private training is there.
        attribute: of the column `subgroup`, as `cohort.groups.subgroups` takes it; None for everybody.

    Raises:
        CohortError: there is no such attribute.
    """
    panel = scores.panel
    private, twin = _answers(scores, None if epsilon is None else scores.private(epsilon)), _answers(scores, scores.twin)
    change = private.score - twin.score
    picked, number = _picked(panel.findings, finding, change), np.arange(len(panel.cases))
    labels = panel.labels[picked, number]
    answer, without = private.answer[picked, number], twin.answer[picked, number]
    return pd.DataFrame(
        {
            "case_id": panel.cases["case_id"].to_numpy(),
            "finding": np.array(panel.findings, dtype=object)[picked],
            "truth": truth(labels),
            "answer": answer,
            "answer_without": without,
            "agreement": _agreement(answer, without),
            "score": private.score[picked, number],
            "spread": private.spread[picked, number],
            "score_without": twin.score[picked, number],
            "change": change[picked, number],
            "distance": private.distance[picked, number],
            "subgroup": subgroup_of(panel.cases, attribute),
        }
    )[list(WORKLIST_COLUMNS)]


def unscored_worklist(cases: pd.DataFrame, findings: Sequence[str], *, finding: str, attribute: str | None = None) -> pd.DataFrame:
    """The same for cases that no training scored; where `finding` is "macro", the truth is whether any finding is present.

    Args:
        cases: rows of a cohort's cases.
        findings: the cohort's.
        finding: a finding or "macro".
        attribute: of the column `subgroup`.
    """
    labels = cases[list(findings) if finding == MACRO else [finding]].max(axis=1, skipna=False).to_numpy(dtype=float)
    if finding == MACRO:
        labels = np.where((cases[list(findings)] == 1).any(axis=1), 1.0, labels)
    nothing = dict.fromkeys(("score", "spread", "score_without", "change", "distance"), np.nan)
    known = {"case_id": cases["case_id"].to_numpy(), "finding": finding, "truth": truth(labels)}
    said = {"answer": NO_ANSWER, "answer_without": NO_ANSWER, "agreement": UNKNOWN, "subgroup": subgroup_of(cases, attribute)}
    return pd.DataFrame({**known, **said, **nothing}, index=range(len(cases)))[list(WORKLIST_COLUMNS)]


def selected(table: pd.DataFrame, filters: Mapping[Facet, str]) -> pd.DataFrame:
    """The rows of a worklist that `filters` leave; a facet that is not named, or `EVERY`, leaves out nothing."""
    return table[_mask(table, filters)]


def facet_counts(table: pd.DataFrame, filters: Mapping[Facet, str]) -> dict[Facet, dict[str, int]]:
    """How many cases each value of each facet would leave under the other filters; `EVERY` among the values."""
    counts: dict[Facet, dict[str, int]] = {}
    for facet, values in FACETS.items():
        left = table.loc[_mask(table, {name: value for name, value in filters.items() if name != facet}), facet]
        found = left.value_counts()
        options = values or tuple(table[facet].cat.categories)
        counts[facet] = {EVERY: len(left), **{value: int(found.get(value, 0)) for value in options}}
    return counts


def ordered(table: pd.DataFrame, sorting: Sorting) -> pd.DataFrame:
    """The rows of a worklist with what `sorting` asks for first; equal ones, and those without a value, as stored."""
    if sorting == "none":
        return table
    keys = {"change": -table["change"].abs(), "uncertainty": -table["spread"], "score": -table["score"], "border": table["distance"].abs()}
    return table.iloc[np.argsort(keys[sorting].fillna(np.inf).to_numpy(), kind="stable")]


def stepped(order: Sequence[str], current: str, by: int) -> str:
    """The case `by` places after `current` in `order`, at most the first or the last; the first where `current` is not in it."""
    if current not in order:
        return order[0]
    return order[min(max(order.index(current) + by, 0), len(order) - 1)]


def truth(labels: Floats) -> NDArray[np.object_]:
    """`PRESENT`, `ABSENT` or `UNKNOWN` for labels 1, 0 and NaN."""
    return np.select([labels == 1, labels == 0], [PRESENT, ABSENT], UNKNOWN).astype(object)


def subgroup_of(cases: pd.DataFrame, attribute: str | None) -> pd.Series:
    """The subgroup of each case, numbered as the cases are; everybody in one where no attribute is named."""
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
    """The answers of `arm`; nothing but "none" where nothing was trained so."""
    if arm is not None:
        return arm_answers(scores, arm)
    shape = scores.panel.labels.shape
    nothing = np.full(shape, np.nan)
    return ArmAnswers(0, nothing, nothing, np.zeros(shape, np.intp), np.full(shape, NO_ANSWER, dtype=object), nothing)


def _picked(findings: Sequence[str], finding: str, change: Floats) -> NDArray[np.intp]:
    """For each case the number of `finding`, or of the finding with the largest change."""
    if finding != MACRO:
        return np.full(change.shape[1], list(findings).index(finding), dtype=np.intp)
    return np.asarray(np.nan_to_num(np.abs(change)).argmax(axis=0))


def _agreement(answer: NDArray[np.object_], without: NDArray[np.object_]) -> NDArray[np.object_]:
    clear = np.isin(answer, (POSITIVE, NEGATIVE)) & np.isin(without, (POSITIVE, NEGATIVE))
    return np.select([clear & (answer != without), clear], [DIFFER, AGREE], UNKNOWN).astype(object)
