"""How every figure looks: colours of Okabe & Ito, which colour-blind readers can distinguish, on a page or in a paper's column.

Source: Okabe & Ito 2008, "Color Universal Design"; some are darkened on light ground and lightened on dark ground.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, log10
from typing import Any, Literal

import plotly.graph_objects as go

from dpmed_core.foreign_text import plain_html, plain_line

Column = Literal["single", "double"]
Arm = Literal["private", "non_private", "conventional"]

PIXELS_PER_MILLIMETRE = 96 / 25.4
COLUMN_MILLIMETRES: dict[Column, int] = {"single": 89, "double": 183}
"""Widths of a paper's columns. Source: the guide to authors of the Nature journals."""
ARM_STYLES: dict[Arm, tuple[str, str, str]] = {
    "private": ("#0072B2", "#56B4E9", "circle"),
    "non_private": ("#B34700", "#E69F00", "diamond-open"),
    "conventional": ("#007A59", "#33C6A0", "square-open"),
}
"""For private models, their non-private references and conventional models: colour on light ground, on dark ground, symbol."""
ARM_NAMES: dict[Arm, str] = {"private": "private", "non_private": "without privacy", "conventional": "without privacy, image by image"}
RECIPE_STYLES = {"probe": ("#0072B2", "#56B4E9", "circle"), "paper": ("#D55E00", "#E69F00", "diamond")}
OTHER_STYLE = ("#009E73", "#33C6A0", "square")
EPSILON_TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
BEYOND = 1.7
"""Runs without privacy stand at the largest budget times this: right of all ticks."""
ROOM = 1.45
"""Between two budgets that both have a label."""
DIFFERENCE_TICKS = "+.3~f"
"""Format of an axis of differences: up to three decimals, so that ticks 0.005 apart stay apart. Source: d3-format."""
LABELS_FIT: dict[str, Any] = {"ticklabeloverflow": "allow"}
"""For an axis whose labels lie within the figure: Plotly then does not measure each of them again to see whether it does."""
CHANCE_LINE = {"color": "#888888", "width": 1}
WHOLE_WIDTH = (1e-3, 1e4)
"""Ends of a line across an axis of privacy budgets: beyond the budgets of 0.01 to 1,000 that pages train; the axis cuts it off."""
LINE_HEIGHT = 1.35
CHARACTER_WIDTH = 0.56
"""Mean width of a letter, as a share of the font's size."""


@dataclass(frozen=True)
class Canvas:
    """What a figure is drawn on.

    Attributes:
        text: colour of text.
        grid: colour of lines behind the data.
        paper: colour of the ground.
        is_dark: whether the ground is dark.
        width: pixels; None for as wide as the page.
        font_size: pixels.
        line_characters: after so many the lines under the title are broken.
        is_bare: whether title and facts stand around the figure instead of in it, on a page that says them once for several figures.
    """

    text: str
    grid: str
    paper: str
    is_dark: bool
    width: int | None = None
    font_size: float = 13
    line_characters: int = 70
    is_bare: bool = False

    def colour(self, style: tuple[str, str, str]) -> str:
        """The colour of `style` on this ground."""
        return style[1 if self.is_dark else 0]


LIGHT = Canvas(text="#1b2733", grid="#dde3ea", paper="#ffffff", is_dark=False)
DARK = Canvas(text="#e6ebf0", grid="#33404d", paper="#10161d", is_dark=True)


def paper_column(column: Column = "double") -> Canvas:
    """A canvas as wide as a paper's column, with text of about 8 points."""
    # 10.5 pixels of 1/96 inch are 7.9 points; small print of 0.85 of that, under the names of groups and findings, is 6.7 points.
    width, font_size = round(COLUMN_MILLIMETRES[column] * PIXELS_PER_MILLIMETRE), 10.5
    return replace(LIGHT, width=width, font_size=font_size, line_characters=int((width - 20) / (font_size * CHARACTER_WIDTH)))


def recipe_style(recipe: str) -> tuple[str, str, str]:
    """Colours and symbol of a recipe."""
    return RECIPE_STYLES.get(recipe, OTHER_STYLE)


