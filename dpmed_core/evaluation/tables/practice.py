"""What a model would do in practice: predictive values at a chosen prevalence, and errors per hundred, beside the non-private reference."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import Measured, measure
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.paired import paired_differences
from dpmed_core.evaluation.metrics.predictive_values import predictive_values
from dpmed_core.evaluation.metrics.rates import FALSE_ALARMS, UNDERDIAGNOSIS
from dpmed_core.evaluation.scores.arms import ARM_COLUMNS, SAMPLED_ALIKE
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS, by_place

OWN, COMMON = "own", "common"
"""Each training run's own threshold; or one for all, that of the reference of the same recipe and unit with the smallest seed."""
MISSED, ALARMS = "missed_per_100", "false_alarms_per_100"
PLACE_COLUMNS = ("attribute", "subgroup", "finding")
PRACTICE_COLUMNS = (
    *ARM_COLUMNS,
    "thresholds",
    *PLACE_COLUMNS,
    "threshold",
    *(f"{name}{end}" for name in (MISSED, ALARMS) for end in ("", "_low", "_high")),
    *COUNT_COLUMNS,
    "reason",
)
DIFFERENCE_COLUMNS = (
    *COMPARED_COLUMNS,
    "thresholds",
    *PLACE_COLUMNS,
    *(f"{name}{end}" for name in (MISSED, ALARMS) for end in ("_more", "_more_low", "_more_high")),
)
PREDICTIVE = ("ppv_at_prevalence", "npv_at_prevalence")
PREDICTIVE_COLUMNS = (
    *ARM_COLUMNS,
    "prevalence",
    *PLACE_COLUMNS,
    *(f"{name}{end}" for name in PREDICTIVE for end in ("", "_low", "_high")),
    *COUNT_COLUMNS,
)
PER_HUNDRED: dict[str, Metric] = {MISSED: UNDERDIAGNOSIS, ALARMS: FALSE_ALARMS}
Floats = NDArray[np.float64]


def practice_rows(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """Missed images per 100 with the finding and false alarms per 100 without it, with `PRACTICE_COLUMNS`; 95 % intervals by patient.

    Each arm twice: at each run's own threshold, and at one threshold for all. Thresholds that are chosen run by run differ by chance, so
    that a difference at own thresholds mixes a change of scores with one of thresholds; at the common one it is of scores alone.
    """
    tables = [_errors(design, thresholds) for own in designs for thresholds, design in _both(own)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(PRACTICE_COLUMNS))


def practice_differences(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """Private minus non-private of the same, paired, one row a comparison, subgroup and finding, with `DIFFERENCE_COLUMNS`."""
    tables = [_more(design, thresholds) for own in designs for thresholds, design in _both(own)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))


def predictive_rows(designs: Sequence[PanelDesign], prevalence: float) -> pd.DataFrame:
    """Predictive values at `prevalence` (`metrics.predictive_values`), one row an arm, subgroup and finding, with `PREDICTIVE_COLUMNS`.

    Raises:
        SpecError: the prevalence is not between 0 and 1.
    """
    metrics = dict(zip(PREDICTIVE, predictive_values(prevalence), strict=True))
    columns = [name for name in PREDICTIVE_COLUMNS if name != "prevalence"]
    tables = [_values(design, metrics, columns, factor=1.0) for design in designs]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return found.assign(prevalence=prevalence)[list(PREDICTIVE_COLUMNS)]


def _both(design: PanelDesign) -> tuple[tuple[str, PanelDesign], ...]:
    return (OWN, design), (COMMON, design.at_common_threshold)


def _errors(design: PanelDesign, thresholds: str) -> pd.DataFrame:
    columns = [name for name in PRACTICE_COLUMNS if name != "thresholds"]
    return _values(design, PER_HUNDRED, columns, factor=100.0).assign(thresholds=thresholds)[list(PRACTICE_COLUMNS)]


def _values(design: PanelDesign, metrics: Mapping[str, Metric], columns: Sequence[str], *, factor: float) -> pd.DataFrame:
    """`factor` times each metric with its interval, one row an arm, subgroup and finding."""
    arrays: list[dict[str, NDArray[np.generic]]] = [{} for _ in design.arms]
    measured: Measured | None = None
    for name, metric in metrics.items():
        measured = measure(metric, design)
        for number, arm in enumerate(measured.of_arm(one) for one in design.arms):
            n_groups = len(measured.grouping.groups)
            ends = dict(zip(("", "_low", "_high"), (arm.values, *arm.intervals()), strict=True))
            arrays[number] |= {f"{name}{end}": factor * values for end, values in ends.items()}
            arrays[number] |= {"threshold": np.repeat(arm.threshold[:, None], n_groups, axis=1), "reason": arm.reasons}
    assert measured is not None
    groups = range(len(measured.grouping.groups))
    tables = [
        by_place(measured, groups, {**found, **measured.counts}).assign(**arm.facts())
        for arm, found in zip(design.arms, arrays, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)[list(columns)]


def _more(design: PanelDesign, thresholds: str) -> pd.DataFrame:
    """The paired differences of one panel."""
    by_metric = {name: list(paired_differences(measure(metric, design))) for name, metric in PER_HUNDRED.items()}
    tables = []
    for pairs in zip(*by_metric.values(), strict=True):
        if thresholds == COMMON and pairs[0].reference != SAMPLED_ALIKE:
            continue  # the two arms have common thresholds of their own
        arrays: dict[str, Floats] = {}
        for name, pair in zip(by_metric, pairs, strict=True):
            numbers = zip(("", "_low", "_high"), (pair.values, *pair.limits), strict=True)
            arrays |= {f"{name}_more{end}": 100 * values for end, values in numbers}
        table = by_place(pairs[0].measured, range(len(pairs[0].measured.grouping.groups)), arrays)
        tables.append(table.assign(**pairs[0].facts(), thresholds=thresholds))
    return pd.concat(tables, ignore_index=True)[list(DIFFERENCE_COLUMNS)] if tables else pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
