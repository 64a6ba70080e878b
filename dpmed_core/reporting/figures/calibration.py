"""Calibration: mean score against the observed share of positives, private and without privacy."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.reporting.figures.facts import error_floor_phrase, guarantee_phrase, nothing_trained, require_rows, scored_by_finding
from dpmed_core.reporting.figures.forest import arms_at
from dpmed_core.reporting.figures.grid import ABOVE_PANELS, diagonal, drawable, findings_shown, first_with_rows, panels
from dpmed_core.reporting.figures.style import ARM_NAMES, ARM_STYLES, LIGHT, Arm, Canvas, error_bars, lay_out


def calibration_figure(bins: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """Observed share of positives against the mean score of each bin, for the first training run at `epsilon` and the first reference.

    A finding that is not estimable has no points; its panel says why.

    Args:
        bins: `evaluation.statistics.curves.reliability_table` of one recipe and unit.
        cohort: named, with its version's alias, in the figure.
        finding: a finding, or "macro" for a panel for each.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another table, or no private run is at `epsilon`.
    """
    require_rows(bins, ["predicted", "observed", "reason"], otherwise=nothing_trained(AUROC, finding_title(finding)))
    shown = findings_shown(finding, cohort)
    grid = panels(shown, bins, canvas, x_title="Score (predicted probability)", y_title="Share with the finding")
    # Each run has bins of its own scores, so bins of several runs cannot be averaged: the first run stands for the arm.
    drawn = drawable(bins, grid)
    first = first_with_rows(drawn, grid)
    firsts = {arm: rows[rows["seed"] == rows["seed"].min()] for arm, rows in arms_at(drawn, epsilon).items()}
    for name, place in grid.places.items():
        if (drawn["finding"] == name).any():
            grid.figure.add_trace(diagonal(canvas), **place)
        for arm, of_arm in firsts.items():
            rows = of_arm[of_arm["finding"] == name].sort_values("predicted")
            if len(rows):
                grid.figure.add_trace(_arm_trace(rows, arm, canvas, with_legend=name == first), **place)
    facts = [scored_by_finding(bins, cohort, shown), guarantee_phrase(bins, epsilon), "First training run of each; bins of equal size."]
    drawn = pd.concat(firsts.values())
    facts += [phrase] if (phrase := error_floor_phrase(drawn[drawn["finding"].isin(shown)])) else []
    title = f"{finding_title(finding)}: calibration" if len(shown) == 1 else "Calibration by finding"
    lay_out(grid.figure, title, facts, canvas, plot_height=grid.height, above=ABOVE_PANELS, below=96)
    grid.figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1])
    grid.figure.update_yaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1])
    return grid.figure


def _arm_trace(rows: pd.DataFrame, arm: Arm, canvas: Canvas, *, with_legend: bool) -> go.Scatter:
    return go.Scatter(
        x=rows["predicted"],
        y=rows["observed"],
        **error_bars(rows["observed"], rows["observed_low"], rows["observed_high"]),
        mode="lines+markers",
        line={"color": canvas.colour(ARM_STYLES[arm]), "width": 1.8, "dash": "solid" if arm == "private" else "dash"},
        marker={"symbol": ARM_STYLES[arm][2], "size": 7},
        name=f"{ARM_NAMES[arm]}, 95 % interval",
        showlegend=with_legend,
        customdata=rows[["bin_cases", "bin_positive"]],
        hovertemplate="mean score %{x:.2f}: %{y:.2f} have it<br>%{customdata[1]} of %{customdata[0]} images<extra></extra>",
    )
