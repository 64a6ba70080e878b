"""One case's score against the privacy budget: every training run, their mean, the range without privacy, and the thresholds."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.reporting.figures.facts import guarantee_phrases, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    LIGHT,
    Canvas,
    epsilon_axis,
    faint,
    lay_out,
    level_line,
    mark_epsilon,
    new_figure,
    on_epsilon_axis,
)

BESIDE = 1.035
"""Training runs of one budget are drawn side by side, each at this factor of the one before: a distance on the logarithmic axis."""
READING = "Each point is one training run, filled where it calls the case positive: at or above its own threshold, the short line."


def case_figure(runs: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float | None = None, canvas: Canvas = LIGHT) -> go.Figure:
    """The scores of one case for `finding` by budget.

    Args:
        runs: `evaluation.cases.case_scores.trainings_of_case`, of one recipe and unit.
        cohort: named, with its version's alias, in the figure; the case is not.
        finding: a finding.
        epsilon: marked, where given.
        canvas: what it is drawn on.
    """
    figure = new_figure()
    rows = runs[(runs["finding"] == finding) & ~runs["repeats"]]
    private, reference = rows[rows["epsilon"].notna()].sort_values(["epsilon", "seed"]), rows[rows["epsilon"].isna()]
    epsilons = sorted(private["epsilon"].unique())
    _add_reference(figure, reference, epsilons, canvas)
    if len(private):
        _add_private(figure, private, canvas)
    mark_epsilon(figure, epsilon, canvas)
    # One recipe is shown, so its name would add nothing: the phrase is about "private models".
    guaranteed = guarantee_phrases(private.assign(recipe="private models")) or "No private model is trained yet."
    facts = [who(cohort), guaranteed, READING]
    lay_out(figure, f"{finding_title(finding)}: this case's score by privacy budget", facts, canvas, plot_height=240)
    figure.update_xaxes(**epsilon_axis(list(map(float, epsilons))))
    on_epsilon_axis(figure, list(map(float, epsilons)))
    figure.update_yaxes(title_text="Score", range=[-0.02, 1.02], tickformat=".1f")
    figure.update_layout(showlegend=True)
    return figure


def _add_reference(figure: go.Figure, reference: pd.DataFrame, epsilons: list[float], canvas: Canvas) -> None:
    """The range of the reference's scores as a band and their mean as a line, over the width of the axis."""
    if reference.empty:
        return
    colour = canvas.colour(ARM_STYLES["non_private"])
    low, high, mean = float(reference["score"].min()), float(reference["score"].max()), float(reference["score"].mean())
    figure.add_hrect(y0=low, y1=high, fillcolor=faint(colour, 0.2), line_width=0, layer="below")
    ends = [min(epsilons) / 1.4, max(epsilons) * 1.4] if epsilons else [0.1, 10.0]
    n = len(reference)
    name = f"without privacy: mean and range of {n} training runs" if n > 1 else "without privacy: one training run"
    hover = f"without privacy: {mean:.3f} ({low:.3f} to {high:.3f})<extra></extra>"
    figure.add_trace(level_line(mean, {"color": colour, "width": 1.8, "dash": "dash"}, name=name, hover=hover, ends=ends))


def _add_private(figure: go.Figure, private: pd.DataFrame, canvas: Canvas) -> None:
    """The mean score of each budget, and every run's score with its threshold."""
    colour = canvas.colour(ARM_STYLES["private"])
    # Centred on the budget: the exponents of n runs go from -(n - 1) / 2 to (n - 1) / 2.
    position, n_beside = private.groupby("epsilon").cumcount(), private.groupby("epsilon")["seed"].transform("size")
    at = private["epsilon"] * BESIDE ** (position - (n_beside - 1) / 2)
    mean = private.groupby("epsilon", as_index=False)["score"].mean()
    figure.add_trace(
        go.Scatter(
            x=mean["epsilon"],
            y=mean["score"],
            mode="lines",
            line={"color": colour, "width": 1.8},
            name="private: mean",
            hovertemplate="ε = %{x:g}: mean %{y:.3f}<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=at,
            y=private["threshold"],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 11, "color": canvas.text, "line": {"width": 1.6}},
            name="threshold of each training run",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=at,
            y=private["score"],
            mode="markers",
            marker={
                "size": 9,
                "color": colour,
                # Open too where a run has no threshold, and so no answer.
                "symbol": np.where(private["positive"] == 1, "circle", "circle-open"),
                "line": {"width": 1.6},
            },
            name="private: each training run",
            customdata=private[["epsilon", "seed", "threshold"]],
            hovertemplate="ε = %{customdata[0]:g}, seed %{customdata[1]}: %{y:.3f} (threshold %{customdata[2]:.3f})<extra></extra>",
        )
    )
