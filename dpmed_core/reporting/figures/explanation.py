"""Explanation maps side by side over the grey image, on one scale that colour-blind readers can tell."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.explanations.methods import MethodCard
from dpmed_core.explanations.overlay import Overlay
from dpmed_core.reporting.figures.style import LIGHT, Canvas, faint, lay_out

AGAINST, FOR = "#2A9DF4", "#F28E2B"
OPAQUE = 0.9
PANEL_HEIGHT = 300
READING = (
    "Orange speaks for the finding, blue against it; without colour, little either way. Last panel: the same network with random weights."
)


def explanation_figure(
    shown: Overlay, titles: Sequence[str], *, title: str, method: MethodCard, facts: Sequence[str] = (), canvas: Canvas = LIGHT
) -> go.Figure:
    """The panels of `shown`, one a model.

    Args:
        shown: the picture and its maps.
        titles: one a map.
        title: of the figure.
        method: how the maps were made.
        facts: what a reader must know to read the figure alone.
        canvas: what it is drawn on.
    """
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=list(titles), horizontal_spacing=0.02)
    figure.update_layout(template={})
    for number, one in enumerate(shown.maps):
        place = {"row": 1, "col": number + 1}
        figure.add_trace(_picture(shown), **place)
        figure.add_trace(_map(one, shown.scale, method.unit), **place)
    lay_out(figure, title, [*facts, READING], canvas, plot_height=PANEL_HEIGHT, above=34, below=76)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain", autorange="reversed")
    for number in range(len(titles)):
        figure.update_yaxes(scaleanchor=f"x{number + 1 if number else ''}", row=1, col=number + 1)
    figure.update_annotations(font={"size": canvas.font_size, "color": canvas.text})
    figure.update_layout(coloraxis=_colours(shown.scale, method.unit, canvas), margin={"l": 12, "r": 12})
    return figure


def _picture(shown: Overlay) -> go.Heatmap:
    return go.Heatmap(z=shown.picture, zmin=0, zmax=255, colorscale=[[0, "#000000"], [1, "#ffffff"]], showscale=False, hoverinfo="skip")


def _map(values: object, scale: float, unit: str) -> go.Heatmap:
    return go.Heatmap(z=values, coloraxis="coloraxis", zsmooth=False, hovertemplate=f"%{{z:.3g}} ({unit})<extra></extra>")


def _colours(scale: float, unit: str, canvas: Canvas) -> dict[str, object]:
    """A diverging scale that lets the image through where a map says nothing."""
    end = scale or 1.0
    ticks = [-end, 0.0, end]
    return {
        "cmin": -end,
        "cmax": end,
        "colorscale": [[0, faint(AGAINST, OPAQUE)], [0.5, faint("#808080", 0.0)], [1, faint(FOR, OPAQUE)]],
        "colorbar": {
            "orientation": "h",
            "y": -0.02,
            "yanchor": "top",
            "thickness": 10,
            "len": 0.6,
            "tickvals": ticks,
            "ticktext": [f"{tick:.2g}" for tick in ticks],
            "title": {"text": unit, "side": "bottom", "font": {"size": 0.9 * canvas.font_size}},
            "bgcolor": canvas.paper,
        },
    }
