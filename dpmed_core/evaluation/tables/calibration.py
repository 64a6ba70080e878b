"""Calibration of each run: slope and intercept, expected calibration error and Brier score (`metrics.calibration`, `metrics.brier`)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from dpmed_core.evaluation.metrics.brier import BRIER
from dpmed_core.evaluation.metrics.calibration import CALIBRATION_ERROR, CALIBRATION_INTERCEPT, CALIBRATION_SLOPE, error_floor
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS

WITH_INTERVALS = {"slope": CALIBRATION_SLOPE, "intercept": CALIBRATION_INTERCEPT, "brier": BRIER}
CALIBRATION_COLUMNS = (
    *RUN_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    *(f"{name}{end}" for name in WITH_INTERVALS for end in ("", "_low", "_high")),
    "ece",
    "ece_floor",
    *COUNT_COLUMNS,
    "reason",
)


def calibration_rows(designs: Sequence[PanelDesign]) -> pd.DataFrame:
    """One row a finding, run and subgroup, with `CALIBRATION_COLUMNS`; intervals (95 %) by patient.

    The expected calibration error (ece) has no interval; ece_floor is what it would be for a perfectly calibrated model with these scores.
    """
    tables = [_of_panel(design) for design in designs]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(CALIBRATION_COLUMNS))


def _of_panel(design: PanelDesign) -> pd.DataFrame:
    """The rows of one panel: finding by finding, run by run, subgroup by subgroup."""
    arrays: dict[str, list[np.ndarray]] = {}
    for name, metric in WITH_INTERVALS.items():
        measured = measure(metric, design)
        ends = [measured.intervals(run) for run in range(len(measured.runs))]
        arrays |= {name: list(measured.values), f"{name}_low": [low for low, _ in ends], f"{name}_high": [high for _, high in ends]}
    measured = measure(CALIBRATION_ERROR, design)
    n_runs, groups = len(measured.runs), measured.grouping.groups
    arrays |= {"ece": list(measured.values), "ece_floor": [_floors(design, run) for run in range(n_runs)]}
    # One table a finding, its runs one after another: a table of their own for each run would take longer than its numbers.
    facts = measured.runs.iloc[np.repeat(np.arange(n_runs), len(groups))].reset_index(drop=True)
    place = {"attribute": [of for of, _ in groups] * n_runs, "subgroup": [name for _, name in groups] * n_runs}
    tables = []
    for finding_index, finding in enumerate(design.panel.findings):
        numbers = {name: np.concatenate([of_run[finding_index] for of_run in by_run]) for name, by_run in arrays.items()}
        counts = {name: np.tile(of_all[finding_index], n_runs) for name, of_all in measured.counts.items()}
        reasons = np.tile(np.asarray(measured.reasons[finding_index], dtype=object), n_runs)
        tables.append(pd.concat([facts, pd.DataFrame({**place, **numbers, **counts, "reason": reasons, "finding": finding})], axis=1))
    return pd.concat(tables, ignore_index=True)[list(CALIBRATION_COLUMNS)] if tables else pd.DataFrame(columns=list(CALIBRATION_COLUMNS))


def _floors(design: PanelDesign, run: int) -> np.ndarray:
    """`error_floor` of a run `[n_findings, n_groups]`; NaN where the error is not estimable."""
    hidden = [[reason != "" for reason in of_finding.counts.reasons()] for of_finding in design.designs]
    return np.where(hidden, np.nan, design.computed_once(run, "error floors", partial(_computed_floors, design, run))["floors"])


def _computed_floors(design: PanelDesign, run: int) -> dict[str, np.ndarray]:
    findings = range(len(design.panel.findings))
    return {"floors": np.array([error_floor(design.finding_scores(run, finding, with_threshold=False)) for finding in findings])}
