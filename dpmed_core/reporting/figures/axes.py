"""The axis of a metric: its title, its range around what is drawn, and where chance is."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.evaluation.metrics.metric import PREVALENCE, Metric
from dpmed_core.reporting.figures.style import CHANCE_LINE

HELD_OUT = "held-out test patients"


def axis_title(metric: Metric) -> str:
    """What stands at the axis."""
    return f"{metric.title}, {HELD_OUT}"


def axis_range(
    metric: Metric, low: float, high: float, *, least_high: float | None = None, pad: float = 0.02, over: float = 0.0
) -> list[float]:
    """From below the lowest value, or chance, to above the highest, inside the metric's range.

    Args:
        metric: whose values.
        low: the lowest end of an interval; NaN where nothing is estimable.
        high: the highest one.
        least_high: the axis goes at least so far up.
        pad: added at both ends.
        over: by how much the axis may pass the end of the metric's range, so that a marker there is whole.
    """
    if pd.isna(low):
        low, high = (0.4, 1.0) if metric.high == 1 else (-1.0, 1.0)
    chance = metric.chance if isinstance(metric.chance, int | float) else None
    bottom = low if chance is None else min(low, chance)
    top = high if least_high is None or metric.high != 1 else max(high, least_high)
    return [max(bottom - pad, metric.low), min(top + pad, metric.high + over)]


def chance_level(metric: Metric, row: pd.Series | None) -> float | None:
    """What scores without information reach; where that is the prevalence, the one of `row`, which has n_positive and n_cases."""
    if metric.chance != PREVALENCE:
        return float(metric.chance) if metric.chance is not None else None
    return float(row["n_positive"]) / float(row["n_cases"]) if row is not None and row["n_cases"] else None


def mark_chance(figure: go.Figure, level: float | None, *, along: str = "y", text: bool = True) -> None:
    """A thin line at the chance level, where there is one."""
    if level is None:
        return
    said = {"annotation_text": "chance", "annotation_position": "top right"} if text else {}
    if along == "y":
        figure.add_hline(y=level, line=CHANCE_LINE, **said)
    else:
        figure.add_vline(x=level, line=CHANCE_LINE, layer="below")
