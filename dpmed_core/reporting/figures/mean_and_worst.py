"""A metric against privacy budget at a glance: the mean over findings, without privacy, and the findings that lose most."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import MACRO_TITLE, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.axes import axis_range, axis_title, chance_level, mark_chance
from dpmed_core.reporting.figures.facts import counts, guarantee_phrases, nothing_trained, require_rows, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    LABELS_FIT,
    LIGHT,
    ROOM,
    Canvas,
    epsilon_axis,
    faint,
    lay_out,
    level_line,
    mark_epsilon,
    new_figure,
    on_epsilon_axis,
    place_of_nothing,
    right_edge,
)

SYMBOLS = ("square-open", "triangle-up-open")
PLOT_HEIGHT = 250


def mean_and_worst_figure(
    mean: pd.DataFrame, worst: pd.DataFrame, cohort: Cohort, *, metric: Metric, epsilon: float | None = None, canvas: Canvas = LIGHT
) -> go.Figure:
    """The mean over findings with its interval, the same without privacy as a dashed line, and dotted the findings that lose most.

    Args:
        mean: everybody's rows of `MetricTables.groups` for the mean over findings, of one recipe and unit.
        worst: the same of the findings that lose most at `epsilon`; their values without privacy are drawn at the right edge.
        cohort: named, with its version's alias, in the figure.
        metric: whose columns are drawn.
        epsilon: marked, where given.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another metric.
    """
    require_rows(mean, metric.columns, otherwise=nothing_trained(metric, MACRO_TITLE))
    figure, both = new_figure(), pd.concat([mean, worst])
    budgets = sorted(both["epsilon"].dropna().unique())
    edge = right_edge(budgets)
    _add_mean(figure, mean, metric, canvas)
    for finding, symbol in zip(worst["finding"].drop_duplicates(), SYMBOLS, strict=False):
        figure.add_trace(_dotted(worst[worst["finding"] == finding], metric, symbol, edge, canvas))
    mark_epsilon(figure, epsilon, canvas)
    at = "" if epsilon is None else f" at ε = {epsilon:g}"
    facts = [
        f"{who(cohort)} · {counts(mean.iloc[0])}",
        guarantee_phrases(mean),
        *([f"Dotted: the findings that lose most{at}, picked after looking; their last point is without privacy."] if len(worst) else []),
    ]
    lay_out(figure, f"{metric.title} against privacy budget: mean and worst findings", facts, canvas, plot_height=PLOT_HEIGHT, below=100)
    _scale(figure, both, metric, budgets, edge if len(worst) else None)
    if canvas.is_bare:  # the page's own words say what stands on the axes
        figure.update_yaxes(title_text="")
        figure.update_xaxes(title_text="ε; none: no privacy" if len(worst) else "ε")
    return figure


def alternative_text(mean: pd.DataFrame, worst: pd.DataFrame, metric: Metric) -> str:
    """The figure for a reader who does not see it: each curve's values, budget by budget, and without privacy."""
    curves = [(MACRO_TITLE, mean), *((finding_title(str(name)), of) for name, of in worst.groupby("finding", sort=False))]
    said = (f"{name}: {_in_words(rows.sort_values('epsilon'), metric)}" for name, rows in curves)
    return f"Curve of {metric.title} against privacy budget. {'. '.join(said)}."


def _in_words(rows: pd.DataFrame, metric: Metric) -> str:
    return ", ".join(
        f"{'without privacy' if pd.isna(epsilon) else f'at ε = {epsilon:g}'} {value:.3f}"
        for epsilon, value in rows[["epsilon", metric.name]].itertuples(index=False)
    )


