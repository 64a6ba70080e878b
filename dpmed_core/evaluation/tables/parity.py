"""Fairness at an operating point: the paper's statistical parity difference, the textbook one, equalised odds, underdiagnosis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.statistics.auroc_panel import MACRO
from dpmed_core.evaluation.statistics.intervals import freedom_of, symmetric
from dpmed_core.evaluation.tables.rates import ARM_COLUMNS, RATES, Rated, arm_facts, rate, with_thresholds_and_trainings

ACCURACY, POSITIVE_RATE, SENSITIVITY, SPECIFICITY, UNDERDIAGNOSIS = (
    RATES.index(name) for name in ("accuracy", "positive_rate", "sensitivity", "specificity", "underdiagnosis")
)
DIFFERENCES = {
    "paper_parity_difference": ACCURACY,
    "parity_difference": POSITIVE_RATE,
    "underdiagnosis_difference": UNDERDIAGNOSIS,
}
"""Each a group's rate minus that of all others."""
PARITY_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    *(f"{name}{end}" for name in DIFFERENCES for end in ("", "_low", "_high")),
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
DISPARITY_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "finding",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "underdiagnosis_gap",
    "n_groups",
    "reason",
)
FEW_GROUPS = "fewer than two subgroups are estimable"
Floats = NDArray[np.float64]


def parity_table(scored: pd.DataFrame, by: Sequence[str], *, rule: OperatingRule | None = None) -> pd.DataFrame:
    """Each subgroup against all others of its attribute, one row a budget, subgroup and finding, with `PARITY_COLUMNS`.

    paper_parity_difference is the paper's statistical parity difference: a group's accuracy minus the size-weighted accuracy of all others.
    parity_difference is the textbook's: the share of its images called positive minus that of all others. underdiagnosis_difference: the
    share of its images with the finding that are called negative, minus that of all others. Others are weighed by their images in the
    rate's denominator. Macro rows are means over findings of such differences. 95 % intervals by patient.

    Args:
        scored: scored cases with their validation part.
        by: attributes, as `cohort.groups.subgroups` takes them.
        rule: the operating point; None for Youden's.
    """
    return parity_rows(rate(scored, by, rule=rule), by)


def parity_rows(rated: Sequence[Rated], by: Sequence[str]) -> pd.DataFrame:
    """The rows of `parity_table`."""
    rows = [row for r in rated for attribute in by for row in _parities(r, attribute)]
    return pd.DataFrame(rows, columns=list(PARITY_COLUMNS))


def disparity_table(scored: pd.DataFrame, by: Sequence[str], *, rule: OperatingRule | None = None) -> pd.DataFrame:
    """How far apart the subgroups of an attribute are, one row a budget, attribute and finding; see `disparity_rows`."""
    return disparity_rows(rate(scored, by, rule=rule), by)


def disparity_rows(rated: Sequence[Rated], by: Sequence[str]) -> pd.DataFrame:
    """How far apart the subgroups of an attribute are, one row a budget, attribute and finding, with `DISPARITY_COLUMNS`.

    demographic_parity_difference: largest minus smallest share called positive. equalized_odds_difference: the larger of that of the
    sensitivities and that of the false alarm rates. underdiagnosis_gap: that of the missed shares. As in Fairlearn, over the subgroups
    that are estimable, and descriptive: the two groups were picked because they differ most. Unknown values are no subgroup here.
    """
    rows = [
        {**arm_facts(r.arm), "attribute": attribute, "finding": name, **_disparity(r, attribute, finding)}
        for r in rated
        for attribute in by
        for finding, name in enumerate(r.findings)
    ]
    return pd.DataFrame(rows, columns=list(DISPARITY_COLUMNS))


def _known_groups(rated: Rated, attribute: str) -> list[int]:
    return [number for number, (of, name) in enumerate(rated.grouping.groups) if of == attribute and name != UNKNOWN]


def _disparity(rated: Rated, attribute: str, finding: int) -> dict[str, object]:
    if rated.findings[finding] == MACRO:
        return _mean_disparity([_disparity(rated, attribute, f) for f in range(len(rated.findings) - 1)])
    rates = rated.values[:, finding, _known_groups(rated, attribute)]
    spread = np.full(len(RATES), np.nan)
    enough = (~np.isnan(rates)).sum(axis=1) > 1
    if enough.any():
        spread[enough] = np.nanmax(rates[enough], axis=1) - np.nanmin(rates[enough], axis=1)
    return {
        "demographic_parity_difference": spread[POSITIVE_RATE],
        "equalized_odds_difference": max(spread[SENSITIVITY], spread[SPECIFICITY]) if enough[[SENSITIVITY, SPECIFICITY]].all() else np.nan,
        "underdiagnosis_gap": spread[UNDERDIAGNOSIS],
        "n_groups": int((~np.isnan(rates[SENSITIVITY])).sum()),
        "reason": "" if enough.all() else FEW_GROUPS,
    }