def lay_out(
    figure: go.Figure, title: str, facts: Sequence[str], canvas: Canvas, *, plot_height: int, above: int = 0, below: int = 104
) -> None:
    """Give `figure` its title, the facts under it, and room for both, in the colours and the width of `canvas`.

    Args:
        figure: to change.
        title: one line of text, which is shown as it is.
        facts: what a reader must know to read the figure alone, as text; broken into lines.
        canvas: what it is drawn on.
        plot_height: pixels between title and horizontal axis.
        above: pixels between the facts and the plot, for the titles of panels.
        below: pixels under the horizontal axis, for its title and the legend.
    """
    size = canvas.font_size
    # Plotly neither breaks lines nor makes room for them: both is done here, from the mean width of a letter. The title's letters are 1.3
    # times as large as the text's, so that fewer fit in a line.
    titles = [] if canvas.is_bare else broken(title, int(canvas.line_characters * 0.72)) or [""]
    lines = fact_lines(facts, canvas)
    top = (
        round(12 + 1.3 * size * LINE_HEIGHT * len(titles) + 0.95 * size * LINE_HEIGHT * len(lines) + (4 if canvas.is_bare else 14)) + above
    )
    height = top + plot_height + below
    set_layout(
        figure,
        title={
            "text": "<br>".join(titles),
            "subtitle": {"text": "<br>".join(lines), "font": {"size": 0.95 * size}},
            "x": 0.008,
            "xanchor": "left",
            "font": {"size": 1.3 * size},
            "yref": "container",  # at a distance from the upper edge that does not grow with the figure
            "yanchor": "top",
            "y": 1 - (10 + 9 * (len(titles) - 1)) / height,
        },
        template=_template(canvas),
        paper_bgcolor=canvas.paper,
        plot_bgcolor=canvas.paper,
        font={"color": canvas.text, "family": "Source Sans, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif", "size": size},
        height=height,
        width=canvas.width,
        margin={"l": round(5.2 * size), "r": 18, "t": top, "b": below},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.005, "x": 0, "xanchor": "left"},
        dragmode=False,
    )


def set_layout(figure: go.Figure, **properties: object) -> None:
    """Give the layout of `figure` each of `properties` as it is, in place of what it had under that name.

    `update_layout` merges each with what is there, which takes Plotly twenty times as long.
    """
    for name, value in properties.items():
        figure.layout[name] = value


def broken(text: str, characters: int, *, on_hyphens: bool = True) -> list[str]:
    """`text` in lines of at most so many characters, each as HTML that shows it as it is."""
    # Escaped after it is broken: an escaped character must neither count as several nor be broken itself.
    return [plain_html(line) for line in textwrap.wrap(plain_line(text), characters, break_on_hyphens=on_hyphens)]


def fact_lines(facts: Sequence[str], canvas: Canvas) -> list[str]:
    """The facts under a title in lines of the width of `canvas`, as HTML; none where they stand elsewhere."""
    return [] if canvas.is_bare else [line for fact in facts for line in broken(fact, canvas.line_characters, on_hyphens=False)]


def _template(canvas: Canvas) -> dict[str, Any]:
    """What all axes of a figure share; Plotly's own templates are ten times as heavy as a figure."""
    axis = {
        "gridcolor": canvas.grid,
        "linecolor": canvas.grid,
        "zeroline": False,
        "automargin": True,
        "ticks": "",
        "title": {"font": {"size": canvas.font_size}, "standoff": 8},
    }
    return {"layout": {"xaxis": axis, "yaxis": axis, "hoverlabel": {"align": "left"}}}


def new_figure() -> go.Figure:
    """An empty figure without Plotly's own template."""
    return go.Figure(layout={"template": {}})


