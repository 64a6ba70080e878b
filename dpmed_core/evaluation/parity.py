"""Fairness at an operating point: the paper's statistical parity difference, the textbook one, equalised odds, underdiagnosis."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.intervals import freedom_of, symmetric
from dpmed_core.evaluation.operating import OperatingRule
from dpmed_core.evaluation.rates import ARM_COLUMNS, RATES, Rated, arm_facts, rate, with_thresholds_and_trainings

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
    parity_difference is the textbook's: the share of its films called positive minus that of all others. underdiagnosis_difference: the
    share of its films with the finding that are called negative, minus that of all others. Others are weighed by their films in the
    rate's denominator. 95 % intervals by patient.

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
    rates = rated.values[:, finding, _known_groups(rated, attribute)]
    spread = np.full(len(RATES), np.nan)
    enough = (~np.isnan(rates)).sum(axis=1) > 1
    spread[enough] = np.nanmax(rates[enough], axis=1) - np.nanmin(rates[enough], axis=1)
    return {
        "demographic_parity_difference": spread[POSITIVE_RATE],
        "equalized_odds_difference": max(spread[SENSITIVITY], spread[SPECIFICITY]) if enough[[SENSITIVITY, SPECIFICITY]].all() else np.nan,
        "underdiagnosis_gap": spread[UNDERDIAGNOSIS],
        "n_groups": int((~np.isnan(rates[SENSITIVITY])).sum()),
        "reason": "" if enough.all() else FEW_GROUPS,
    }


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


def _differences(rated: Rated, rate_number: int, finding: int, groups: list[int]) -> tuple[Floats, Floats, Floats]:
    """Each group's rate minus that of the others `[n_groups]`, with its interval; NaN where the group, or every other, has none."""
    rates = rated.values[rate_number, finding, groups]
    known = ~np.isnan(rates)
    if known.sum() < 2:
        nothing = np.full(len(groups), np.nan)
        return nothing, nothing, nothing
    sizes = np.where(known, rated.films[rate_number, finding, groups], 0)
    contrast = np.eye(len(groups)) - (1 - np.eye(len(groups))) * sizes / (sizes.sum() - sizes)[:, None]
    contrast = contrast[:, known]
    names = [group for group, is_known in zip(groups, known, strict=True) if is_known]
    influence = contrast @ np.stack([rated.grouping.by_patient(rated.influence[rate_number, finding], g) for g in names])
    squares = np.square(influence)
    variance = squares.sum(axis=1)
    freedom = freedom_of(variance, np.square(squares).sum(axis=1), rated.n_effective[rate_number, finding, names].min())
    replicates = contrast @ rated.replicates[rate_number, finding, names]
    by_training = rated.by_training[:, rate_number, finding][:, names] @ contrast.T
    difference = contrast @ rates[known]
    low, high = symmetric(difference, *with_thresholds_and_trainings(variance, freedom, replicates, by_training))
    return np.where(known, difference, np.nan), np.where(known, low, np.nan), np.where(known, high, np.nan)
