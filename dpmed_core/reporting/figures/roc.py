"""ROC curves of the private models and their non-private references at one budget."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.reporting.figures.facts import guarantee_phrase, nothing_trained, require_rows, scored_by_finding
from dpmed_core.reporting.figures.grid import ABOVE_PANELS, diagonal, findings_shown, panels
from dpmed_core.reporting.figures.style import ARM_NAMES, ARM_STYLES, LIGHT, Arm, Canvas, lay_out


def roc_figure(curves: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """ROC curves at `epsilon` and without privacy: every training run thin, their mean (sensitivity averaged at each rate) thick.

    Args:
        curves: `evaluation.statistics.curves.roc_table` of one recipe and unit.
        cohort: named, with its version's alias, in the figure.
        finding: a finding, or "macro" for a panel for each.
        epsilon: a trained target.
        canvas: what it is drawn on.
    """
    require_rows(curves, ["false_positive_rate", "sensitivity"], otherwise=nothing_trained(AUROC, finding_title(finding)))
    shown = findings_shown(finding, cohort)
    grid = panels(shown, curves, canvas, x_title="1 − specificity", y_title="Sensitivity")
    for name, place in grid.places.items():
        grid.figure.add_trace(diagonal(canvas), **place)
        for arm in ("non_private", "private"):
            of_arm = curves[(curves["finding"] == name) & (curves["epsilon"].eq(epsilon) if arm == "private" else curves["epsilon"].isna())]
            for trace in _arm_traces(of_arm, arm, canvas, with_legend=name == shown[0]):
                grid.figure.add_trace(trace, **place)
    facts = [scored_by_finding(curves, cohort, shown), guarantee_phrase(curves, epsilon)]
    title = f"{finding_title(finding)}: ROC curves" if len(shown) == 1 else "ROC curves by finding"
    lay_out(grid.figure, title, facts, canvas, plot_height=grid.height, above=ABOVE_PANELS, below=96)
    grid.figure.update_xaxes(range=[-0.01, 1.01], tickvals=[0, 0.5, 1])
    grid.figure.update_yaxes(range=[-0.01, 1.01], tickvals=[0, 0.5, 1])
    return grid.figure


def _arm_traces(curves: pd.DataFrame, arm: Arm, canvas: Canvas, *, with_legend: bool) -> list[go.Scatter]:
    colour, name = canvas.colour(ARM_STYLES[arm]), ARM_NAMES[arm]
    mean = curves.groupby("false_positive_rate", as_index=False)["sensitivity"].mean()
    n_trainings = curves["run_id"].nunique()
    thin = [
        go.Scatter(
            x=run["false_positive_rate"],
            y=run["sensitivity"],
            mode="lines",
            line={"color": colour, "width": 0.7},
            opacity=0.45,
            hoverinfo="skip",
            showlegend=False,
        )
        for _, run in curves.groupby("run_id", sort=False)
        if n_trainings > 1
    ]
    if mean.empty:
        return thin
    thick = go.Scatter(
        x=[0.0, *mean["false_positive_rate"]],
        y=[0.0, *mean["sensitivity"]],
        mode="lines",
        line={"color": colour, "width": 2.4, "dash": "solid" if arm == "private" else "dash"},
        name=f"{name}: mean of {n_trainings} training runs" if n_trainings > 1 else name,
        showlegend=with_legend,
        hovertemplate="sensitivity %{y:.2f} at 1 − specificity %{x:.2f}<extra></extra>",
    )
    return [*thin, thick]
