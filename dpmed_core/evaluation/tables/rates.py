"""Sensitivity, specificity and related rates by subgroup, with intervals: each arm's runs at their own thresholds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dpmed_core.evaluation.metrics.measured import ArmMeasured, measure
from dpmed_core.evaluation.metrics.rates import RATES
from dpmed_core.evaluation.scores.arms import ARM_COLUMNS
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS, TOO_FEW_COUNTED, by_place

RATE_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    "threshold",
    *(column for rate in RATES for column in rate.columns),
    *COUNT_COLUMNS,
    "reason",
)


def rate_rows(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """Rates of everybody and each subgroup, one row an arm, subgroup and finding, with `RATE_COLUMNS`.

    Each rate has its 95 % interval (`_low`, `_high`). positive_rate is the share of images called positive; underdiagnosis the share of
    images with the finding that are called negative (1 - sensitivity). Macro rows are means over findings. reason says why rates are
    missing, and which where others have a value because their own denominator is large enough; it is empty where none is missing.
    """
    tables = [table for design in designs for table in _arm_tables(design)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(RATE_COLUMNS))


def _arm_tables(design: PanelDesign) -> list[pd.DataFrame]:
    """The rows of each arm; one rate is measured after the other, since the replicates of all seven together would need much memory."""
    columns: list[dict[str, np.ndarray]] = [{} for _ in design.arms]
    arms: list[ArmMeasured] = []
    for rate in RATES:
        measured = measure(rate, design)
        arms = [measured.of_arm(arm) for arm in design.arms]
        for number, arm in enumerate(arms):
            arrays = (arm.values, *arm.intervals())
            columns[number] |= dict(zip(rate.columns, arrays, strict=True))
    return [_table(arm, found) for arm, found in zip(arms, columns, strict=True)]


def _table(arm: ArmMeasured, rates: dict[str, np.ndarray]) -> pd.DataFrame:
    n_groups = len(arm.measured.grouping.groups)
    threshold = np.repeat(arm.threshold[:, None], n_groups, axis=1)  # one for all patients: subgroups have no thresholds of their own
    arrays = {"threshold": threshold, **rates, **arm.measured.counts, "reason": _reasons(arm, rates)}
    table = by_place(arm.measured, range(n_groups), arrays)
    return table.assign(**arm.arm.facts())[list(RATE_COLUMNS)]


def _reasons(arm: ArmMeasured, rates: dict[str, np.ndarray]) -> np.ndarray:
    """Why rates have no value `[n_findings, n_groups]`."""
    missing = np.stack([np.isnan(rates[rate.name]) for rate in RATES])
    why = np.where(arm.reasons == "", TOO_FEW_COUNTED, arm.reasons)
    reasons = np.where(missing.all(axis=0), why, "").astype(object)
    for place in np.argwhere(missing.any(axis=0) & ~missing.all(axis=0)):
        names = [rate.phrase for rate, is_missing in zip(RATES, missing[:, *place], strict=True) if is_missing]
        reasons[tuple(place)] = f"no {', '.join(names)}: {why[tuple(place)]}"
    return reasons
