"""A metric against privacy budget: every training run, the mean with its interval, the reference without privacy."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.reporting.figures.axes import axis_range, axis_title, chance_level, mark_chance
from dpmed_core.reporting.figures.facts import counts, guarantee_phrases, nothing_trained, require_rows, who
from dpmed_core.reporting.figures.published import CITATION, add_published
from dpmed_core.reporting.figures.style import (
    LIGHT,
    Canvas,
    arm_phrase,
    epsilon_axis,
    error_bars,
    lay_out,
    level_line,
    mark_epsilon,
    new_figure,
    on_epsilon_axis,
    recipe_style,
    right_edge,
    say_instead,
)

SEED_SPREAD = 0.018
"""Training runs of one budget are drawn side by side, this share of epsilon apart: a factor, since the axis is logarithmic."""


def privacy_utility_figure(
    utility: pd.DataFrame,
    means: pd.DataFrame,
    cohort: Cohort,
    *,
    metric: Metric,
    finding: str,
    epsilon: float | None = None,
    published: pd.DataFrame | None = None,
    canvas: Canvas = LIGHT,
) -> go.Figure:
    """A metric against epsilon: every training run, the mean with its interval, the non-private reference as a band.

    Args:
        utility: `MetricTables.utility`.
        means: `MetricTables.overall`.
        cohort: named, with its version's alias, in the figure.
        metric: whose columns are drawn.
        finding: a finding or "macro".
        epsilon: marked, where given.
        published: everybody's rows of `evaluation.tables.published_results.pdac_table`, to draw behind the cohort's own; None for none.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another metric.
    """
    require_rows(utility, metric.columns, otherwise=nothing_trained(metric, finding_title(finding)))
    figure = new_figure()
    runs, mean = utility[utility["finding"] == finding], means[means["finding"] == finding]
    # The axis must reach the published values too.
    shown = mean if published is None else pd.concat([mean, published])
    edge = right_edge(list(shown["epsilon"].dropna()))
    for recipe in mean["recipe"].drop_duplicates():
        _add_reference(figure, mean[mean["recipe"] == recipe], metric, recipe, canvas)
        _add_curve(figure, mean[mean["recipe"] == recipe], metric, recipe, canvas)
        _add_runs(figure, runs[runs["recipe"] == recipe], metric, recipe, edge, canvas)
    mark_epsilon(figure, epsilon, canvas)
    facts = [f"{who(cohort)} · {counts(runs.iloc[0])}" if len(runs) else who(cohort), guarantee_phrases(runs)]
    if published is not None:
        add_published(figure, published, canvas)
        facts.append(CITATION)
    lay_out(figure, f"{finding_title(finding)}: {metric.title} against privacy budget", facts, canvas, plot_height=290)
    at_edge = any(_are_several(of_recipe) and of_recipe["epsilon"].isna().any() for _, of_recipe in runs.groupby("recipe"))
    _scale(figure, shown, runs, metric, edge if at_edge else None)
    if shown.empty and len(runs):
        say_instead(figure, f"Not estimable: {runs['reason'].iloc[0]}")
    return figure


def _add_reference(figure: go.Figure, mean: pd.DataFrame, metric: Metric, recipe: str, canvas: Canvas) -> None:
    """The non-private reference over the whole width: a line at its mean and a band for its interval."""
    reference = mean[mean["epsilon"].isna()]
    if reference.empty:
        return
    value, low, high = metric.columns
    row, colour = reference.iloc[0], canvas.colour(recipe_style(recipe))
    # Below the points of all recipes: their bands may overlap.
    known = pd.notna(row[low])  # a metric may have no interval; Plotly would draw a band of unknown ends anywhere
    if known:
        figure.add_hrect(y0=row[low], y1=row[high], fillcolor=colour, opacity=0.10, line_width=0, layer="below")
    interval = f" ({row[low]:.3f} to {row[high]:.3f})" if known else ""
    hover = f"Without privacy: {row[value]:.3f}{interval}<extra></extra>"
    line = {"color": colour, "dash": "dash", "width": 1.5}
    figure.add_trace(level_line(row[value], line, name=f"{recipe}, without privacy", hover=hover))


def _add_curve(figure: go.Figure, mean: pd.DataFrame, metric: Metric, recipe: str, canvas: Canvas) -> None:
    """The means of the private arms of one recipe, with their intervals."""
    private = mean[mean["epsilon"].notna()].sort_values("epsilon")
    if private.empty:
        return
    value, low, high = metric.columns
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"],
            y=private[value],
            **error_bars(private[value], private[low], private[high]),
            mode="lines+markers",
            line={"color": canvas.colour(recipe_style(recipe)), "width": 2},
            marker={"symbol": recipe_style(recipe)[2], "size": 9},
            name=f"{recipe}, private: mean{', 95 % interval' if private[low].notna().any() else ''}",
            customdata=private[[low, high, "n_seeds", "n_positive", "n_cases"]],
            hovertemplate=(
                f"ε = %{{x:g}}: {metric.title} %{{y:.3f}} "
                "(95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
                "%{customdata[2]} training runs, %{customdata[3]} positive labels, %{customdata[4]} images<extra></extra>"
            ),
        )
    )


def _are_several(runs: pd.DataFrame) -> bool:
    """Whether the runs of one recipe are drawn one by one: where each arm has one, it is its mean."""
    return runs["seed"].nunique() > 1


def _add_runs(figure: go.Figure, runs: pd.DataFrame, metric: Metric, recipe: str, edge: float, canvas: Canvas) -> None:
    """Every run of one recipe as a point, those without privacy at `edge`."""
    if not _are_several(runs):
        return
    budgets = runs["epsilon"].fillna(edge)
    beside = 1 + SEED_SPREAD * (runs["seed"] - runs["seed"].mean())
    colour = canvas.colour(recipe_style(recipe))
    figure.add_trace(
        go.Scatter(
            x=budgets * beside,
            y=runs[metric.name],
            mode="markers",
            marker={"color": colour, "symbol": f"{recipe_style(recipe)[2]}-open", "size": 6, "opacity": 0.75},
            name=f"{recipe}, single training runs",
            customdata=pd.DataFrame({"arm": runs["epsilon"].map(arm_phrase), "seed": runs["seed"]}),
            hovertemplate=f"%{{customdata[0]}}, seed %{{customdata[1]}}: {metric.title} %{{y:.3f}}<extra></extra>",
        )
    )


def _scale(figure: go.Figure, mean: pd.DataFrame, runs: pd.DataFrame, metric: Metric, edge: float | None) -> None:
    budgets = list(mean["epsilon"].dropna())
    figure.update_xaxes(**epsilon_axis(budgets, edge=edge))
    on_epsilon_axis(figure, budgets)
    figure.update_yaxes(title_text=axis_title(metric), tickformat=".2f")
    value, low, high = metric.columns
    if len(mean):
        # Where there is no interval, the values themselves must be on the axis.
        lowest, highest = (mean[end].fillna(mean[value]) for end in (low, high))
        least_high = 0.9 if metric.gain > 0 else None
        figure.update_yaxes(range=axis_range(metric, lowest.min(), highest.max(), least_high=least_high))
    # Chance is the prevalence for some metrics, and a mean over findings has none of its own.
    one_finding = len(runs) and runs["finding"].iloc[0] != MACRO
    mark_chance(figure, chance_level(metric, runs.iloc[0] if one_finding else None))
