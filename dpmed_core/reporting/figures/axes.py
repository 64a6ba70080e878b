"""The axis of a metric: its title, its range around what is drawn, and its chance level."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.evaluation.metrics.metric import PREVALENCE, Metric
from dpmed_core.reporting.figures.style import CHANCE_LINE

HELD_OUT, CHANCE = "held-out test patients", "chance"


def axis_title(metric: Metric) -> str:
    """The title of the metric's axis."""
    return f"{metric.title}, {HELD_OUT}"


def axis_range(
    metric: Metric, low: float, high: float, *, least_high: float | None = None, pad: float = 0.02, over: float = 0.0
) -> list[float]:
    """From below the lowest value, or chance, to above the highest, inside the metric's range.

    Args:
        metric: whose values.
        low: the lowest end of an interval; NaN where nothing is estimable.
        high: the highest one.
        least_high: for metrics up to 1, the axis goes at least so far up.
        pad: added at both ends, in units of the metric.
        over: by how much the axis may pass an end of the metric's range, so that a marker there is not cut in half.

    >>> from dpmed_core.evaluation.metrics.auroc import AUROC
    >>> [round(end, 3) for end in axis_range(AUROC, 0.7, 1.0)], [round(end, 3) for end in axis_range(AUROC, 0.7, 1.0, over=0.005)]
    ([0.48, 1.0], [0.48, 1.005])
    """
    if pd.isna(low):
        low, high = (0.4, 1.0) if metric.high == 1 else (-1.0, 1.0)
    # A prevalence as chance level differs from group to group and is marked in each row instead.
    chance = metric.chance if isinstance(metric.chance, int | float) else None
    bottom = low if chance is None else min(low, chance)
    top = high if least_high is None or metric.high != 1 else max(high, least_high)
    return [max(bottom - pad, metric.low - over), min(top + pad, metric.high + over)]


def chance_level(metric: Metric, row: pd.Series | None) -> float | None:
    """The value that scores without information reach; where that is the prevalence, that of `row`, from n_positive and n_cases.

    None where there is no such level, or the prevalence is needed and `row` is None.
    """
    if metric.chance != PREVALENCE:
        return float(metric.chance) if metric.chance is not None else None
    return float(row["n_positive"]) / float(row["n_cases"]) if row is not None and row["n_cases"] else None


def hide_empty_axes(figure: go.Figure) -> None:
    """Take axes, grid and marked levels from every panel in which nothing is drawn: a scale without data would suggest values.

    Names of groups stay, and the labels of a scale that other panels share.

    Args:
        figure: changed in place.
    """
    filled = {str(trace.yaxis or "y") for trace in figure.data if pd.Series(trace.x, dtype=float).notna().any()}
    upright = {str(axis.plotly_name).replace("axis", ""): axis for axis in figure.select_yaxes()}
    for across in figure.select_xaxes():
        name = str(across.anchor or "y")
        if name in filled:
            continue
        across.update(showgrid=False, zeroline=False, showline=False, visible=None if filled else False)
        upright[name].update(showgrid=False, zeroline=False, showline=False, visible=None if filled or upright[name].ticktext else False)
        levels = {name, f"{name} domain"}
        figure.layout.shapes = tuple(shape for shape in figure.layout.shapes if shape.yref not in levels)
        figure.layout.annotations = tuple(n for n in figure.layout.annotations if n.text != CHANCE or n.yref not in levels)


def mark_chance(figure: go.Figure, level: float | None, *, along: str = "y", text: bool = True) -> None:
    """A thin line at the chance level, where there is one."""
    if level is None:
        return
    label = {"annotation_text": CHANCE, "annotation_position": "top right"} if text else {}
    if along == "y":
        figure.add_hline(y=level, line=CHANCE_LINE, **label)
    else:
        figure.add_vline(x=level, line=CHANCE_LINE, layer="below")
