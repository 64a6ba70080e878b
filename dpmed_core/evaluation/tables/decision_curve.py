"""Decision curves: whether acting on the model does more good than acting on nobody, or on everybody."""

from collections.abc import Iterator, Sequence

import pandas as pd

from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.metrics.net_benefit import net_benefit
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS

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
    rows = [row for design in panels for row in _rows(design, thresholds)]
    return pd.DataFrame(rows, columns=list(BENEFIT_COLUMNS))


def mean_benefit(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean of an arm's curves over its training runs at each threshold, without interval.

    Args:
        curves: rows of `benefit_rows` that have a value.
    """
    by = ["recipe", "unit", "epsilon", "delta", "accountant", "finding", "threshold", *COUNT_COLUMNS]
    grouped = curves.groupby(by, dropna=False, sort=False, as_index=False)
    return grouped.agg(net_benefit=("net_benefit", "mean"), treat_all=("treat_all", "first"), n_seeds=("run_id", "nunique"))


def _rows(design: PanelDesign, thresholds: Sequence[float]) -> Iterator[dict[str, object]]:
    """Finding by finding and run by run; a finding that is not estimable has one row with its reason."""
    # Each threshold is a metric of its own, measured once for all runs and findings.
    at = {threshold: measure(net_benefit(threshold), design) for threshold in thresholds}
    ends = {threshold: [measured.intervals(run) for run in range(len(measured.runs))] for threshold, measured in at.items()}
    for finding_index, finding in enumerate(design.panel.findings):
        counts = design.designs[finding_index].counts
        reason, share = counts.reasons()[0], counts.positive[0] / max(counts.cases[0], 1)
        numbers = {"n_cases": int(counts.cases[0]), "n_positive": int(counts.positive[0]), "n_patients": int(counts.patients[0])}
        for run, facts in enumerate(design.panel.runs.to_dict("records")):
            about = {**{str(key): value for key, value in facts.items()}, "finding": finding, **numbers, "reason": reason}
            if reason:
                yield about
                continue
            for threshold, measured in at.items():
                low, high = ends[threshold][run]
                value = {"threshold": threshold, "net_benefit": float(measured.values[run, finding_index, 0])}
                ends_at = {"net_benefit_low": float(low[finding_index, 0]), "net_benefit_high": float(high[finding_index, 0])}
                # Acting on everybody: all positives are true positives, all negatives false positives.
                yield {**about, **value, **ends_at, "treat_all": share - (1 - share) * threshold / (1 - threshold)}
