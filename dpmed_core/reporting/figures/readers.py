"""A reader beside the models, on the cases that were read: AUROC, sensitivity and specificity with their intervals."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.reader_study.reader_vs_model import PRIVATE, READER, WITHOUT
from dpmed_core.reporting.figures.style import ARM_STYLES, LIGHT, OTHER_STYLE, Canvas, error_bars, lay_out

MEASURES = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
STYLES = {READER: OTHER_STYLE, PRIVATE: ARM_STYLES["private"], WITHOUT: ARM_STYLES["non_private"]}
PANEL_HEIGHT = 150


def readers_figure(table: pd.DataFrame, *, title: str, facts: Sequence[str], canvas: Canvas = LIGHT) -> go.Figure:
    """One panel for each of AUROC, sensitivity and specificity, one row for each rater.

    Args:
        table: `reader_study.reader_vs_model.rater_table`.
        title: of the figure.
        facts: what a reader must know to read the figure alone.
        canvas: what it is drawn on.
    """
    figure = make_subplots(rows=1, cols=len(MEASURES), subplot_titles=list(MEASURES.values()), shared_yaxes=True, horizontal_spacing=0.04)
    figure.update_layout(template={})
    for number, measure in enumerate(MEASURES):
        for _, row in table.dropna(subset=measure).iterrows():
            figure.add_trace(_point(row, measure, canvas), row=1, col=number + 1)
    lay_out(figure, title, facts, canvas, plot_height=PANEL_HEIGHT, above=28, below=40)
    figure.update_xaxes(range=[-0.03, 1.03], tickvals=[0, 0.5, 1], tickformat=".1f")
    # Plotly draws the first category at the bottom.
    names = [name.capitalize() for name in table["rater"]]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1], range=[-0.6, len(names) - 0.4], showgrid=False)
    figure.update_annotations(font={"size": canvas.font_size, "color": canvas.text})
    figure.update_layout(showlegend=False)
    return figure


def _point(row: pd.Series, measure: str, canvas: Canvas) -> go.Scatter:
    style = STYLES[str(row["rater"])]
    value, low, high = (float(row[f"{measure}{end}"]) for end in ("", "_low", "_high"))
    bars = error_bars(pd.Series([value]), pd.Series([low]), pd.Series([high]), along="x")
    bars["error_x"]["color"] = canvas.colour(style)
    return go.Scatter(
        x=[value],
        y=[str(row["rater"]).capitalize()],
        mode="markers",
        marker={"size": 10, "color": canvas.colour(style), "symbol": style[2], "line": {"width": 1.6}},
        hovertemplate=f"{MEASURES[measure]} {value:.2f} (95 % {low:.2f} to {high:.2f})<extra></extra>",
        **bars,
    )
