"""The gap between the subgroups with the largest and the smallest value of a metric, against privacy budget."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.tables.subgroup_gaps import mean_gaps
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.facts import guarantee_phrases, nothing_trained, require_rows, who
from dpmed_core.reporting.figures.style import (
    ARM_NAMES,
    ARM_STYLES,
    DIFFERENCE_TICKS,
    LIGHT,
    Arm,
    Canvas,
    arm_phrase,
    epsilon_axis,
    error_bars,
    faint,
    lay_out,
    level_line,
    mark_epsilon,
    new_figure,
    on_epsilon_axis,
    right_edge,
    say_instead,
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
    _add_mean(figure, private, canvas)
    _add_runs(figure, known, attribute, canvas)
    mark_epsilon(figure, epsilon, canvas)
    lay_out(
        figure,
        f"{finding_title(finding)} by {attribute_phrase(attribute)}: gap between subgroups",
        [f"{who(cohort)} · {guarantee_phrases(gaps)}", DESCRIPTIVE],
        canvas,
        plot_height=230,
    )
    figure.update_xaxes(**epsilon_axis(list(private["epsilon"]), edge=right_edge(list(private["epsilon"])) if len(reference) else None))
    on_epsilon_axis(figure, list(private["epsilon"]))
    figure.update_yaxes(title_text=f"Largest minus smallest {metric.title}", tickformat=DIFFERENCE_TICKS, rangemode="tozero")
    if known.empty:
        say_instead(figure, f"Not estimable: {gaps['reason'].iloc[0]}")
    return figure


def _add_reference(figure: go.Figure, reference: pd.DataFrame, canvas: Canvas) -> None:
    if reference.empty:
        return
    mean, colour = float(mean_gaps(reference)["gap"].iloc[0]), canvas.colour(ARM_STYLES["non_private"])
    name = f"without privacy, mean of {len(reference)}" if len(reference) > 1 else "without privacy"
    line = {"color": colour, "dash": "dash", "width": 1.6}
    figure.add_trace(level_line(mean, line, name=name, hover=f"Without privacy: gap {mean:.3f}<extra></extra>"))


def _add_mean(figure: go.Figure, private: pd.DataFrame, canvas: Canvas) -> None:
    """The mean over the runs of each budget."""
    if private.empty:
        return
    colour = canvas.colour(ARM_STYLES["private"])
    mean = mean_gaps(private).sort_values("epsilon")
    figure.add_trace(
        go.Scatter(
            x=mean["epsilon"],
            y=mean["gap"],
            mode="lines",
            line={"color": colour, "width": 2},
            name="private, mean",
            hovertemplate="Mean gap %{y:.3f}<extra></extra>",
        )
    )


def _add_runs(figure: go.Figure, known: pd.DataFrame, attribute: str, canvas: Canvas) -> None:
    """The gap of every run, with the groups it is between; those without privacy at the right edge."""
    budgets = known["epsilon"].dropna()
    arms: dict[Arm, pd.DataFrame] = {"private": known[known["epsilon"].notna()], "non_private": known[known["epsilon"].isna()]}
    for arm, runs in arms.items():
        if len(runs):
            _add_runs_of_arm(figure, runs, right_edge(list(budgets)), attribute, arm, canvas)


def _add_runs_of_arm(figure: go.Figure, runs: pd.DataFrame, edge: float, attribute: str, arm: Arm, canvas: Canvas) -> None:
    """The gaps of one arm; `edge` is where those without privacy stand."""
    colour = canvas.colour(ARM_STYLES[arm])
    # Runs of one budget are drawn side by side: a factor is a distance on the logarithmic axis.
    beside = 1 + 0.03 * (runs["seed"] - runs["seed"].mean())
    groups = runs[["largest", "smallest"]].map(lambda subgroup: plain_html(subgroup_title(attribute, subgroup)))
    figure.add_trace(
        go.Scatter(
            x=runs["epsilon"].fillna(edge) * beside,
            y=runs["gap"],
            # A gap is never below 0, though its symmetric interval may be.
            error_y={
                **error_bars(runs["gap"], runs["gap_low"].clip(lower=0), runs["gap_high"])["error_y"],
                "color": faint(colour, 0.35),
            },
            mode="markers",
            marker={"color": colour, "symbol": f"{ARM_STYLES[arm][2].removesuffix('-open')}-open", "size": 7},
            name=f"{ARM_NAMES[arm]}, single training runs, 95 % interval",
            customdata=pd.concat([runs["epsilon"].map(arm_phrase), groups], axis=1),
            hovertemplate="%{customdata[0]}: gap %{y:.3f}<br>largest %{customdata[1]}, smallest %{customdata[2]}<extra></extra>",
        )
    )
