"""ROC curves of the private models and their non-private references at one budget."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.statistics.curves import mean_roc
from dpmed_core.reporting.figures.facts import guarantee_phrase, nothing_trained, require_rows, scored_by_finding
from dpmed_core.reporting.figures.forest import arms_at
from dpmed_core.reporting.figures.grid import ABOVE_PANELS, arm_curves, diagonal, drawable, findings_shown, first_with_rows, panels
from dpmed_core.reporting.figures.style import LIGHT, Canvas, lay_out

HOVER = "sensitivity %{y:.2f} at 1 − specificity %{x:.2f}<extra></extra>"


def roc_figure(curves: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """ROC curves at `epsilon` and without privacy: every training run thin, their mean (sensitivity averaged at each rate) thick.

    A finding that is not estimable has no curve; its panel says why.

    Args:
        curves: `evaluation.statistics.curves.roc_table` of one recipe and unit.
        cohort: named, with its version's alias, in the figure.
        finding: a finding, or "macro" for a panel for each.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another table, or no private run is at `epsilon`.
    """
    require_rows(curves, ["false_positive_rate", "sensitivity", "reason"], otherwise=nothing_trained(AUROC, finding_title(finding)))
    shown = findings_shown(finding, cohort)
    grid = panels(shown, curves, canvas, x_title="1 − specificity", y_title="Sensitivity")
    drawn = drawable(curves, grid)
    first = first_with_rows(drawn, grid)
    for name, place in grid.places.items():
        if (drawn["finding"] == name).any():
            grid.figure.add_trace(diagonal(canvas), **place)
        for arm, of_arm in arms_at(drawn[drawn["finding"] == name], epsilon).items():
            axes, with_legend = ("false_positive_rate", "sensitivity"), name == first
            for trace in arm_curves(of_arm, *axes, arm, canvas, hover=HOVER, with_legend=with_legend, mean=mean_roc):
                grid.figure.add_trace(trace, **place)
    facts = [scored_by_finding(curves, cohort, shown), guarantee_phrase(curves, epsilon)]
    title = f"{finding_title(finding)}: ROC curves" if len(shown) == 1 else "ROC curves by finding"
    lay_out(grid.figure, title, facts, canvas, plot_height=grid.height, above=ABOVE_PANELS, below=96)
    # A little beyond 0 and 1, so that lines along the edges keep their width.
    grid.figure.update_xaxes(range=[-0.01, 1.01], tickvals=[0, 0.5, 1])
    grid.figure.update_yaxes(range=[-0.01, 1.01], tickvals=[0, 0.5, 1])
    return grid.figure
