"""Decision curves: whether acting on the model does more good than acting on nobody, or on everybody."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.metrics.net_benefit import NET_BENEFIT, net_benefit
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS

Floats = NDArray[np.float64]
THRESHOLDS: tuple[float, ...] = tuple(round(0.02 * step, 2) for step in range(1, 46))
BENEFIT_COLUMNS = (
    *RUN_COLUMNS,
    "finding",
    "threshold",
    "net_benefit",
    "net_benefit_low",
    "net_benefit_high",
    "treat_all",
    *COUNT_COLUMNS,
    "reason",
)


def benefit_rows(panels: Sequence[PanelDesign], thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Net benefit of each run and finding at each threshold probability, with `BENEFIT_COLUMNS`; see `metrics.net_benefit`.

    treat_all is that of acting on every image; acting on none is 0. Scores are taken as probabilities, so read the calibration first.

    Args:
        panels: without attributes, since only everybody's rows are made.
        thresholds: above 0 and below 1.
    """
    tables = [_of_panel(design, thresholds) for design in panels]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(BENEFIT_COLUMNS))


def mean_benefit(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean of an arm's curves over its training runs at each threshold, without interval.

    Args:
        curves: rows of `benefit_rows` that have a value.
    """
    by = ["recipe", "unit", "epsilon", "delta", "accountant", "finding", "threshold", *COUNT_COLUMNS]
    grouped = curves.groupby(by, dropna=False, sort=False, as_index=False)
    return grouped.agg(net_benefit=("net_benefit", "mean"), treat_all=("treat_all", "first"), n_seeds=("run_id", "nunique"))


def _of_panel(design: PanelDesign, thresholds: Sequence[float]) -> pd.DataFrame:
    """The rows of one panel, finding by finding and run by run; a finding that is not estimable has one row a run with its reason."""
    name = " ".join(["net benefit at", *(f"{threshold!r}" for threshold in thresholds)])
    by_run = [design.computed_once(run, name, partial(_of_run, design, run, thresholds)) for run in range(len(design.panel.runs))]
    tables = []
    for finding_index, finding in enumerate(design.panel.findings):
        counts = design.designs[finding_index].counts
        reason, share = counts.reasons()[0], counts.positive[0] / max(counts.cases[0], 1)
        of_run = np.repeat(np.arange(len(by_run)), 1 if reason else len(thresholds))
        table = design.panel.runs.iloc[of_run].reset_index(drop=True).assign(finding=finding, reason=reason)
        table = table.assign(n_cases=int(counts.cases[0]), n_positive=int(counts.positive[0]), n_patients=int(counts.patients[0]))
        if not reason:
            values = {column: np.concatenate([arrays[column][finding_index] for arrays in by_run]) for column in NET_BENEFIT.columns}
            at = np.array(thresholds)
            # Acting on everybody: all positives are true positives, all negatives false positives.
            treat_all = share - (1 - share) * at / (1 - at)
            table = table.assign(**values, threshold=np.tile(at, len(by_run)), treat_all=np.tile(treat_all, len(by_run)))
        tables.append(table.reindex(columns=list(BENEFIT_COLUMNS)))
    return pd.concat(tables, ignore_index=True)


def _of_run(design: PanelDesign, run: int, thresholds: Sequence[float]) -> dict[str, Floats]:
    """The net benefit of a run and the ends of its interval, by column, `[n_findings, n_thresholds]`."""
    own = replace(design, panel=design.panel.only(np.arange(len(design.panel.runs)) == run))
    own.__dict__.update(designs=design.designs, grouping=design.grouping)  # which no run changes
    found = []
    for threshold in thresholds:  # each is a metric of its own
        measured = measure(net_benefit(threshold), own)
        found.append((measured.values[0], *measured.intervals(0)))
    return {
        column: np.stack([values[:-1, 0] for values in by_threshold], axis=1)
        for column, by_threshold in zip(NET_BENEFIT.columns, zip(*found, strict=True), strict=True)
    }
