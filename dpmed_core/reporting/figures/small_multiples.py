"""The privacy-utility curve of every finding, side by side."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.reporting.figures.axes import axis_range
from dpmed_core.reporting.figures.facts import guarantee_phrases, nothing_trained, require_rows, scored_by_finding
from dpmed_core.reporting.figures.grid import ABOVE_PANELS, findings_shown, not_estimable_text, panels, write_in_panel
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    LIGHT,
    WHOLE_WIDTH,
    Canvas,
    epsilon_axis,
    error_bars,
    faint,
    lay_out,
    level_line,
    mark_epsilon,
    on_epsilon_axis,
)


def small_multiples_figure(
    rows: pd.DataFrame, cohort: Cohort, *, metric: Metric, epsilon: float | None = None, canvas: Canvas = LIGHT
) -> go.Figure:
    """A metric against epsilon, one panel a finding, all on the same axes.

    Args:
        rows: everybody's rows of `MetricTables.groups`, of one recipe and unit.
        metric: whose columns are drawn.
        cohort: named, with its version's alias, in the figure.
        epsilon: marked, where given.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another metric.
    """
    require_rows(rows, metric.columns, otherwise=nothing_trained(metric, "any finding"))
    value, low, high = metric.columns
    means = rows[rows[value].notna()]
    shown = findings_shown(MACRO, cohort)
    # The first panel with a curve has the legend for all.
    first = next((finding for finding in shown if (means["finding"] == finding).any()), None)
    axis = epsilon_axis(list(means["epsilon"].dropna()))
    # All panels share one axis title, which belongs to the grid and not to an axis.
    grid = panels(shown, rows, canvas, x_title=axis.pop("title_text"), y_title=metric.title)
    for finding, place in grid.places.items():
        mean = means[means["finding"] == finding]
        _add_panel(grid.figure, mean, metric, place, canvas, with_legend=finding == first)
        if mean.empty:
            write_in_panel(grid, finding, _reason(rows, finding))
    mark_epsilon(grid.figure, epsilon, canvas)
    on_epsilon_axis(grid.figure, list(means["epsilon"].dropna()))
    facts = [scored_by_finding(rows, cohort, shown), guarantee_phrases(rows)]
    lay_out(
        grid.figure,
        f"{metric.title} against privacy budget, by finding",
        facts,
        canvas,
        plot_height=grid.height,
        above=ABOVE_PANELS,
        below=96,
    )
    grid.figure.update_xaxes(**axis)
    # Where a metric has no interval, the values themselves must be on the axis.
    lowest, highest = (means[end].fillna(means[value]) for end in (low, high))
    grid.figure.update_yaxes(tickformat=".2f", range=axis_range(metric, lowest.min(), highest.max()))
    return grid.figure


def _reason(rows: pd.DataFrame, finding: str) -> str:
    """Why a panel is empty, in lines that fit into it."""
    reasons = rows.loc[(rows["finding"] == finding) & (rows["reason"] != ""), "reason"]
    return not_estimable_text(reasons.iloc[0]) if len(reasons) else "not trained yet"


def _add_panel(figure: go.Figure, mean: pd.DataFrame, metric: Metric, place: dict[str, int], canvas: Canvas, *, with_legend: bool) -> None:
    private, reference = mean[mean["epsilon"].notna()].sort_values("epsilon"), mean[mean["epsilon"].isna()]
    # A trace that asked to stay out of the legend, as the band does, stays out.
    for trace in [*_reference_traces(reference, metric, canvas), _private_trace(private, metric, canvas)]:
        trace.showlegend = with_legend and trace.showlegend is not False
        figure.add_trace(trace, **place)


def _reference_traces(reference: pd.DataFrame, metric: Metric, canvas: Canvas) -> list[go.Scatter]:
    """A line over the whole width, and a band for its interval."""
    if reference.empty:
        return []
    row, colour, ends = reference.iloc[0], canvas.colour(ARM_STYLES["non_private"]), WHOLE_WIDTH
    value, low, high = (row[column] for column in metric.columns)
    # A closed polygon: to the right along the lower end, back along the upper one.
    band = go.Scatter(
        x=[*ends, *ends[::-1]],
        y=[low, low, high, high],
        fill="toself",
        fillcolor=faint(colour, 0.13),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    hover = f"Without privacy: {value:.3f} ({low:.3f} to {high:.3f})<extra></extra>"
    return [band, level_line(value, {"color": colour, "dash": "dash", "width": 1.5}, name="without privacy", hover=hover)]


def _private_trace(private: pd.DataFrame, metric: Metric, canvas: Canvas) -> go.Scatter:
    """The means of the private arms with their intervals."""
    value, low, high = metric.columns
    return go.Scatter(
        x=private["epsilon"],
        y=private[value],
        **error_bars(private[value], private[low], private[high]),
        mode="lines+markers",
        line={"color": canvas.colour(ARM_STYLES["private"]), "width": 1.8},
        marker={"size": 6},
        name="private: mean, 95 % interval",
        customdata=private[[low, high, "n_positive", "n_cases"]],
        hovertemplate=(
            "ε = %{x:g}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
            "%{customdata[2]} positive of %{customdata[3]} images<extra></extra>"
        ),
    )
