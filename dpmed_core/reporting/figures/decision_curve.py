"""Decision curves: net benefit against threshold probability, private and without privacy."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.net_benefit import NET_BENEFIT
from dpmed_core.evaluation.tables.decision_curve import mean_benefit
from dpmed_core.reporting.figures.facts import guarantee_phrase, nothing_trained, require_rows, scored_by_finding
from dpmed_core.reporting.figures.forest import arms_at
from dpmed_core.reporting.figures.grid import ABOVE_PANELS, arm_curves, drawable, findings_shown, first_with_rows, panels
from dpmed_core.reporting.figures.style import CHANCE_LINE, LIGHT, Canvas, lay_out

EXPLAINED = (
    "Net benefit: true positives per image minus false positives weighted by the odds of the threshold. Above both grey lines, acting on "
    "the model does more good than acting on every image (dashed) or on none (0)."
)
HOVER = "net benefit %{y:.3f} at a threshold of %{x:.0%}<extra></extra>"
LOWEST = -0.05
"""Where the axis ends: the net benefit of acting on every image falls without bound as the threshold rises."""


def decision_curve_figure(curves: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """Net benefit at `epsilon` and without privacy: every training run thin, their mean thick; acting on every image dashed.

    Args:
        curves: `EvaluationTables.net_benefit` of one recipe and unit.
        cohort: named, with its version's alias, in the figure.
        finding: a finding, or "macro" for a panel for each.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another table.
    """
    require_rows(
        curves, ["threshold", "net_benefit", "treat_all", "reason"], otherwise=nothing_trained(NET_BENEFIT, finding_title(finding))
    )
    shown = findings_shown(finding, cohort)
    grid = panels(shown, curves, canvas, x_title="Threshold probability", y_title="Net benefit")
    drawn = drawable(curves, grid)
    first = first_with_rows(drawn, grid)
    for name, place in grid.places.items():
        of_finding = drawn[drawn["finding"] == name]
        for trace in _without_model(of_finding, with_legend=name == first):
            grid.figure.add_trace(trace, **place)
        for arm, of_arm in arms_at(of_finding, epsilon).items():
            for trace in arm_curves(
                of_arm, "threshold", "net_benefit", arm, canvas, hover=HOVER, with_legend=name == first, mean=mean_benefit
            ):
                grid.figure.add_trace(trace, **place)
    facts = [scored_by_finding(curves, cohort, shown), guarantee_phrase(curves, epsilon), EXPLAINED]
    title = f"{finding_title(finding)}: decision curves" if len(shown) == 1 else "Decision curves by finding"
    lay_out(grid.figure, title, facts, canvas, plot_height=grid.height, above=ABOVE_PANELS, below=96)
    # At least up to 0.05, so that the curves of a useless model are not blown up to fill the plot.
    highest = max(float(curves["net_benefit"].max(skipna=True)), 0.05)
    grid.figure.update_yaxes(range=[LOWEST, highest * 1.1], tickformat=".2f")
    grid.figure.update_xaxes(range=[0, 0.9], tickformat=".0%")
    return grid.figure


def _without_model(curves: pd.DataFrame, *, with_legend: bool) -> list[go.Scatter]:
    """The lines of acting on every image, and on none; nothing without rows."""
    if curves.empty:
        return []
    # Both depend on the share of positives alone, so any run's rows give them.
    one = curves[curves["run_id"] == curves["run_id"].iloc[0]]
    thresholds = one["threshold"]
    return [
        go.Scatter(
            x=thresholds,
            y=one["treat_all"],
            mode="lines",
            line={**CHANCE_LINE, "dash": "dash"},
            name="acting on every image",
            showlegend=with_legend,
            hoverinfo="skip",
        ),
        go.Scatter(x=thresholds, y=0 * thresholds, mode="lines", line=CHANCE_LINE, showlegend=False, hoverinfo="skip"),
    ]
