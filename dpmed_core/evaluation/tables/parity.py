"""Fairness at an operating point: each subgroup's rates against those of all others, and the range over an attribute's subgroups."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.contrast import Contrasts, contrasts
from dpmed_core.evaluation.metrics.measured import NO_THRESHOLD, ArmMeasured, measure
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.parity import PAPER_PARITY, PARITY_DIFFERENCES, UNDERDIAGNOSIS_PARITY
from dpmed_core.evaluation.metrics.rates import POSITIVE_RATE, RATES, SENSITIVITY, SPECIFICITY, UNDERDIAGNOSIS
from dpmed_core.evaluation.scores.arms import ARM_COLUMNS
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.sample_sizes import FEW_GROUPS, FEWEST_PATIENTS, NOTHING_ESTIMABLE
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS, TOO_FEW_COUNTED

PARITY_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    *(column for difference in PARITY_DIFFERENCES for column in difference.columns),
    *COUNT_COLUMNS,
    *(f"{name}_others" for name in COUNT_COLUMNS),
    "reason",
    "underdiagnosis_reason",
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

    paper_parity_difference, parity_difference and underdiagnosis_difference are those of `metrics.parity`; all others are everybody of
    known value who is not in the subgroup, as one group, with their counts under `_others`. Macro rows are means over findings of such
    differences. 95 % intervals by patient. reason says why the first two have no value, which are shares of all images, and
    underdiagnosis_reason why the third has none, a share of those with the finding; each is empty where there is a value.
    """
    rows = [row for design in designs for row in _parity_of_panel(design)]
    return pd.DataFrame(rows, columns=list(PARITY_COLUMNS))


def _parity_of_panel(design: PanelDesign) -> Iterator[dict[str, object]]:
    by_metric = {difference: _of_arms(difference, design) for difference in PARITY_DIFFERENCES}
    for arm_index in range(len(design.arms)):
        for attribute in design.by:
            found = {difference: contrasts(arms[arm_index], attribute) for difference, arms in by_metric.items()}
            yield from _parity_of_attribute({difference: arms[arm_index] for difference, arms in by_metric.items()}, found)


def _parity_of_attribute(arms: dict[Metric, ArmMeasured], found: dict[Metric, Contrasts]) -> Iterator[dict[str, object]]:
    """The rows of one arm, given for each difference, and attribute; all differences are of the same subgroups, in the same order."""
    arm = arms[PAPER_PARITY]
    for finding_index, finding in enumerate(arm.measured.findings):
        for column, group in enumerate(found[PAPER_PARITY].groups):
            values = {
                name: array[finding_index, column]
                for difference, of in found.items()
                for name, array in zip(difference.columns, (of.values, of.low, of.high), strict=True)
            }
            other = found[PAPER_PARITY].others[column]
            attribute, subgroup = arm.measured.grouping.groups[group]
            counts = {name: int(numbers[finding_index, group]) for name, numbers in arm.measured.counts.items()}
            counts |= {f"{n}_others": 0 if other is None else int(of[finding_index, other]) for n, of in arm.measured.counts.items()}
            place = {"attribute": attribute, "subgroup": subgroup, "finding": finding}
            why = {
                name: _why_not(arms[difference], found[difference], finding_index, column)
                for name, difference in (("reason", PAPER_PARITY), ("underdiagnosis_reason", UNDERDIAGNOSIS_PARITY))
            }
            yield {**arm.arm.facts(), **place, **values, **counts, **why}


def _why_not(arm: ArmMeasured, found: Contrasts, finding_index: int, column: int) -> str:
    """Why there is no difference: of the subgroup, or of all others; empty where there is one."""
    group, other = found.groups[column], found.others[column]
    if not np.isnan(found.values[finding_index, column]):
        return ""
    if other is None:
        return FEW_GROUPS
    if finding_index == len(arm.values) - 1:
        in_mean = ~np.isnan(arm.values[:-1, 0])
        missing = int((in_mean & np.isnan(found.values[:-1, column])).sum())
        return f"{missing} of the {int(in_mean.sum())} findings of the mean not estimable" if missing else NOTHING_ESTIMABLE
    if np.isnan(arm.values[finding_index, group]):
        return _too_few(arm, finding_index, group)
    return f"all others: {_too_few(arm, finding_index, other)}"


def _too_few(arm: ArmMeasured, finding_index: int, group: int) -> str:
    """Why a group has no share."""
    if arm.reasons[finding_index, group] == NO_THRESHOLD:
        return NO_THRESHOLD
    few = arm.measured.counts["n_patients"][finding_index, group] < FEWEST_PATIENTS
    return f"fewer than {FEWEST_PATIENTS} patients" if few else TOO_FEW_COUNTED


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
    differences: dict[str, float] = {
        "demographic_parity_difference": float(spread[POSITIVE]),
        # The range of the false-positive rate is that of the specificity, 1 minus it.
        "equalized_odds_difference": float(max(spread[FOUND], spread[CLEARED])) if enough[[FOUND, CLEARED]].all() else np.nan,
        "underdiagnosis_gap": float(spread[MISSED]),
    }
    return {**differences, "n_groups": int((~np.isnan(rates[FOUND])).sum()), "reason": _missing(differences)}


def _missing(differences: Mapping[str, float]) -> str:
    """Why differences have no value, and which where others have one."""
    without = [name for name, value in differences.items() if np.isnan(value)]
    if len(without) in (0, len(differences)):
        return FEW_GROUPS if without else ""
    return f"no {', '.join(name.replace('_', ' ') for name in without)}: {FEW_GROUPS}"


def _mean_disparity(each: Sequence[dict[str, object]]) -> dict[str, object]:
    """Macro: the mean over the findings that have the difference; n_groups is the largest."""
    table = pd.DataFrame(each)
    means: dict[str, float] = {name: float(table[name].mean()) for name in DISPARITIES}
    return {**means, "n_groups": int(table["n_groups"].max()), "reason": _missing(means)}
