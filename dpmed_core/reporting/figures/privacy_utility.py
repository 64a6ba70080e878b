"""AUROC against privacy budget: every training, the mean with its interval, the models without privacy."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.reporting.figures.facts import counts, guarantee_phrases, who
from dpmed_core.reporting.figures.published import CITATION, add_published
from dpmed_core.reporting.figures.style import LIGHT, Canvas, epsilon_axis, error_bars, lay_out, mark_epsilon, new_figure, recipe_style

SEED_SPREAD = 0.018
"""Replicates stand side by side, this share of epsilon apart."""


def privacy_utility_figure(
    utility: pd.DataFrame,
    means: pd.DataFrame,
    cohort: Cohort,
    *,
    finding: str,
    epsilon: float | None = None,
    published: pd.DataFrame | None = None,
    canvas: Canvas = LIGHT,
) -> go.Figure:
    """AUROC against epsilon: every training, the mean with its interval, the non-private reference as a band.

    Args:
        utility: `evaluation.tables.utility.utility_table`.
        means: `evaluation.tables.utility.utility_means` of the same.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        epsilon: marked, where given.
        published: everybody's rows of `evaluation.tables.published_results.pdac_table`, to draw apart from the cohort's own; None for none.
        canvas: what it is drawn on.
    """
    figure = new_figure()
    runs, mean = utility[utility["finding"] == finding], means[means["finding"] == finding]
    for recipe in mean["recipe"].drop_duplicates():
        _add_reference(figure, mean[mean["recipe"] == recipe], recipe, canvas)
        _add_curve(figure, mean[mean["recipe"] == recipe], recipe, canvas)
        _add_trainings(figure, runs[runs["recipe"] == recipe], recipe, canvas)
    mark_epsilon(figure, epsilon, canvas)
    facts = [f"{who(cohort)} · {counts(runs.iloc[0])}" if len(runs) else who(cohort), guarantee_phrases(runs)]
    shown = mean
    if published is not None:
        add_published(figure, published, canvas)
        facts.append(CITATION)
        shown = pd.concat([mean, published])
    lay_out(figure, f"{finding_title(finding)}: AUROC against privacy budget", facts, canvas, plot_height=290)
    _scale(figure, shown)
    return figure


def _add_reference(figure: go.Figure, mean: pd.DataFrame, recipe: str, canvas: Canvas) -> None:
    """The twin, drawn over the whole width: a line at its mean and a band for its interval."""
    twin = mean[mean["epsilon"].isna()]
    if twin.empty:
        return
    row, colour = twin.iloc[0], canvas.colour(recipe_style(recipe))
    figure.add_hrect(y0=row["auroc_low"], y1=row["auroc_high"], fillcolor=colour, opacity=0.10, line_width=0, layer="below")
    figure.add_trace(
        go.Scatter(
            x=[1e-3, 1e3],
            y=[row["auroc"]] * 2,
            mode="lines",
            line={"color": colour, "dash": "dash", "width": 1.5},
            name=f"{recipe}, without privacy",
            hovertemplate=f"Without privacy: {row['auroc']:.3f} ({row['auroc_low']:.3f} to {row['auroc_high']:.3f})<extra></extra>",
        )
    )


def _add_curve(figure: go.Figure, mean: pd.DataFrame, recipe: str, canvas: Canvas) -> None:
    private = mean[mean["epsilon"].notna()].sort_values("epsilon")
    if private.empty:
        return
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"],
            y=private["auroc"],
            **error_bars(private["auroc"], private["auroc_low"], private["auroc_high"]),
            mode="lines+markers",
            line={"color": canvas.colour(recipe_style(recipe)), "width": 2},
            marker={"symbol": recipe_style(recipe)[2], "size": 9},
            name=f"{recipe}, private: mean, 95 % interval",
            customdata=private[["auroc_low", "auroc_high", "n_seeds", "n_positive", "n_cases"]],
            hovertemplate=(
                "ε = %{x:g}: AUROC %{y:.3f} (95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
                "%{customdata[2]} trainings, %{customdata[3]} positive labels, %{customdata[4]} images<extra></extra>"
            ),
        )
    )


def _add_trainings(figure: go.Figure, runs: pd.DataFrame, recipe: str, canvas: Canvas) -> None:
    private = runs[runs["epsilon"].notna()]
    if private.empty or private["seed"].nunique() < 2:
        return
    beside = 1 + SEED_SPREAD * (private["seed"] - private["seed"].mean())
    colour = canvas.colour(recipe_style(recipe))
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"] * beside,
            y=private["auroc"],
            mode="markers",
            marker={"color": colour, "symbol": f"{recipe_style(recipe)[2]}-open", "size": 6, "opacity": 0.75},
            name=f"{recipe}, single trainings",
            customdata=private[["epsilon", "seed"]],
            hovertemplate="ε = %{customdata[0]:g}, replicate %{customdata[1]}: AUROC %{y:.3f}<extra></extra>",
        )
    )


def _scale(figure: go.Figure, mean: pd.DataFrame) -> None:
    figure.update_xaxes(**epsilon_axis(list(mean["epsilon"].dropna())))
    figure.update_yaxes(title_text="AUROC, held-out test patients", tickformat=".2f")
    if len(mean):
        bottom, top = min(mean["auroc_low"].min(), 0.5), max(mean["auroc_high"].max(), 0.9)
        figure.update_yaxes(range=[max(bottom - 0.02, 0), min(top + 0.02, 1.0)])
    figure.add_hline(y=0.5, line={"color": "#888888", "width": 1}, annotation_text="chance", annotation_position="top right")