def epsilon_axis(epsilons: Sequence[float], *, edge: float | None = None) -> dict[str, Any]:
    """The settings of a horizontal axis over privacy budgets, on a logarithmic scale; 0 stands at its left edge (`place_of_nothing`).

    Args:
        epsilons: budgets that are drawn.
        edge: where runs without privacy stand (`right_edge`), which have a tick of their own: nobody may read a budget there. None where
            none are drawn.
    """
    positive = [epsilon for epsilon in epsilons if epsilon > 0]
    # A margin by a factor, since the axis is logarithmic.
    low, high = (min(positive) / 1.4, max(positive) * 1.4) if positive else (0.1, 10.0)
    ticks = [epsilon for epsilon in EPSILON_TICKS if low <= epsilon <= high] or sorted(set(positive))
    labels = [f"{epsilon:g}" for epsilon in ticks]
    if len(positive) < len(epsilons):
        low, ticks, labels = place_of_nothing(epsilons) / 1.4, [place_of_nothing(epsilons), *ticks], ["0 (start alone)", *labels]
    explained = "smaller is more private"
    if edge is not None:
        kept = [(tick, label) for tick, label in zip(ticks, labels, strict=True) if tick < edge / ROOM]
        ticks, labels = [*(tick for tick, _ in kept), edge], [*(label for _, label in kept), "none"]
        high, explained = edge * 1.3, "none: no privacy"
    return {
        "type": "log",
        "range": [log10(low), log10(high)],
        "tickvals": ticks,
        "ticktext": labels,
        "title_text": f"Privacy budget ε (log scale; {explained})",
    }


def place_of_nothing(epsilons: Sequence[float]) -> float:
    """Where epsilon 0, of a public start alone, stands on `epsilon_axis`: left of the smallest budget."""
    return min((epsilon for epsilon in epsilons if epsilon > 0), default=1.0) / 3


def on_epsilon_axis(figure: go.Figure, epsilons: Sequence[float]) -> None:
    """Move what the figure has at epsilon 0 to its place on `epsilon_axis`, and have tooltips name budgets and not places."""
    if 0.0 not in epsilons:
        return
    place = place_of_nothing(epsilons)
    for trace in figure.data:
        # None breaks a line between two parts.
        budgets = [] if trace.x is None else [None if x is None else float(x) for x in trace.x]
        if 0.0 in budgets:
            names = [None if x is None else f"{x:g}" for x in budgets]
            trace.update(x=[place if x == 0 else x for x in budgets], text=names)
            trace.update(hovertemplate=str(trace.hovertemplate).replace("%{x:g}", "%{text}"))
    for shape in figure.layout.shapes:
        if shape.x0 == 0 and shape.x1 == 0:
            shape.update(x0=place, x1=place)


def arm_phrase(epsilon: float) -> str:
    """The budget of a run in a tooltip; NaN for one without privacy."""
    return f"ε = {epsilon:g}" if not isnan(epsilon) else "Without privacy"


def right_edge(epsilons: Sequence[float]) -> float:
    """Where runs without privacy, which have no budget, stand on `epsilon_axis`: right of the largest budget."""
    return (max(epsilons, default=0.0) or 10.0) * BEYOND


def say_instead(figure: go.Figure, text: str) -> None:
    """Write in the middle of the figure why nothing is drawn."""
    figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text="<br>".join(broken(text, 40)), showarrow=False)


def mark_epsilon(figure: go.Figure, epsilon: float | None, canvas: Canvas) -> None:
    """A dotted line at the chosen budget, where there is one."""
    if epsilon is not None:
        figure.add_vline(x=epsilon, line={"color": canvas.text, "width": 1, "dash": "dot"})


def faint(colour: str, share: float) -> str:
    """`colour` ("#rrggbb") let through by `share`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share:g})"


def error_bars(values: Any, low: Any, high: Any, *, along: Literal["x", "y"] = "y") -> dict[str, Any]:
    """Plotly's setting for unequal error bars from `low` to `high` around `values`, along one axis."""
    # Plotly takes lengths from the value, not the ends.
    bars = {"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low, "thickness": 1.4, "width": 4}
    return {f"error_{along}": bars}


def level_line(value: float, line: dict[str, Any], *, name: str, hover: str, ends: Sequence[float] = WHOLE_WIDTH) -> go.Scatter:
    """A horizontal line at `value`, as a trace: unlike a shape it has an entry in the legend and a tooltip.

    Args:
        value: on the vertical axis.
        line: Plotly's settings of the line.
        name: in the legend.
        hover: template of the tooltip.
        ends: on the horizontal axis.
    """
    return go.Scatter(x=ends, y=[value] * 2, mode="lines", line=line, name=name, hovertemplate=hover)
