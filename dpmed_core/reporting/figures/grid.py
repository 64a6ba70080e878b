"""Panels with shared axes, one for each finding, and the curves of an arm's training runs in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.style import ARM_NAMES, ARM_STYLES, Arm, Canvas, new_figure

Mean = Callable[[pd.DataFrame], pd.DataFrame]

SINGLE_HEIGHT, PANEL_HEIGHT = 330, 190
GAP_PIXELS, ABOVE_PANELS = 62, 30
"""Pixels between rows of panels, and above the first: room for the panels' titles of two lines."""


@dataclass(frozen=True, eq=False)
class Panels:
    """A figure cut into panels.

    Attributes:
        figure: the figure.
        places: for each finding, the row and column of its panel, counted from 1, as Plotly takes them.
        height: pixels between the title and the lowest axis.
    """

    figure: go.Figure
    places: dict[str, dict[str, int]]
    height: int


def panels(findings: Sequence[str], table: pd.DataFrame, canvas: Canvas, *, x_title: str, y_title: str) -> Panels:
    """Empty panels with shared axes, titled by finding and its counts in `table`, as many beside each other as the canvas has room for."""
    panel_height = SINGLE_HEIGHT if len(findings) == 1 else PANEL_HEIGHT
    columns = min(len(findings), 4 if canvas.width and canvas.width > 500 else 2)
    rows = -(-len(findings) // columns)  # rounded up
    height = rows * panel_height + (rows - 1) * GAP_PIXELS
    figure = make_subplots(
        figure=new_figure(),
        rows=rows,
        cols=columns,
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=[_panel_title(f, table) for f in findings],
        # Plotly takes the gap as a share of the height, which would let it grow with the number of rows.
        vertical_spacing=GAP_PIXELS / height if rows > 1 else 0,
        horizontal_spacing=0.05,
        x_title=x_title,
        y_title=y_title,
    )
    figure.update_annotations(font={"size": canvas.font_size})
    return Panels(figure, {f: {"row": i // columns + 1, "col": i % columns + 1} for i, f in enumerate(findings)}, height)


def _panel_title(finding: str, table: pd.DataFrame) -> str:
    """The finding over its positives and images, as the first row of it in `table` has them."""
    rows = table[table["finding"] == finding]
    size = (
        f"{rows.iloc[0]['n_positive']:,} positive of {rows.iloc[0]['n_cases']:,} images" if len(rows) else "not estimable: only one class"
    )
    return f"{plain_html(finding_title(finding))}<br><span style='font-size:0.85em'>{size}</span>"


def findings_shown(finding: str, cohort: Cohort) -> list[str]:
    """The chosen finding, or all of the cohort's where the mean over findings was chosen."""
    return list(cohort.findings) if finding == MACRO else [finding]


def write_in_panel(panels: Panels, finding: str, text: str) -> None:
    """Write `text` in the middle of the panel of `finding`."""
    panels.figure.add_annotation(text=text, x=0.5, y=0.5, xref="x domain", yref="y domain", showarrow=False, **panels.places[finding])


def drawable(table: pd.DataFrame, panels: Panels) -> pd.DataFrame:
    """The rows of `table` whose finding is estimable; in the panel of each other finding is written why it is not.

    Args:
        table: with the columns finding and reason, which is empty where it is.
        panels: of the findings.
    """
    for finding in panels.places:
        reasons = table.loc[(table["finding"] == finding) & (table["reason"] != ""), "reason"]
        if len(reasons):
            write_in_panel(panels, finding, not_estimable_text(reasons.iloc[0]))
    return table[table["reason"] == ""]


def not_estimable_text(reason: str) -> str:
    """Why a panel is empty, in lines that fit into it."""
    return f"not estimable:<br>{plain_html(reason).replace(': ', ':<br>').replace(' patients', '<br>patients')}"


def first_with_rows(table: pd.DataFrame, panels: Panels) -> str | None:
    """The first finding with rows in `table`, whose panel has the legend for all; None where there is none."""
    return next((finding for finding in panels.places if (table["finding"] == finding).any()), None)


def diagonal(canvas: Canvas) -> go.Scatter:
    """The line on which both axes are equal."""
    return go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": canvas.grid, "width": 1}, hoverinfo="skip", showlegend=False)


def arm_curves(
    curves: pd.DataFrame, x: str, y: str, arm: Arm, canvas: Canvas, *, hover: str, with_legend: bool, mean: Mean
) -> list[go.Scatter]:
    """One finding's curves of an arm: every training run thin, and their mean thick; nothing without runs.

    Args:
        curves: points of all runs.
        x: column.
        y: column.
        arm: whose style and name they have.
        canvas: what they are drawn on.
        hover: Plotly's template for a point of the mean.
        with_legend: whether the mean has an entry in the legend; in panels only the first has, since all have the same.
        mean: gives the mean curve.
    """
    colour = canvas.colour(ARM_STYLES[arm])
    # Trainings that repeat each other exactly have one curve, and are one.
    n_runs = len({tuple(run[[x, y]].to_numpy().round(9).ravel()) for _, run in curves.groupby("run_id", sort=False)})
    if curves.empty:
        return []
    thin = [
        go.Scatter(x=run[x], y=run[y], mode="lines", line={"color": colour, "width": 0.7}, opacity=0.45, hoverinfo="skip", showlegend=False)
        for _, run in curves.groupby("run_id", sort=False)
        if n_runs > 1
    ]
    middle = mean(curves)
    thick = go.Scatter(
        x=middle[x],
        y=middle[y],
        mode="lines",
        # Dashed and solid too, so that the arms can be distinguished without colour.
        line={"color": colour, "width": 2.4, "dash": "solid" if arm == "private" else "dash"},
        name=f"{ARM_NAMES[arm]}: mean of {n_runs} training runs" if n_runs > 1 else ARM_NAMES[arm],
        showlegend=with_legend,
        hovertemplate=hover,
    )
    return [*thin, thick]
