"""The gap between subgroups: the largest minus the smallest value of a metric among an attribute's subgroups, for each run."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.sample_sizes import FEW_GROUPS
from dpmed_core.evaluation.statistics.intervals import symmetric
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients

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


def gap_rows(measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """Largest minus smallest value among subgroups, one row a run, attribute and finding, with `GAP_COLUMNS`.

    Descriptive only: the two groups were picked because they differ most, so the interval (clustered by patient, a patient may stand in
    both groups) does not account for the picking, and the expected gap of two groups that are served equally well is above 0. Patients of
    unknown value are left out. Macro compares the mean over those findings that are estimable in every subgroup.
    """
    rows = [row for one in measured for attribute in attributes for row in _gaps(one, attribute)]
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def mean_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """The mean gap over the training runs of an arm, without interval: each run's two groups may be others.

    Args:
        gaps: rows of `gap_rows` with delta and accountant; those without a gap are left out.
    """
    by = ["recipe", "unit", "epsilon", "delta", "accountant", "attribute", "finding"]
    grouped = gaps[gaps["gap"].notna()].groupby(by, dropna=False, sort=False, as_index=False)
    return grouped.agg(gap=("gap", "mean"), n_seeds=("run_id", "nunique"))


def _gaps(measured: Measured, attribute: str) -> Iterator[dict[str, object]]:
    groups = measured.known_groups(attribute)
    for run, facts in enumerate(measured.runs.to_dict("records")):
        for finding_index, finding in enumerate(measured.findings):
            about = {key: facts[key] for key in ("run_id", "recipe", "unit", "epsilon", "seed")}
            yield {**about, "attribute": attribute, "finding": finding, **_gap_fields(measured, run, finding_index, groups)}


def _gap_fields(measured: Measured, run: int, finding_index: int, groups: list[int]) -> dict[str, object]:
    """The gap with its interval for one run, attribute and finding, or why there is none."""
    estimable = [group for group in groups if not np.isnan(measured.values[run, finding_index, group])]
    compared = _compared_findings(measured, run, finding_index, estimable)
    if len(estimable) < 2 or not compared:
        reason = FEW_GROUPS if len(estimable) < 2 else "no finding is estimable in every subgroup"
        return {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "reason": reason}
    values = dict(zip(estimable, measured.values[run, compared][:, estimable].mean(axis=0), strict=True))
    largest, smallest = max(values, key=lambda g: values[g]), min(values, key=lambda g: values[g])
    # Averaged over findings before squaring, and subtracted by patient: images of one patient may stand in both groups (by age, say).
    influence = measured.influence[run, compared].mean(axis=0)
    of_gap = measured.grouping.by_patient(influence, largest) - measured.grouping.by_patient(influence, smallest)
    gap = values[largest] - values[smallest]
    n_effective = measured.n_effective[run, finding_index, [largest, smallest]].min()
    low, high = symmetric(gap, *jackknife_of_patients(of_gap, n_effective))
    names = measured.grouping.groups
    return {
        "gap": gap,
        "gap_low": float(low),
        "gap_high": float(high),
        "largest": names[largest][1],
        "smallest": names[smallest][1],
        "reason": "",
    }


def _compared_findings(measured: Measured, run: int, finding_index: int, groups: list[int]) -> list[int]:
    """The finding itself; of macro, those that are estimable in every group, so that all groups are judged on the same."""
    if measured.findings[finding_index] != MACRO:
        return [finding_index]
    known = ~np.isnan(measured.values[run, :-1][:, groups]).any(axis=1)
    return [int(index) for index in np.flatnonzero(known)]
