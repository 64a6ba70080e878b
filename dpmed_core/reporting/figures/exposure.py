"""How exposed each training patient is, at each budget: a dot for each patient, and the proven bound as a line."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dpmed_core.reporting.figures.style import ARM_STYLES, CHANCE_LINE, LIGHT, Arm, Canvas, faint, lay_out, new_figure

Floats = NDArray[np.float64]
ROW_HEIGHT = 34
MOST_DOTS = 400
"""Dots of a row: of more patients every so many of the sorted ones is drawn, and all of the most exposed."""
ALL_OF_THE_HIGHEST = 50
SPREAD = 0.3
"""How far dots are set apart across a row, so that equal ones are seen; it means nothing."""
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class ExposureLine:
    """The patients at one budget.

    Attributes:
        name: of the budget and unit.
        arm: whose colour and symbol it has.
        aucs: of the attack on each patient, `[n_patients]`.
        bound: proven; None where there is none for a patient.
        is_chosen: whether it is the budget that the reader chose.
    """

    name: str
    arm: Arm
    aucs: Floats = field(repr=False)
    bound: float | None = None
    is_chosen: bool = False


def exposure_figure(lines: Sequence[ExposureLine], *, facts: Sequence[str], canvas: Canvas = LIGHT) -> go.Figure:
    """One row of dots for each of `lines`, the first at the top.

    Args:
        lines: budgets, of the same patients.
        facts: what must be known to read the figure alone.
        canvas: what it is drawn on.
    """
    figure = new_figure()
    for place, line in enumerate(reversed(lines)):
        _add_row(figure, line, place, canvas)
    thinned = len(lines[0].aucs) > MOST_DOTS
    some = [f"Of {len(lines[0].aucs):,} patients about {MOST_DOTS} are drawn, and all of the {ALL_OF_THE_HIGHEST} most exposed."] * thinned
    lay_out(figure, "How exposed each training patient is", [*facts, *some], canvas, plot_height=ROW_HEIGHT * len(lines), below=64)
    names = [f"<b>{line.name}</b>" if line.is_chosen else line.name for line in reversed(lines)]
    figure.update_yaxes(tickvals=list(range(len(lines))), ticktext=names, range=[-0.6, len(lines) - 0.4], showgrid=False, fixedrange=True)
    lowest = min(0.5, *(float(line.aucs.min()) for line in lines))
    figure.update_xaxes(
        title_text="AUC of the attack (0.5: a coin)",
        range=[max(0.0, lowest - 0.03), 1.02],
        tickformat=".1f",
        fixedrange=True,
    )
    figure.add_vline(x=0.5, line=CHANCE_LINE)
    figure.update_layout(showlegend=False, hovermode="closest")
    return figure


def drawn_dots(aucs: Floats) -> Floats:
    """The AUCs that a row draws, sorted: all of few patients, of many an even choice and the most exposed.

    >>> len(drawn_dots(np.linspace(0, 1, 300))), len(drawn_dots(np.linspace(0, 1, 100_000)))
    (300, 450)
    """
    ordered = np.sort(aucs)
    if len(ordered) <= MOST_DOTS:
        return ordered
    rest, highest = ordered[:-ALL_OF_THE_HIGHEST], ordered[-ALL_OF_THE_HIGHEST:]
    return np.concatenate([rest[np.linspace(0, len(rest) - 1, MOST_DOTS).round().astype(int)], highest])


def _add_row(figure: go.Figure, line: ExposureLine, place: int, canvas: Canvas) -> None:
    """Dots and bound of one budget, at height `place`."""
    dots = drawn_dots(line.aucs)
    # Multiples of the golden ratio spread neighbours evenly and are the same at every drawing.
    across = place + SPREAD * (2 * np.modf(np.arange(len(dots)) * GOLDEN)[0] - 1)
    colour = canvas.colour(ARM_STYLES[line.arm])
    figure.add_trace(
        go.Scatter(
            x=dots,
            y=across,
            mode="markers",
            marker={
                "size": 6 if line.is_chosen else 5,
                "symbol": ARM_STYLES[line.arm][2],
                "color": faint(colour, 0.75 if line.is_chosen else 0.4),
            },
            name=line.name,
            hovertemplate="AUC %{x:.2f}<extra>" + line.name + "</extra>",
        )
    )
    if line.bound is not None:
        figure.add_trace(
            go.Scatter(
                x=[line.bound, line.bound],
                y=[place - 0.45, place + 0.45],
                mode="lines",
                line={"color": canvas.text, "width": 3},
                name="proven bound",
                hovertemplate="proven bound %{x:.3f}<extra>" + line.name + "</extra>",
            )
        )
