"""The gap between the subgroups with the largest and the smallest value of a metric, against privacy budget."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.facts import guarantee_phrases, nothing_trained, require_rows, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    DIFFERENCE_TICKS,
    LIGHT,
    Canvas,
    epsilon_axis,
    error_bars,
    faint,
    lay_out,
    level_line,
    mark_epsilon,
    new_figure,
)

DESCRIPTIVE = "Descriptive only: the two groups were picked because they differ most, so a gap above 0 is no proof of unfairness."


def gap_figure(
    gaps: pd.DataFrame,
    cohort: Cohort,
    *,
    metric: Metric,
    finding: str,
    attribute: str,
    epsilon: float | None = None,
    canvas: Canvas = LIGHT,
) -> go.Figure:
    """Largest minus smallest value among subgroups of every training run against epsilon; the mean without privacy as a line.

    Args:
        gaps: `MetricTables.gaps` of one recipe, unit, finding and attribute, with delta, unit and accountant.
        cohort: named, with its version's alias, in the figure.
        metric: whose gaps they are.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: marked, where given.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows.
    """
    require_rows(gaps, ["gap", "gap_low", "largest", "smallest"], otherwise=nothing_trained(metric, finding_title(finding)))
    figure = new_figure()
    known = gaps[gaps["gap"].notna()]
    private, reference = known[known["epsilon"].notna()], known[known["epsilon"].isna()]
    _add_reference(figure, reference, canvas)
    _add_private(figure, private, attribute, canvas)
    mark_epsilon(figure, epsilon, canvas)
    lay_out(
        figure,
        f"{finding_title(finding)} by {attribute_phrase(attribute)}: gap between subgroups",
        [f"{who(cohort)} · {guarantee_phrases(gaps)}", DESCRIPTIVE],
        canvas,
        plot_height=230,
    )
    figure.update_xaxes(**epsilon_axis(list(private["epsilon"])))
    figure.update_yaxes(title_text=f"Largest minus smallest {metric.title}", tickformat=DIFFERENCE_TICKS, rangemode="tozero")
    # The range that Plotly gives an axis without data would suggest values.
    if known.empty:
        why = plain_html(f"Not estimable: {gaps['reason'].iloc[0]}")
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=why, showarrow=False)
        figure.update_yaxes(range=[0, 0.5])
    return figure


def _add_reference(figure: go.Figure, reference: pd.DataFrame, canvas: Canvas) -> None:
    if reference.empty:
        return
    mean, colour = float(reference["gap"].mean()), canvas.colour(ARM_STYLES["non_private"])
    name = f"without privacy, mean of {len(reference)}" if len(reference) > 1 else "without privacy"
    line = {"color": colour, "dash": "dash", "width": 1.6}
    figure.add_trace(level_line(mean, line, name=name, hover=f"Without privacy: gap {mean:.3f}<extra></extra>"))


def _add_private(figure: go.Figure, private: pd.DataFrame, attribute: str, canvas: Canvas) -> None:
    """The gap of every private run, with the groups it is between, and the mean over the runs of each budget."""
    if private.empty:
        return
    colour = canvas.colour(ARM_STYLES["private"])
    mean = private.groupby("epsilon", as_index=False)["gap"].mean()
    figure.add_trace(
        go.Scatter(
            x=mean["epsilon"], y=mean["gap"], mode="lines", line={"color": colour, "width": 2}, name="private, mean", hoverinfo="skip"
        )
    )
    # Runs of one budget are drawn side by side: a factor is a distance on the logarithmic axis.
    beside = 1 + 0.03 * (private["seed"] - private["seed"].mean())
    groups = private[["largest", "smallest"]].map(lambda subgroup: plain_html(subgroup_title(attribute, subgroup)))
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"] * beside,
            y=private["gap"],
            # A gap is never below 0, though its symmetric interval may be.
            error_y={
                **error_bars(private["gap"], private["gap_low"].clip(lower=0), private["gap_high"])["error_y"],
                "color": faint(colour, 0.35),
            },
            mode="markers",
            marker={"color": colour, "symbol": "circle-open", "size": 7},
            name="private, single training runs, 95 % interval",
            customdata=pd.concat([private[["epsilon", "seed"]], groups], axis=1),
            hovertemplate="ε = %{customdata[0]:g}: gap %{y:.3f}<br>best %{customdata[2]}, worst %{customdata[3]}<extra></extra>",
        )
    )
