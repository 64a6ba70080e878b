"""Words and figures that follow the budget axis in the browser: sent once for all trained budgets, drawn there while it is moved."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

import plotly.graph_objects as go
import streamlit as st

from dpmed_core.foreign_text import plain_line
from widgets.browser_programs import AXIS, PLOTLY
from widgets.budget_control.axis import SCOPE, component
from widgets.budget_control.first_words import Line, Part, words_as_markdown
from widgets.lookup import reported


def show_following(stops: Mapping[float, Sequence[Part]], *, at: float, key: str) -> None:
    """Show the parts of the budget that the axis of this page stands at, and follow it.

    Args:
        stops: the parts at each trained budget, shown as text; the browser changes words, so that stops with equally many parts of the
            same kind do not move what stands below.
        at: the chosen one, whose parts are read until the browser's program has started.
        key: of the element on the page.
    """
    words = {f"{epsilon:g}": [_as_data(part) for part in parts] for epsilon, parts in stops.items()}
    _mount(f"words-{key}", words=json.dumps(words))
    if at in stops:
        st.markdown(words_as_markdown(stops[at]))


def show_following_figure(
    figure: str,
    *,
    key: str,
    alternatives: Mapping[float, str],
    instead: Mapping[float, str] | None = None,
    mode_bar: bool = True,
    on_cell: Callable[[Sequence[str]], None] | None = None,
    fills: bool = False,
) -> None:
    """Show a figure at the budget that the axis of this page stands at, and follow it.

    Args:
        figure: `figure_data` of it.
        key: of the element on the page.
        alternatives: what it shows at each budget, for those who cannot see it.
        instead: what to say at budgets at which nothing can be drawn.
        mode_bar: whether it has Plotly's buttons.
        fills: whether it is as high as the window leaves it beside all else on the page.
        on_cell: called, before the page is drawn again, with what the figure's `layout.meta` says of a cell that was clicked, unquoted.
    """
    said = {f"{epsilon:g}": plain_line(text) for epsilon, text in alternatives.items()}
    nothing = {f"{epsilon:g}": plain_line(text) for epsilon, text in (instead or {}).items()}
    data = {
        "figure": figure,
        "bar": _bar(mode_bar),
        "fills": "window" if fills else "",
        "alternatives": json.dumps(said),
        "instead": json.dumps(nothing),
    }
    if on_cell is None:
        _mount(key, **data)
    else:
        _mount(key, on_cell=partial(_report_cell, key, figure, on_cell), cells="clicked", **data)


def _report_cell(key: str, figure: str, on_cell: Callable[[Sequence[str]], None]) -> None:
    """Tell which cell was clicked: it comes from the browser, so that only cells that were sent to it are accepted."""
    cells = json.loads(figure)["layout"].get("meta", {}).get("cells", {})
    place = reported(key, "cell")
    if isinstance(place, str) and place in cells:
        on_cell([unquote(name) for name in cells[place]])


def show_plot(figure: go.Figure, *, key: str, alternative: str = "", mode_bar: bool = True) -> None:
    """Show a figure of the page as it is; another one under the same key takes its place without leaving the page.

    Streamlit's own chart is mounted anew whenever what it shows changes, and is gone meanwhile.

    Args:
        figure: in the reader's colours.
        key: of the element on the page.
        alternative: what it shows, for those who cannot see it.
        mode_bar: whether it has Plotly's buttons.
    """
    drawn = json.dumps({**json.loads(str(figure.to_json())), "frames": {"": {"data": {}, "layout": {}}}}, separators=(",", ":"))
    _mount(key, scope="", figure=drawn, bar=_bar(mode_bar), alternatives=json.dumps({"": plain_line(alternative)}))


def figure_data(moved: go.Figure) -> str:
    """What the browser needs to draw a figure at each of its frames (`reporting.budget_slider.in_one_frame`), as JSON.

    Traces of a frame that are those of the figure itself are left out: of many figures only words and marks depend on the budget.
    """
    whole = json.loads(str(moved.to_json()))
    traces = whole.get("data", [])
    frames = {
        frame["name"]: {
            "data": {str(i): trace for i, trace in enumerate(frame.get("data", [])) if trace != traces[i]},
            "layout": frame["layout"],
        }
        for frame in whole["frames"]
    }
    return json.dumps({"data": traces, "layout": whole["layout"], "frames": frames}, separators=(",", ":"))


def _mount(key: str, *, scope: str = SCOPE, on_cell: Callable[[], None] | None = None, **data: str) -> None:
    # Nothing of what follows the axis depends on the chosen budget: a gesture sends none of it again.
    told = {} if on_cell is None else {"on_cell_change": on_cell}
    component()(key=key, data={"program": AXIS.address, "plotly": PLOTLY.address, "kind": "follower", "scope": scope, **data}, **told)


def _bar(mode_bar: bool) -> str:
    return "" if mode_bar else "none"


def _as_data(part: Part) -> dict[str, Any]:
    if isinstance(part, Line):
        return {"role": part.role, "text": plain_line(part.text)}
    said = {"title": part.title, "value": part.value, "beside": part.beside, "mark": part.verdict, "detail": " ".join(part.lines)}
    return {"role": "tile", **{name: plain_line(text) for name, text in said.items()}}