def _mean_disparity(each: Sequence[dict[str, object]]) -> dict[str, object]:
    """Macro: the mean over the findings that have the difference; n_groups is the largest."""
    table = pd.DataFrame(each)
    measures = [name for name in table.columns if name not in ("n_groups", "reason")]
    reason = "" if (table["reason"] == "").any() else FEW_GROUPS
    means: dict[str, object] = {name: float(table[name].mean()) for name in measures}
    return {**means, "n_groups": int(table["n_groups"].max()), "reason": reason}


def _parities(rated: Rated, attribute: str) -> Iterator[dict[str, object]]:
    groups = _known_groups(rated, attribute)
    for finding, name in enumerate(rated.findings):
        columns = {key: _differences(rated, rate_number, finding, groups) for key, rate_number in DIFFERENCES.items()}
        for i, group in enumerate(groups):
            values = {
                f"{key}{end}": array[i] for key, arrays in columns.items() for end, array in zip(("", "_low", "_high"), arrays, strict=True)
            }
            counts = {count: int(numbers[finding, group]) for count, numbers in rated.counts.items()}
            place = {"attribute": attribute, "subgroup": rated.grouping.groups[group][1], "finding": name}
            reason = str(rated.reasons[finding, group]) or (FEW_GROUPS if np.isnan(columns["paper_parity_difference"][0][i]) else "")
            yield {**arm_facts(rated.arm), **place, **values, **counts, "reason": reason}


@dataclass(frozen=True, eq=False)
class _Contrast:
    """A group's rate minus that of the others, for each group `[n_groups, ...]`; NaN where the group, or every other, has none."""

    difference: Floats
    influence: Floats
    replicates: Floats
    by_training: Floats
    n_effective: float


def _differences(rated: Rated, rate_number: int, finding: int, groups: list[int]) -> tuple[Floats, Floats, Floats]:
    """Each group's rate minus that of the others `[n_groups]`, with its interval; macro's are means over findings."""
    findings = range(len(rated.findings) - 1) if rated.findings[finding] == MACRO else [finding]
    each = [_contrast(rated, rate_number, f, groups) for f in findings]
    known = np.array([~np.isnan(one.difference) for one in each])
    difference = _mean_known([one.difference for one in each], known)
    squares = np.square(_mean_known([one.influence for one in each], known))
    variance = squares.sum(axis=1)
    n_effective = float(np.mean([one.n_effective for one in each if not np.isnan(one.n_effective)] or [1.0]))
    freedom = freedom_of(variance, np.square(squares).sum(axis=1), n_effective)
    replicates = _mean_known([one.replicates for one in each], known)
    by_training = _mean_known([one.by_training for one in each], known).T
    low, high = symmetric(difference, *with_thresholds_and_trainings(variance, freedom, replicates, by_training))
    return difference, low, high


def _mean_known(arrays: list[Floats], known: NDArray[np.bool_]) -> Floats:
    """The mean over findings of `[n_groups, ...]` arrays, each group over the findings in which it is `known` `[n_findings, n_groups]`."""
    mask = known.reshape(*known.shape, *[1] * (arrays[0].ndim - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(mask, np.stack(arrays), 0).sum(axis=0) / mask.sum(axis=0))


def _contrast(rated: Rated, rate_number: int, finding: int, groups: list[int]) -> _Contrast:
    rates = rated.values[rate_number, finding, groups]
    known = ~np.isnan(rates)
    n, n_patients = len(groups), rated.grouping.n_patients
    empty = _Contrast(
        difference=np.full(n, np.nan),
        influence=np.full((n, n_patients), np.nan),
        replicates=np.full((n, rated.replicates.shape[-1]), np.nan),
        by_training=np.full((n, len(rated.by_training)), np.nan),
        n_effective=np.nan,
    )
    if known.sum() < 2:
        return empty
    names = [group for group, is_known in zip(groups, known, strict=True) if is_known]
    sizes = rated.images[rate_number, finding, names]
    contrast = np.eye(len(names)) - (1 - np.eye(len(names))) * sizes / (sizes.sum() - sizes)[:, None]
    empty.difference[known] = contrast @ rates[known]
    empty.influence[known] = contrast @ np.stack([rated.grouping.by_patient(rated.influence[rate_number, finding], g) for g in names])
    empty.replicates[known] = contrast @ rated.replicates[rate_number, finding, names]
    empty.by_training[known] = contrast @ rated.by_training[:, rate_number, finding][:, names].T
    return replace(empty, n_effective=float(rated.n_effective[rate_number, finding, names].min()))
