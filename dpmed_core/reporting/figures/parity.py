"""Parity at an operating point: each subgroup minus all others, by the paper's definition and by the textbook's.

One panel below the other: side by side they leave each other no room on a telephone.
"""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.cohort.display_names import attribute_phrase, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.parity import PAPER_PARITY, PARITY
from dpmed_core.reporting.figures.axes import mark_chance
from dpmed_core.reporting.figures.facts import guarantee_phrase, nothing_trained, require_rows, runs_phrase, who
from dpmed_core.reporting.figures.forest import add_reasons, arm_trace, arms_at, set_rows, size_label
from dpmed_core.reporting.figures.style import DIFFERENCE_TICKS, LIGHT, Canvas, lay_out, new_figure

PANELS: dict[Metric, tuple[str, str]] = {
    PAPER_PARITY: ("As in the paper", "Accuracy minus<br>that of all others"),
    PARITY: ("Textbook: demographic parity", "Share called positive<br>minus that of all others"),
}
"""For each difference that is drawn: the panel's title and its axis."""
THRESHOLD = "Positive: a score at or above the threshold with the largest sum of sensitivity and specificity in the validation patients."
ROW_HEIGHT = 46
BETWEEN = 110
"""Pixels between the panels, for the axis of the first and the title of the second."""


def parity_figure(rows: pd.DataFrame, cohort: Cohort, *, finding: str, attribute: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """Both parity differences of each subgroup at `epsilon` and without privacy, with 95 % intervals; 0 is parity.

    Args:
        rows: `EvaluationTables.parity` of one recipe, unit, finding and attribute, with the accountant.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another table, or no private run is at `epsilon`.
    """
    columns = [column for metric in PANELS for column in metric.columns]
    require_rows(rows, columns, otherwise=nothing_trained(PAPER_PARITY, finding_title(finding)))
    arms = arms_at(rows, epsilon)
    counted = rows.drop_duplicates("subgroup")
    heights = {(attribute, name): float(i) for i, name in enumerate(counted["subgroup"])}
    titles = [f"<b>{title}</b>" for title, _ in PANELS.values()]
    height = 2 * (ROW_HEIGHT * len(heights) + 20) + BETWEEN
    figure = make_subplots(figure=new_figure(), rows=2, cols=1, vertical_spacing=BETWEEN / height, subplot_titles=titles)
    for panel, (metric, (_, axis)) in enumerate(PANELS.items(), start=1):
        for arm, of_arm in arms.items():
            figure.add_trace(arm_trace(of_arm, metric, heights, arm, canvas, with_legend=panel == 1), row=panel, col=1)
        figure.update_xaxes(title_text=axis, tickformat=DIFFERENCE_TICKS, row=panel, col=1)
    figure.update_annotations(font={"size": canvas.font_size})
    for panel, metric in enumerate(PANELS, start=1):
        add_reasons(figure, arms, metric, heights, canvas, panel=panel)
    mark_chance(figure, PAPER_PARITY.ideal, along="x")
    labels = [size_label((attribute, row["subgroup"]), row, canvas) for _, row in counted.iterrows()]
    set_rows(figure, labels)
    facts = [f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}", runs_phrase(arms), THRESHOLD]
    title = f"{finding_title(finding)} by {attribute_phrase(attribute)}: parity differences"
    lay_out(figure, title, facts, canvas, plot_height=height, above=26, below=110)
    return figure
