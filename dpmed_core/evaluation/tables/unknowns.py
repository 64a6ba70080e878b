"""What values would be if what is unknown were known: the extremes of every unknown label, and of every patient of unknown group.

Images of unknown label, and in subgroups patients of unknown group, are left out of all tables. That is right if what is unknown is like
the rest. These rows say how far values could move if it is not: if every unknown label were positive, or every one negative (worst and best
case of a share, as in Horowitz & Manski 2000, Journal of the American Statistical Association 95; for a ranking the two are examples, not
bounds), and if everybody of unknown group belonged to the subgroup.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import Measured, mean_over_findings, measure
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import ARM_COLUMNS, Arm
from dpmed_core.evaluation.scores.grouping import Beside
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.tables.utility import by_place

POSITIVE, NEGATIVE, MEMBERS = "if_positive", "if_negative", "if_members"
Floats = NDArray[np.float64]


def unknown_columns(metric: Metric) -> list[str]:
    """The columns of `unknown_rows`."""
    values = [
        f"{name}{end}" for name in (metric.name, "difference") for end in ("", *(f"_{case}" for case in (POSITIVE, NEGATIVE, MEMBERS)))
    ]
    return [*ARM_COLUMNS, "attribute", "subgroup", "finding", *values, "n_cases", "n_unknown_labels", "n_unknown_group"]


def unknown_rows(metric: Metric, measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """One row an arm, subgroup and finding, with `unknown_columns`; means over training runs, without intervals.

    if_positive and if_negative: with every unknown label set so. if_members: with everybody of unknown group in this subgroup; blank for
    everybody. difference: private minus the non-private reference of the same recipe and unit, under the same assumption. n_unknown_labels
    are images in the subgroup, n_unknown_group images of known label of everybody of unknown group. The mean over findings is of the same
    findings throughout.

    Args:
        metric: which.
        measured: of that metric, by panel.
        attributes: which rows; "all" for everybody.
    """
    tables = [table for one in measured for table in _of_panel(metric, one, attributes)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=unknown_columns(metric))


def _of_panel(metric: Metric, known: Measured, attributes: Sequence[str]) -> list[pd.DataFrame]:
    """The rows of each arm of a panel."""
    design = known.design
    groups = [group for of in attributes for group in known.groups_of(of).values()]
    filled = {case: measure(metric, _labelled(design, label)) for case, label in ((POSITIVE, 1.0), (NEGATIVE, 0.0))}
    with_unknown = measure(metric, design.altered(beside=Beside.WITH_UNKNOWN))
    n_unknown = filled[POSITIVE].counts["n_cases"] - known.counts["n_cases"]
    values = {arm: _values(metric.name, arm, known, filled, with_unknown) for arm in design.arms}
    tables = []
    for arm, own in values.items():
        reference = next((other for of, other in values.items() if arm.is_private and _is_reference(of, arm)), None)
        differences = {
            name.replace(metric.name, "difference", 1): array - reference[name] if reference else np.full_like(array, np.nan)
            for name, array in own.items()
        }
        counts = {
            "n_cases": known.counts["n_cases"],
            "n_unknown_labels": n_unknown,
            "n_unknown_group": _in_unknown_group(known, with_unknown),
        }
        table = by_place(known, groups, {**own, **differences, **counts}).assign(**arm.facts())
        tables.append(table[unknown_columns(metric)])
    return tables


def _labelled(design: PanelDesign, label: float) -> PanelDesign:
    return design.altered(panel=design.panel.with_unknown_labels(label))


def _is_reference(arm: Arm, private: Arm) -> bool:
    return not arm.is_private and (arm.recipe, arm.unit) == (private.recipe, private.unit)


def _values(name: str, arm: Arm, known: Measured, filled: dict[str, Measured], with_unknown: Measured) -> dict[str, Floats]:
    """The arm's values `[n_findings, n_groups]` as they are and under each assumption."""
    as_is = known.of_arm(arm).values
    in_mean = np.broadcast_to(~np.isnan(as_is[:-1, :1]), as_is[:-1].shape)
    found = {name: as_is}
    for case, measured in filled.items():
        found[f"{name}_{case}"] = _with_same_mean(measured.of_arm(arm).values, in_mean)
    wide, members = with_unknown.of_arm(arm).values, np.full_like(as_is, np.nan)
    for group, (attribute, subgroup) in enumerate(known.grouping.groups):
        place = with_unknown.groups_of(Beside.WITH_UNKNOWN.attribute(attribute)).get(subgroup)
        if place is not None:
            members[:, group] = _with_same_mean(wide[:, [place]], in_mean[:, :1])[:, 0]
    found[f"{name}_{MEMBERS}"] = members
    return found


def _with_same_mean(values: Floats, in_mean: NDArray[np.bool_]) -> Floats:
    """`values` with the mean over the findings that are `in_mean`: more may be estimable once labels are filled in."""
    return np.concatenate([values[:-1], mean_over_findings(values[:-1], in_mean)[None]])


def _in_unknown_group(known: Measured, with_unknown: Measured) -> NDArray[np.intp]:
    """Images of unknown group that each subgroup could have besides its own `[n_findings, n_groups]`."""
    n_cases, wide = known.counts["n_cases"], with_unknown.counts["n_cases"]
    found = np.zeros_like(n_cases)
    for group, (attribute, subgroup) in enumerate(known.grouping.groups):
        place = with_unknown.groups_of(Beside.WITH_UNKNOWN.attribute(attribute)).get(subgroup)
        if place is not None:
            found[:, group] = wide[:, place] - n_cases[:, group]
    return found
