"""Explanation maps side by side over the grey image, on one scale, in colours that colour-blind readers can distinguish."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.explanations.methods import MethodCard
from dpmed_core.explanations.overlay import Overlay
from dpmed_core.reporting.figures.style import LIGHT, Canvas, faint, lay_out

AGAINST, FOR = "#2A9DF4", "#F28E2B"
OPAQUE = 0.9
"""Of the colours at both ends of the scale: the image shows through a little even there."""
PANEL_HEIGHT = 300
READING = (
    "Orange: evidence for the finding; blue: against it; no colour: little influence. Last panel: the same network with random weights."
)


def explanation_figure(
    shown: Overlay, titles: Sequence[str], *, title: str, method: MethodCard, facts: Sequence[str] = (), canvas: Canvas = LIGHT
) -> go.Figure:
    """The panels of `shown`, one for each model.

    Args:
        shown: the picture and its maps.
        titles: one for each map.
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
    # Row 0 of an image is its upper edge, and a heat map's lower one.
    figure.update_yaxes(visible=False, constrain="domain", autorange="reversed")
    # Square pixels: each panel's vertical axis has the scale of its horizontal one; `constrain` then narrows the panel, not the image.
    for number in range(len(titles)):
        figure.update_yaxes(scaleanchor=f"x{number + 1 if number else ''}", row=1, col=number + 1)
    figure.update_annotations(font={"size": canvas.font_size, "color": canvas.text})
    figure.update_layout(coloraxis=_colours(shown.scale, method.unit, canvas), margin={"l": 12, "r": 12})
    return figure


def _picture(shown: Overlay) -> go.Heatmap:
    return go.Heatmap(z=shown.picture, zmin=0, zmax=255, colorscale=[[0, "#000000"], [1, "#ffffff"]], showscale=False, hoverinfo="skip")


def _map(values: object, scale: float, unit: str) -> go.Heatmap:
    # One colour axis for all panels, so that models can be compared; unsmoothed, since a map has no detail between its values.
    return go.Heatmap(z=values, coloraxis="coloraxis", zsmooth=False, hovertemplate=f"%{{z:.3g}} ({unit})<extra></extra>")


def _colours(scale: float, unit: str, canvas: Canvas) -> dict[str, object]:
    """A diverging scale, transparent at 0, so that the image alone is seen where a map is near 0."""
    end = scale or 1.0  # maps of 0 throughout have no scale of their own
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
