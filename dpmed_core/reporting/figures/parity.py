"""Parity at an operating point: the paper's difference and the textbook's, side by side, for each subgroup against all others."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpmed_core.cohort.display_names import attribute_phrase, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.reporting.figures.facts import guarantee_phrase, trainings, who
from dpmed_core.reporting.figures.forest import APART, add_reasons, size_label
from dpmed_core.reporting.figures.style import ARM_NAMES, ARM_STYLES, DIFFERENCE_TICKS, LIGHT, Arm, Canvas, error_bars, lay_out, new_figure

DIFFERENCES = {
    "paper_parity_difference": ("As in the paper", "Accuracy minus<br>that of all others"),
    "parity_difference": ("Textbook:<br>demographic parity", "Share called positive<br>minus that of all others"),
}
"""For each column of `evaluation.tables.parity.PARITY_COLUMNS`: the panel's title and its axis."""
THRESHOLD = "Positive from the score with the largest sum of sensitivity and specificity in the validation patients."
ROW_HEIGHT = 46


def parity_figure(rows: pd.DataFrame, cohort: Cohort, *, finding: str, attribute: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """Both parity differences of each subgroup at `epsilon` and without privacy, with 95 % intervals; 0 is parity.

    Args:
        rows: `evaluation.tables.parity.parity_table` of one recipe, unit, finding and attribute, with the accountant.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.
    """
    arms: dict[Arm, pd.DataFrame] = {"twin": rows[rows["epsilon"].isna()], "private": rows[rows["epsilon"] == epsilon]}
    counted = rows.drop_duplicates("subgroup")
    places = {(attribute, name): float(i) for i, name in enumerate(counted["subgroup"])}
    titles = [f"<b>{title}</b>" for title, _ in DIFFERENCES.values()]
    figure = make_subplots(figure=new_figure(), rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=titles)
    for column, (name, (_, axis)) in enumerate(DIFFERENCES.items(), start=1):
        for arm, of_arm in arms.items():
            figure.add_trace(_trace(of_arm, name, places, arm, canvas, with_legend=column == 1), row=1, col=column)
        figure.update_xaxes(title_text=axis, tickformat=DIFFERENCE_TICKS, row=1, col=column)
    figure.update_annotations(font={"size": canvas.font_size})
    add_reasons(figure, {arm: of_arm.assign(auroc=of_arm["paper_parity_difference"]) for arm, of_arm in arms.items()}, places, canvas)
    figure.add_vline(x=0, line={"color": "#888888", "width": 1}, layer="below")
    labels = [size_label((attribute, row["subgroup"]), row, canvas) for _, row in counted.iterrows()]
    figure.update_yaxes(tickvals=list(range(len(places))), range=[len(places) - 0.4, -0.6], automargin=True, showgrid=False)
    figure.update_yaxes(ticktext=labels, col=1)
    facts = [f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}", trainings(arms), THRESHOLD]
    title = f"{finding_title(finding)} by {attribute_phrase(attribute)}: parity differences"
    lay_out(figure, title, facts, canvas, plot_height=ROW_HEIGHT * len(places) + 20, above=34, below=110)
    return figure


def _trace(
    rows: pd.DataFrame, name: str, places: dict[tuple[str, str], float], arm: Arm, canvas: Canvas, *, with_legend: bool
) -> go.Scatter:
    known = rows[rows[name].notna()]
    beside = APART if arm == "twin" else -APART
    return go.Scatter(
        x=known[name],
        y=[places[key] + beside for key in zip(known["attribute"], known["subgroup"], strict=True)],
        **error_bars(known[name], known[f"{name}_low"], known[f"{name}_high"], along="x"),
        mode="markers",
        marker={"symbol": ARM_STYLES[arm][2], "size": 9, "color": canvas.colour(ARM_STYLES[arm])},
        name=f"{ARM_NAMES[arm]}, 95 % interval",
        showlegend=with_legend,
        customdata=known[[f"{name}_low", f"{name}_high", "n_cases", "n_positive"]],
        hovertemplate=(
            f"{ARM_NAMES[arm]}: %{{x:+.3f}} (95 % interval %{{customdata[0]:+.3f}} to %{{customdata[1]:+.3f}})<br>"
            "%{customdata[2]} images, %{customdata[3]} positive<extra></extra>"
        ),
    )