def _add_mean(figure: go.Figure, mean: pd.DataFrame, metric: Metric, canvas: Canvas) -> None:
    """The curve with a band for its interval, and the line without privacy."""
    value, low, high = metric.columns
    private, reference = mean[mean["epsilon"].notna()].sort_values("epsilon"), mean[mean["epsilon"].isna()]
    colour = canvas.colour(ARM_STYLES["private"])
    banded = private[private[low].notna()]
    if len(banded) > 1:
        figure.add_trace(
            go.Scatter(
                # A closed polygon: to the right along the lower end, back along the upper one.
                x=[*banded["epsilon"], *banded["epsilon"][::-1]],
                y=[*banded[low], *banded[high][::-1]],
                mode="lines",
                fill="toself",
                fillcolor=faint(colour, 0.18),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    if len(reference):
        row = reference.iloc[0]
        interval = f" ({row[low]:.3f} to {row[high]:.3f})" if pd.notna(row[low]) else ""
        line = {"color": canvas.colour(ARM_STYLES["non_private"]), "dash": "dash", "width": 2}
        hover = f"Without privacy: {row[value]:.3f}{interval}<extra></extra>"
        figure.add_trace(level_line(row[value], line, name="mean, without privacy", hover=hover))
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"],
            y=private[value],
            mode="lines+markers",
            line={"color": colour, "width": 2.6},
            marker={"size": 8},
            name=f"mean over findings{', 95 % interval' if len(banded) and not canvas.is_bare else ''}",
            customdata=private[[low, high]],
            hovertemplate="ε = %{x:g}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
        )
    )


def _dotted(rows: pd.DataFrame, metric: Metric, symbol: str, edge: float, canvas: Canvas) -> go.Scatter:
    """One finding, its value without privacy at the right edge."""
    value, low, high = metric.columns
    rows = rows.sort_values("epsilon", na_position="last")
    private, colour = rows["epsilon"].notna(), canvas.colour(ARM_STYLES["private"])
    name = plain_html(finding_title(str(rows["finding"].iloc[0])))
    arm = [f"ε = {e:g}" if pd.notna(e) else "without privacy" for e in rows["epsilon"]]
    return go.Scatter(
        x=rows["epsilon"].fillna(edge),
        y=rows[value],
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "dot"},
        marker={
            "size": 8,
            "symbol": [symbol if is_private else ARM_STYLES["non_private"][2] for is_private in private],
            "color": [colour if is_private else canvas.colour(ARM_STYLES["non_private"]) for is_private in private],
        },
        name=name,
        customdata=list(zip(arm, rows[low], rows[high], strict=True)),
        hovertemplate=f"{name}, %{{customdata[0]}}: %{{y:.3f}} (%{{customdata[1]:.3f}} to %{{customdata[2]:.3f}})<extra></extra>",
    )


def _scale(figure: go.Figure, rows: pd.DataFrame, metric: Metric, budgets: list[float], edge: float | None) -> None:
    """Axes around what is drawn; with a tick for models without privacy where some stand at `edge`."""
    value, low, high = metric.columns
    axis = epsilon_axis(budgets, edge=edge)
    if edge is not None:
        ticks = _ticks([budget for budget in budgets if budget > 0])
        at_nothing = [(place_of_nothing(budgets), "0 (start alone)")] if 0.0 in budgets else []
        places = [*at_nothing, *((tick, f"{tick:g}") for tick in ticks), (edge, "none")]
        axis["tickvals"], axis["ticktext"] = map(list, zip(*places, strict=True))
    figure.update_xaxes(**axis, **LABELS_FIT)
    on_epsilon_axis(figure, budgets)
    # Where a metric has no interval, the values themselves must be on the axis.
    lowest, highest = (rows[end].fillna(rows[value]).where(rows["finding"] == MACRO, rows[value]) for end in (low, high))
    reach = axis_range(metric, lowest.min(), highest.max(), least_high=0.9 if metric.gain > 0 else None)
    figure.update_yaxes(title_text=axis_title(metric), tickformat=".2f", range=reach, **LABELS_FIT)
    mark_chance(figure, chance_level(metric, None))


def _ticks(budgets: list[float]) -> list[float]:
    """The trained budgets that have room for a label beside that of the next larger one."""
    kept: list[float] = []
    for budget in sorted(budgets, reverse=True):
        if not kept or kept[-1] / budget >= ROOM:
            kept.append(budget)
    return kept[::-1]
