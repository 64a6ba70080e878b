"""A figure with a slider over the trained budgets: each stop is the same figure at another budget, and no stop needs a server."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.analysis_plan import PlanRecord
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.catalogue import CATALOGUE, draw, settled, why_exploratory
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import LIGHT, Canvas, set_layout
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
    stops = budget_stops(name, tables, shown, cohort, canvas, provenance=provenance)
    return _with_slider(stops, at=shown.epsilon, canvas=canvas) if len(stops) > 1 else drawn


def budget_stops(
    name: str,
    tables: EvaluationTables,
    choice: Choice,
    cohort: Cohort,
    canvas: Canvas = LIGHT,
    *,
    provenance: Provenance | None = None,
    plans: PlanRecord | None = None,
) -> dict[float, go.Figure]:
    """The figure `name` of `choice` at every trained budget of its recipe and unit at which there is something to draw, smallest first.

    Args: those of `catalogue.draw`; `plans` say at which budgets a figure without provenance is exploratory.
    """
    shown = settled(choice, tables, CATALOGUE[name])
    stops: dict[float, go.Figure] = {}
    for epsilon in sorted(replace(shown, epsilon=None).rows(tables.runs)["epsilon"].dropna().unique()):
        # What the reader left open was settled once, for all stops.
        at = replace(shown, epsilon=float(epsilon))
        try:
            exploratory = why_exploratory(name, tables, at, plans) if plans else ""
            stops[float(epsilon)] = draw(name, tables, at, cohort, canvas, provenance=provenance, exploratory=exploratory)
        except ExportError:  # nothing to draw at this budget
            continue
    return stops


def in_one_frame(stops: dict[float, go.Figure], *, room: float = 0) -> go.Figure:
    """The first of `stops`, with all of them as frames, named by their budget: of one height, with the same margins and number of traces.

    Args:
        stops: figures by budget; at least one.
        room: pixels under the largest of them.
    """
    first = next(iter(stops.values()))
    n_traces = max(len(stop.data) for stop in stops.values())
    # The same at every stop: Plotly moves the plot to new margins and leaves the grid where it was.
    top, below = (max(stop.layout.margin[side] for stop in stops.values()) for side in ("t", "b"))
    below += room
    height = top + below + max(stop.layout.height - stop.layout.margin.t - stop.layout.margin.b for stop in stops.values())
    frames = [
        go.Frame(name=f"{epsilon:g}", data=_filled(stop.data, n_traces), traces=list(range(n_traces)), layout=_moving(stop, height))
        for epsilon, stop in stops.items()
    ]
    figure = go.Figure(data=frames[0].data, layout=first.layout, frames=frames)
    set_layout(figure, **frames[0].layout.to_plotly_json(), height=height)
    figure.layout.margin.t, figure.layout.margin.b = top, below
    return figure


def _with_slider(stops: dict[float, go.Figure], *, at: float, canvas: Canvas) -> go.Figure:
    """`stops` as one figure that stands at the budget `at`, with a slider over them."""
    moved = in_one_frame(stops, room=ROOM)
    names = [frame.name for frame in moved.frames]
    chosen = moved.frames[names.index(f"{at:g}")]
    moved.update(data=chosen.data, overwrite=True)
    set_layout(moved, **chosen.layout.to_plotly_json())
    slider = {
        "steps": [{"label": name, "method": "animate", "args": [[name], AT_ONCE]} for name in names],
        "active": names.index(chosen.name),
        "currentvalue": {"prefix": "Privacy budget ε = ", "xanchor": "left", "font": {"size": canvas.font_size}},
        "y": 0,
        "yanchor": "top",
        "pad": {"t": (moved.layout.margin.b - ROOM) / 2, "b": 0},
        "x": 0,
        "len": 1,
        "font": {"color": canvas.text, "size": 0.9 * canvas.font_size},
    }
    set_layout(moved, sliders=[slider])
    return moved


def _moving(stop: go.Figure, height: float) -> dict[str, Any]:
    """What of the layout belongs to one stop, where all figures are `height` pixels high."""
    layout: dict[str, Any] = {name: value for name, value in stop.layout.to_plotly_json().items() if MOVING.match(name)}
    # The title's place is a share of the height from below; what is constant is its distance from the upper edge.
    y = 1 - (1 - layout["title"]["y"]) * stop.layout.height / height
    return {**layout, "title": {**layout["title"], "y": y}}


def _filled(traces: Sequence[Any], n_traces: int) -> list[Any]:
    """`traces`, and empty ones up to `n_traces`: Plotly replaces traces one by one, and would leave the rest of the stop before."""
    return [*traces, *(go.Scatter(x=[None], y=[None], showlegend=False, hoverinfo="skip") for _ in range(n_traces - len(traces)))]
