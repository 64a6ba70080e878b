"""A figure with a slider over the trained budgets: each stop is the same figure at another budget, and no stop needs a server."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.catalogue import CATALOGUE, draw, settled
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import LIGHT, Canvas
from dpmed_core.reporting.provenance import Provenance

ROOM = 100
"""Pixels that Plotly's slider takes with its labels and the chosen budget. Of the room below a figure's axis, its title keeps the upper
half and the legend the lower half; the slider stands between them. (Plotly widens the margin to this and twice the way to the axis.)"""
AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
"""A stop replaces the one before: nothing moves through values that no model has."""
MOVING = re.compile("title$|annotations$|shapes$|[xy]axis[0-9]*$")
"""What of a layout depends on the budget: words and marks."""


def draw_with_slider(
    name: str,
    tables: EvaluationTables,
    choice: Choice,
    cohort: Cohort,
    canvas: Canvas = LIGHT,
    *,
    provenance: Provenance | None = None,
) -> go.Figure:
    """The figure `name` of `choice`, with a slider over all budgets of its recipe and unit where there are several that can be drawn.

    Args and errors: those of `catalogue.draw`, whose figure stands at the chosen budget.
    """
    drawn = draw(name, tables, choice, cohort, canvas, provenance=provenance)
    shown = settled(choice, tables, CATALOGUE[name])
    if shown.epsilon is None:
        return drawn
    stops: dict[float, go.Figure] = {}
    for epsilon in sorted(replace(shown, epsilon=None).rows(tables.runs)["epsilon"].dropna().unique()):
        at = replace(shown, epsilon=float(epsilon))
        try:
            # What the reader left open was settled once, for all stops.
            stops[float(epsilon)] = drawn if at == shown else draw(name, tables, at, cohort, canvas, provenance=provenance)
        except ExportError:  # nothing to draw at this budget
            continue
    return _with_slider(drawn, stops, at=shown.epsilon, canvas=canvas) if len(stops) > 1 else drawn


def _with_slider(figure: go.Figure, stops: dict[float, go.Figure], *, at: float, canvas: Canvas) -> go.Figure:
    """`figure` with a stop for each of `stops`, all of one height, with the same margins, and of as many traces as the largest."""
    n_traces = max(len(stop.data) for stop in stops.values())
    # The same at every stop: Plotly moves the plot to new margins and leaves the grid where it was.
    top, below = (max(stop.layout.margin[side] for stop in stops.values()) for side in ("t", "b"))
    below += ROOM
    height = top + below + max(stop.layout.height - stop.layout.margin.t - stop.layout.margin.b for stop in stops.values())
    frames = [
        go.Frame(name=f"{epsilon:g}", data=_filled(stop.data, n_traces), traces=list(range(n_traces)), layout=_moving(stop, height))
        for epsilon, stop in stops.items()
    ]
    chosen = next(frame for frame in frames if frame.name == f"{at:g}")
    moved = go.Figure(data=chosen.data, layout=figure.layout, frames=frames)
    moved.update_layout(chosen.layout)
    slider = {
        "steps": [{"label": frame.name, "method": "animate", "args": [[frame.name], AT_ONCE]} for frame in frames],
        "active": [frame.name for frame in frames].index(chosen.name),
        "currentvalue": {"prefix": "Privacy budget ε = ", "xanchor": "left", "font": {"size": canvas.font_size}},
        "y": 0,
        "yanchor": "top",
        "pad": {"t": (below - ROOM) / 2, "b": 0},
        "x": 0,
        "len": 1,
        "font": {"color": canvas.text, "size": 0.9 * canvas.font_size},
    }
    return moved.update_layout(sliders=[slider], height=height, margin={"t": top, "b": below})


def _moving(stop: go.Figure, height: float) -> dict[str, Any]:
    """What of the layout belongs to one stop, where all figures are `height` pixels high."""
    layout: dict[str, Any] = {name: value for name, value in stop.layout.to_plotly_json().items() if MOVING.match(name)}
    # The title's place is a share of the height from below; what is constant is its distance from the upper edge.
    y = 1 - (1 - layout["title"]["y"]) * stop.layout.height / height
    return {**layout, "title": {**layout["title"], "y": y}}


def _filled(traces: Sequence[Any], n_traces: int) -> list[Any]:
    """`traces`, and empty ones up to `n_traces`: Plotly replaces traces one by one, and would leave the rest of the stop before."""
    return [*traces, *(go.Scatter(x=[None], y=[None], showlegend=False, hoverinfo="skip") for _ in range(n_traces - len(traces)))]
