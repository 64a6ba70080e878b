"""What a guarantee allows the best attacker: an array of a hundred guesses, and the curve of both kinds of error."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dpmed_core.reporting.figures.style import ARM_STYLES, CHANCE_LINE, LIGHT, Arm, Canvas, lay_out, new_figure

N_GUESSES, IN_A_ROW = 100, 20
BY_CHANCE = 50
"""Of a hundred fifty-fifty guesses, those that are right without any release."""
ARRAY_HEIGHT = 96


def guesses_figure(guess_right: float, canvas: Canvas = LIGHT) -> go.Figure:
    """A hundred guesses at who took part as dots: right by chance, right at most through the release, wrong.

    Args:
        guess_right: of 100, right at most; rounded up to whole guesses.
        canvas: what it is drawn on.
    """
    figure, right = new_figure(), min(N_GUESSES, -int(-guess_right // 1))
    parts = (
        ("right by chance", range(BY_CHANCE), canvas.colour(ARM_STYLES["private"]), "circle"),
        ("right at most through the model", range(BY_CHANCE, right), canvas.colour(ARM_STYLES["non_private"]), "diamond"),
        ("wrong", range(right, N_GUESSES), canvas.grid, "circle"),
    )
    for name, places, colour, symbol in parts:
        figure.add_trace(
            go.Scatter(
                x=[place % IN_A_ROW for place in places],
                y=[-(place // IN_A_ROW) for place in places],
                mode="markers",
                marker={"size": 10, "color": colour, "symbol": symbol},
                name=name,
                hovertemplate=f"{len(places)} {name}<extra></extra>",
            )
        )
    figure.update_layout(
        height=ARRAY_HEIGHT,
        width=canvas.width,
        margin={"l": 0, "r": 0, "t": 4, "b": 4},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        showlegend=False,
        dragmode=False,
    )
    figure.update_xaxes(visible=False, range=[-0.7, IN_A_ROW - 0.3], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-N_GUESSES / IN_A_ROW + 0.3, 0.7], fixedrange=True)
    return figure


def attack_curve_figure(
    curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, facts: Sequence[str], canvas: Canvas = LIGHT
) -> go.Figure:
    """The share of participants that the best attacker finds at most, against the share of the others accused falsely.

    Args:
        curves: a name, and pairs of a false-positive rate and the least share missed, each; at most three, the chosen one first.
        facts: what must be known to read the figure alone.
        canvas: what it is drawn on.
    """
    figure = new_figure()
    looks: tuple[tuple[Arm, str], ...] = (("private", "solid"), ("conventional", "dash"), ("non_private", "dot"))
    for (name, curve), (arm, dash) in zip(curves, looks, strict=False):
        figure.add_trace(
            go.Scatter(
                x=[accused for accused, _ in curve],
                y=[1 - missed for _, missed in curve],
                mode="lines",
                line={"color": canvas.colour(ARM_STYLES[arm]), "width": 2.4, "dash": dash},
                name=name,
                hovertemplate="accuses %{x:.2%} of the others falsely, finds %{y:.1%}<extra>" + name + "</extra>",
            )
        )
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=CHANCE_LINE, name="blind guessing", hoverinfo="skip"))
    lay_out(figure, "What the best attacker finds at most", facts, canvas, plot_height=320)
    figure.update_xaxes(title_text="Share of non-participants accused falsely", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(title_text="Share of participants found at most", range=[0, 1.005], tickformat=".0%")
    return figure
