"""Fairness at an operating point: each subgroup's rates against those of all others, and the range over an attribute's subgroups."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.contrast import Contrasts, contrasts
from dpmed_core.evaluation.metrics.measured import ArmMeasured, measure
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.parity import PAPER_PARITY, PARITY_DIFFERENCES
from dpmed_core.evaluation.metrics.rates import POSITIVE_RATE, RATES, SENSITIVITY, SPECIFICITY, UNDERDIAGNOSIS
from dpmed_core.evaluation.scores.arms import ARM_COLUMNS
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.sample_sizes import FEW_GROUPS
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS

PARITY_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    *(column for difference in PARITY_DIFFERENCES for column in difference.columns),
    *COUNT_COLUMNS,
    "reason",
)
DISPARITIES = ("demographic_parity_difference", "equalized_odds_difference", "underdiagnosis_gap")
DISPARITY_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "finding",
    *DISPARITIES,
    "n_groups",
    "reason",
)
POSITIVE, FOUND, CLEARED, MISSED = (RATES.index(rate) for rate in (POSITIVE_RATE, SENSITIVITY, SPECIFICITY, UNDERDIAGNOSIS))
Floats = NDArray[np.float64]


def parity_rows(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """Each subgroup against all others of its attribute, one row an arm, subgroup and finding, with `PARITY_COLUMNS`.

    paper_parity_difference, parity_difference and underdiagnosis_difference are those of `metrics.parity`. Others are weighed by their
    images in the rate's denominator. Macro rows are means over findings of such differences. 95 % intervals by patient.
    """
    rows = [row for design in designs for row in _parity_of_panel(design)]
    return pd.DataFrame(rows, columns=list(PARITY_COLUMNS))


def _parity_of_panel(design: PanelDesign) -> Iterator[dict[str, object]]:
    by_metric = {difference: _of_arms(difference, design) for difference in PARITY_DIFFERENCES}
    for arm_index in range(len(design.arms)):
        for attribute in design.by:
            found = {difference: contrasts(arms[arm_index], attribute) for difference, arms in by_metric.items()}
            yield from _parity_of_attribute(by_metric[PAPER_PARITY][arm_index], found)


def _parity_of_attribute(arm: ArmMeasured, found: dict[Metric, Contrasts]) -> Iterator[dict[str, object]]:
    """The rows of one arm and attribute; all differences are of the same subgroups, in the same order."""
    for finding_index, finding in enumerate(arm.measured.findings):
        for column, group in enumerate(found[PAPER_PARITY].groups):
            values = {
                name: array[finding_index, column]
                for difference, of in found.items()
                for name, array in zip(difference.columns, (of.values, of.low, of.high), strict=True)
            }
            attribute, subgroup = arm.measured.grouping.groups[group]
            counts = {name: int(numbers[finding_index, group]) for name, numbers in arm.measured.counts.items()}
            # A subgroup with enough of both classes has an accuracy; without a contrast of it there is no second subgroup to compare with.
            reason = str(arm.reasons[finding_index, group]) or (FEW_GROUPS if np.isnan(values[PAPER_PARITY.name]) else "")
            place = {"attribute": attribute, "subgroup": subgroup, "finding": finding}
            yield {**arm.arm.facts(), **place, **values, **counts, "reason": reason}


def disparity_rows(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """The range of rates over the subgroups of an attribute, one row an arm, attribute and finding, with `DISPARITY_COLUMNS`.

    demographic_parity_difference: largest minus smallest share called positive. equalized_odds_difference: the larger of the ranges of
    sensitivity and of the false-positive rate. underdiagnosis_gap: the range of underdiagnosis. As in Fairlearn, over the subgroups that
    are estimable, and descriptive: the two groups were picked because they differ most. Patients of unknown value are left out. Over
    several training runs it is the mean of each run's own disparity: averaging rates first would hide disparities that run in different
    directions in different runs.
    """
    rows = [row for design in designs for row in _disparity_of_panel(design)]
    return pd.DataFrame(rows, columns=list(DISPARITY_COLUMNS))


def _disparity_of_panel(design: PanelDesign) -> Iterator[dict[str, object]]:
    by_metric = [_of_arms(metric, design) for metric in RATES]
    for arm_index, arm in enumerate(design.arms):
        for attribute in design.by:
            measured = by_metric[0][arm_index].measured
            groups = measured.known_groups(attribute)
            # [n_rates, n_runs, n_findings, n_groups]: each run classifies by itself, and so has a disparity of its own.
            rates = np.stack([arms[arm_index].by_run[:, :-1][:, :, groups] for arms in by_metric])
            each = [_disparity_over_runs(rates[:, :, finding_index]) for finding_index in range(rates.shape[2])]
            for finding, found in zip(measured.findings, [*each, _mean_disparity(each)], strict=True):
                yield {**arm.facts(), "attribute": attribute, "finding": finding, **found}


def _of_arms(metric: Metric, design: PanelDesign) -> list[ArmMeasured]:
    measured = measure(metric, design)
    return [measured.of_arm(arm) for arm in design.arms]


def _disparity_over_runs(rates: Floats) -> dict[str, object]:
    """The mean over training runs of the fields of one finding, from the `RATES` in each run and subgroup `[n_rates, n_runs, n_groups]`.

    A subgroup is estimable in all runs or in none (`ArmMeasured`), so that reason and number of groups are those of any run.
    """
    of_runs = [_disparity(rates[:, run]) for run in range(rates.shape[1])]
    means = pd.DataFrame(of_runs)[list(DISPARITIES)].mean(skipna=False)
    return {**of_runs[0], **{name: float(means[name]) for name in DISPARITIES}}


def _disparity(rates: Floats) -> dict[str, object]:
    """The fields of one finding, from the `RATES` in each subgroup `[n_rates, n_groups]`, in their order."""
    enough = (~np.isnan(rates)).sum(axis=1) > 1
    spread = np.full(len(rates), np.nan)
    if enough.any():
        spread[enough] = np.nanmax(rates[enough], axis=1) - np.nanmin(rates[enough], axis=1)
    return {
        "demographic_parity_difference": spread[POSITIVE],
        # The range of the false-positive rate is that of the specificity, 1 minus it.
        "equalized_odds_difference": max(spread[FOUND], spread[CLEARED]) if enough[[FOUND, CLEARED]].all() else np.nan,
        "underdiagnosis_gap": spread[MISSED],
        "n_groups": int((~np.isnan(rates[FOUND])).sum()),
        "reason": "" if enough.all() else FEW_GROUPS,
    }


def _mean_disparity(each: Sequence[dict[str, object]]) -> dict[str, object]:
    """Macro: the mean over the findings that have the difference; n_groups is the largest."""
    table = pd.DataFrame(each)
    reason = "" if (table["reason"] == "").any() else FEW_GROUPS
    means: dict[str, object] = {name: float(table[name].mean()) for name in DISPARITIES}
    return {**means, "n_groups": int(table["n_groups"].max()), "reason": reason}
