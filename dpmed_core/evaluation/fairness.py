"""AUROC by subgroup, the gap between subgroups, and whether small subgroups lose more."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.intervals import freedom_of, symmetric
from dpmed_core.evaluation.measured import Measured, measure
from dpmed_core.evaluation.utility import SUBGROUP_COLUMNS, auroc_rows

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
    values = {group: measured.values[run, finding, group] for group in groups if not measured.reasons[finding, group]}
    if len(values) < 2:
        return {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "reason": "fewer than two subgroups are estimable"}
    largest, smallest = max(values, key=lambda g: values[g]), min(values, key=lambda g: values[g])
    influence = measured.influence[run, finding]
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
