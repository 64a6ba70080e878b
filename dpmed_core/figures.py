"""From tables to Plotly figures; colours of Okabe & Ito, told apart by colour-blind readers and on light and dark ground."""

from dataclasses import dataclass
from math import log10

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.naming import finding_title, version_alias

RECIPE_STYLES = {"probe": ("#0072B2", "#56B4E9", "circle"), "paper": ("#D55E00", "#E69F00", "diamond")}
"""For each recipe: colour on light ground, colour on dark ground, symbol."""
OTHER_STYLE = ("#009E73", "#33C6A0", "square")
HEIGHT = 470
SEED_SPREAD = 0.018
"""Replicates stand side by side, this share of epsilon apart."""


@dataclass(frozen=True)
class Ground:
    """Colours of text, lines and ground."""

    text: str
    grid: str
    paper: str
    is_dark: bool


LIGHT = Ground(text="#1b2733", grid="#dde3ea", paper="#ffffff", is_dark=False)
DARK = Ground(text="#e6ebf0", grid="#33404d", paper="#10161d", is_dark=True)


def privacy_utility_figure(
    utility: pd.DataFrame, means: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float | None = None, dark: bool = False
) -> go.Figure:
    """AUROC against epsilon: every training, the mean with its interval, the non-private reference as a band.

    Args:
        utility: `evaluation.utility.utility_table`.
        means: `evaluation.utility.utility_means` of the same.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        epsilon: marked, where given.
        dark: for dark ground.
    """
    ground = DARK if dark else LIGHT
    figure = go.Figure()
    runs, mean = utility[utility["finding"] == finding], means[means["finding"] == finding]
    for recipe in mean["recipe"].drop_duplicates():
        _add_reference(figure, mean[mean["recipe"] == recipe], recipe, ground)
        _add_curve(figure, mean[mean["recipe"] == recipe], recipe, ground)
        _add_trainings(figure, runs[runs["recipe"] == recipe], recipe, ground)
    if epsilon is not None:
        figure.add_vline(x=epsilon, line={"color": ground.text, "width": 1, "dash": "dot"})
    _lay_out(figure, f"{finding_title(finding)}: AUROC against privacy budget", _facts(runs, cohort), ground)
    _scale(figure, mean)
    return figure


def _add_reference(figure: go.Figure, mean: pd.DataFrame, recipe: str, ground: Ground) -> None:
    """The twin, drawn over the whole width: a line at its mean and a band for its interval."""
    twin = mean[mean["epsilon"].isna()]
    if twin.empty:
        return
    row, colour = twin.iloc[0], _colour(recipe, ground)
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


def _add_curve(figure: go.Figure, mean: pd.DataFrame, recipe: str, ground: Ground) -> None:
    private = mean[mean["epsilon"].notna()].sort_values("epsilon")
    if private.empty:
        return
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"],
            y=private["auroc"],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": private["auroc_high"] - private["auroc"],
                "arrayminus": private["auroc"] - private["auroc_low"],
                "thickness": 1.4,
                "width": 4,
            },
            mode="lines+markers",
            line={"color": _colour(recipe, ground), "width": 2},
            marker={"symbol": _style(recipe)[2], "size": 9},
            name=f"{recipe}, private: mean, 95 % interval",
            customdata=private[["auroc_low", "auroc_high", "n_seeds", "n_positive", "n_cases"]],
            hovertemplate=(
                "ε = %{x:g}: AUROC %{y:.3f} (95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
                "%{customdata[2]} trainings, %{customdata[3]} positive labels, %{customdata[4]} films<extra></extra>"
            ),
        )
    )


def _add_trainings(figure: go.Figure, runs: pd.DataFrame, recipe: str, ground: Ground) -> None:
    private = runs[runs["epsilon"].notna()]
    if private.empty or private["seed"].nunique() < 2:
        return
    beside = 1 + SEED_SPREAD * (private["seed"] - private["seed"].mean())
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"] * beside,
            y=private["auroc"],
            mode="markers",
            marker={"color": _colour(recipe, ground), "symbol": f"{_style(recipe)[2]}-open", "size": 6, "opacity": 0.75},
            name=f"{recipe}, single trainings",
            customdata=private[["epsilon", "seed"]],
            hovertemplate="ε = %{customdata[0]:g}, replicate %{customdata[1]}: AUROC %{y:.3f}<extra></extra>",
        )
    )


def _facts(runs: pd.DataFrame, cohort: Cohort) -> str:
    """Who was scored and what epsilon means here, as lines under the title."""
    who = f"{'Synthetic cohort' if cohort.synthetic else 'Cohort'} {cohort.name}, version {version_alias(cohort)}"
    if runs.empty:
        return who
    row, private = runs.iloc[0], runs[runs["epsilon"].notna()]
    counts = f"{row['n_cases']} test films of {row['n_patients']} patients, {row['n_positive']} positive labels"
    meaning = "; ".join(
        f"{recipe}: δ = {group['delta'].iloc[0]:.0e} per {group['unit'].iloc[0]}, {group['accountant'].iloc[0]} accountant"
        for recipe, group in private.groupby("recipe", sort=False)
    )
    return f"{who} · {counts}<br>{meaning}" if meaning else f"{who} · {counts}"


def _lay_out(figure: go.Figure, title: str, facts: str, ground: Ground) -> None:
    figure.update_layout(
        title={
            "text": title,
            "subtitle": {"text": facts, "font": {"size": 12.5}},
            "x": 0,
            "xanchor": "left",
            "font": {"size": 17},
            "yref": "container",
            "y": 0.96,
        },
        template="plotly_dark" if ground.is_dark else "plotly_white",
        paper_bgcolor=ground.paper,
        plot_bgcolor=ground.paper,
        font={"color": ground.text, "family": "system-ui, sans-serif", "size": 13},
        height=HEIGHT,
        margin={"l": 70, "r": 20, "t": 105, "b": 130},
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
        hoverlabel={"align": "left"},
    )


def _scale(figure: go.Figure, mean: pd.DataFrame) -> None:
    private = mean[mean["epsilon"].notna()]
    low, high = (private["epsilon"].min() / 1.4, private["epsilon"].max() * 1.4) if len(private) else (0.1, 10.0)
    ticks = [e for e in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if low <= e <= high]
    figure.update_xaxes(
        type="log",
        range=[log10(low), log10(high)],
        tickvals=ticks,
        ticktext=[f"{e:g}" for e in ticks],
        title="Privacy budget ε (log scale; smaller is more private)",
    )
    figure.update_yaxes(title="AUROC, held-out test patients", tickformat=".2f")
    if len(mean):
        bottom, top = min(mean["auroc_low"].min(), 0.5), max(mean["auroc_high"].max(), 0.9)
        figure.update_yaxes(range=[max(bottom - 0.02, 0), min(top + 0.02, 1.0)])
    figure.add_hline(y=0.5, line={"color": "#888888", "width": 1}, annotation_text="chance", annotation_position="bottom right")


def _style(recipe: str) -> tuple[str, str, str]:
    return RECIPE_STYLES.get(recipe, OTHER_STYLE)


def _colour(recipe: str, ground: Ground) -> str:
    return _style(recipe)[1 if ground.is_dark else 0]
