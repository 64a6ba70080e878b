"""AUROC by subgroup, and the gap between subgroups."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dpmed_core.cohort.groups import UNKNOWN, subgroups
from dpmed_core.evaluation.auroc import Auroc, mean_auroc, standard_error
from dpmed_core.evaluation.utility import MACRO, UTILITY_COLUMNS, by_finding, runs_of, value_fields

SUBGROUP_COLUMNS = (*UTILITY_COLUMNS, "attribute", "subgroup")
GAP_COLUMNS = ("run_id", "recipe", "attribute", "finding", "epsilon", "seed", "gap", "gap_low", "gap_high", "largest", "smallest", "reason")


def subgroup_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Utility rows for each subgroup, with `SUBGROUP_COLUMNS`; what is not estimable says why.

    Args:
        scored: scored cases.
        by: attributes: "sex", "age" or co-morbidities.

    Raises:
        CohortError: there is no such attribute.
    """
    rows = [
        {**facts, **value_fields(finding, value), "attribute": attribute, "subgroup": subgroup}
        for attribute in by
        for facts, subgroup, values in _values(scored, attribute)
        for finding, value in values.items()
    ]
    return pd.DataFrame(rows, columns=list(SUBGROUP_COLUMNS))


def gap_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Largest minus smallest subgroup AUROC of each run, attribute and finding, with `GAP_COLUMNS`.

    Descriptive only: the two groups were picked because they differ most, so the interval (clustered by patient, a patient may stand in
    both groups) does not account for the picking, and a gap of two equally served groups is above 0. Unknown values are no subgroup here.
    """
    rows = []
    for attribute in by:
        subgroups_of: dict[str, tuple[dict[str, object], dict[str, dict[str, Auroc]]]] = {}
        for facts, subgroup, values in _values(scored, attribute):
            if subgroup != UNKNOWN:
                subgroups_of.setdefault(str(facts["run_id"]), (facts, {}))[1][subgroup] = values
        for facts, by_subgroup in subgroups_of.values():
            for finding in next(iter(by_subgroup.values())):
                values_of = {name: values[finding] for name, values in by_subgroup.items() if finding in values}
                rows.append({**facts, "attribute": attribute, "finding": finding, **_gap_fields(values_of)})
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def _values(scored: pd.DataFrame, attribute: str) -> Iterator[tuple[dict[str, object], str, dict[str, Auroc]]]:
    """Each run, subgroup and its AUROCs; influence values are aligned over the run's subgroups."""
    for facts, cases in runs_of(scored):
        membership = subgroups(cases, attribute)
        for subgroup in membership.cat.categories:
            inside = (membership == subgroup).to_numpy()
            if inside.any():
                masked = cases.assign(label=cases["label"].where(inside))
                values = by_finding(masked)
                yield facts, str(subgroup), {**values, MACRO: mean_auroc(list(values.values()))}


def _gap_fields(values: dict[str, Auroc]) -> dict[str, object]:
    estimable = {name: value for name, value in values.items() if not value.reason}
    if len(estimable) < 2:
        return {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "reason": "fewer than two subgroups are estimable"}
    largest = max(estimable, key=lambda name: estimable[name].value)
    smallest = min(estimable, key=lambda name: estimable[name].value)
    gap = estimable[largest].value - estimable[smallest].value
    influence = estimable[largest].influence - estimable[smallest].influence
    n_patients = int(np.count_nonzero(influence))
    reach = 1.959963984540054 * standard_error(influence, n_patients)
    return {"gap": gap, "gap_low": gap - reach, "gap_high": gap + reach, "largest": largest, "smallest": smallest, "reason": ""}
