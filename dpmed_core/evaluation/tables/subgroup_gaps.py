"""AUROC by subgroup, the gap between subgroups, and whether small subgroups lose more."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.statistics.auroc_panel import MACRO, Measured, measure
from dpmed_core.evaluation.statistics.intervals import freedom_of, symmetric
from dpmed_core.evaluation.tables.utility import SUBGROUP_COLUMNS, auroc_rows

GAP_COLUMNS = (
    "run_id",
    "recipe",
    "unit",
    "attribute",
    "finding",
    "epsilon",
    "seed",
    "gap",
    "gap_low",
    "gap_high",
    "largest",
    "smallest",
    "reason",
)
__all__ = ["GAP_COLUMNS", "SUBGROUP_COLUMNS", "gap_rows", "gap_table", "subgroup_table"]


def subgroup_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Utility rows for each subgroup, with `SUBGROUP_COLUMNS`; what is not estimable says why.

    Args:
        scored: scored cases.
        by: attributes, as `cohort.groups.subgroups` takes them.

    Raises:
        CohortError: there is no such attribute.
    """
    return auroc_rows(measure(scored, by), by)


def gap_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Largest minus smallest subgroup AUROC of each run, attribute and finding, with `GAP_COLUMNS`; see `gap_rows`."""
    return gap_rows(measure(scored, by), by)


def gap_rows(measured: Sequence[Measured], by: Sequence[str]) -> pd.DataFrame:
    """Largest minus smallest subgroup AUROC of each run, attribute and finding, with `GAP_COLUMNS`.

    Descriptive only: the two groups were picked because they differ most, so the interval (clustered by patient, a patient may stand in
    both groups) does not account for the picking, and a gap of two equally served groups is above 0. Unknown values are no subgroup here.
    Macro compares the mean over those findings that are estimable in every subgroup.
    """
    rows = [row for m in measured for attribute in by for row in _gaps(m, attribute)]
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def _gaps(measured: Measured, attribute: str) -> Iterator[dict[str, object]]:
    groups = [number for name, number in measured.groups_of(attribute).items() if name != UNKNOWN]
    for run, facts in enumerate(measured.runs.to_dict("records")):
        for finding, name in enumerate(measured.findings):
            about = {key: facts[key] for key in ("run_id", "recipe", "unit", "epsilon", "seed")}
            yield {**about, "attribute": attribute, "finding": name, **_gap_fields(measured, run, finding, groups)}


def _gap_fields(measured: Measured, run: int, finding: int, groups: list[int]) -> dict[str, object]:
    estimable = [group for group in groups if not measured.reasons[finding, group]]
    compared = _compared_findings(measured, finding, estimable)
    if len(estimable) < 2 or not compared:
        reason = "fewer than two subgroups are estimable" if len(estimable) < 2 else "no finding is estimable in every subgroup"
        return {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "reason": reason}
    values = dict(zip(estimable, measured.values[run, compared][:, estimable].mean(axis=0), strict=True))
    largest, smallest = max(values, key=lambda g: values[g]), min(values, key=lambda g: values[g])
    influence = measured.influence[run, compared].mean(axis=0)
    squares = np.square(measured.grouping.by_patient(influence, largest) - measured.grouping.by_patient(influence, smallest))
    variance = squares.sum()
    gap = values[largest] - values[smallest]
    n_effective = measured.n_effective[finding, [largest, smallest]].min()
    low, high = symmetric(gap, variance, freedom_of(variance, np.square(squares).sum(), n_effective))
    names = measured.grouping.groups
    return {
        "gap": gap,
        "gap_low": float(low),
        "gap_high": float(high),
        "largest": names[largest][1],
        "smallest": names[smallest][1],
        "reason": "",
    }


def _compared_findings(measured: Measured, finding: int, groups: list[int]) -> list[int]:
    """The finding itself; of macro, those that are estimable in every group, so that all groups are judged on the same."""
    if measured.findings[finding] != MACRO:
        return [finding]
    return [f for f in range(len(measured.findings) - 1) if not any(measured.reasons[f, group] for group in groups)]
