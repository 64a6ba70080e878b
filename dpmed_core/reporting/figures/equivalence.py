"""Verdicts on fairness as a picture: each subgroup's extra loss with its bounds for all comparisons at once, beside the margin."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH
from dpmed_core.evaluation.tables.fairness_verdict import NOT_WIDENED, WIDENED
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.facts import guarantee_phrase, require_rows, who
from dpmed_core.reporting.figures.forest import set_rows
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    CHANCE_LINE,
    DIFFERENCE_TICKS,
    LIGHT,
    Canvas,
    broken,
    error_bars,
    faint,
    lay_out,
    new_figure,
)

SYMBOLS = {WIDENED: "x", NOT_WIDENED: "circle", NOT_ENOUGH: "circle-open"}
NAMES = {
    WIDENED: "loses more than the others",
    NOT_WIDENED: "shown not to lose more, beyond the margin",
    NOT_ENOUGH: "not enough evidence",
}
ROW_HEIGHT = 40


def equivalence_figure(
    rows: pd.DataFrame, cohort: Cohort, *, finding: str, attribute: str, epsilon: float, canvas: Canvas = LIGHT
) -> go.Figure:
    """The extra loss of each subgroup through privacy at `epsilon`, with the bounds from which its verdict follows.

    Args:
        rows: `EvaluationTables.verdicts` of one recipe, unit and reference, with the accountant.
        cohort: named, with its version's alias, in the figure.
        finding: a finding, or "macro" for a row of each finding that was judged.
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there is no verdict on these groups at this budget.
    """
    at = rows[(rows["epsilon"] == epsilon) & (rows["attribute"] == attribute)]
    at = at if finding == MACRO else at[at["finding"] == finding]
    groups = attribute_phrase(attribute)
    drawn = ["excess", "excess_low", "excess_high", "verdict"]
    require_rows(at, drawn, otherwise=f"There is no verdict on groups by {groups} at ε = {epsilon:g}: they are not in the analysis plan.")
    at = at.reset_index(drop=True)
    figure, margin = new_figure(), float(at["margin"].iloc[0])
    for verdict, symbol in SYMBOLS.items():
        _add_points(figure, at[at["verdict"] == verdict], NAMES[verdict], symbol, canvas)
    for height, row in at[at["excess"].isna()].iterrows():
        text = "<br>".join(broken(f"not estimable: {row['reason']}", 46))
        font = {"size": 0.9 * canvas.font_size, "color": canvas.text}
        figure.add_annotation(x=0.02, xref="x domain", xanchor="left", y=height, text=text, showarrow=False, align="left", font=font)
    together = at["n_comparisons"].max()
    all_at_once = f" Bounds hold for {together:.0f} comparisons at once (95 %)." if pd.notna(together) else ""
    facts = [
        f"{who(cohort)} · {guarantee_phrase(at, epsilon)}",
        f"Right of 0: the group loses more AUROC through privacy than the others. Shaded: up to the margin of {margin:g}.{all_at_once}",
    ]
    lay_out(
        figure, f"{finding_title(finding)} by {groups}: extra loss through privacy", facts, canvas, plot_height=ROW_HEIGHT * len(at) + 20
    )
    colour = canvas.colour(ARM_STYLES["conventional"])
    figure.add_vline(x=0, line=CHANCE_LINE)
    figure.add_vrect(x0=0, x1=margin, fillcolor=faint(colour, 0.18), line_width=0, layer="below")
    figure.update_xaxes(title_text="Extra loss of AUROC, with its bounds", tickformat=DIFFERENCE_TICKS)
    set_rows(figure, [_label(row, named=finding == MACRO) for _, row in at.iterrows()])
    figure.update_layout(showlegend=True)
    return figure


def _add_points(figure: go.Figure, rows: pd.DataFrame, name: str, symbol: str, canvas: Canvas) -> None:
    """The comparisons of one verdict."""
    if rows.empty:
        return
    colour = canvas.colour(ARM_STYLES["private"])
    figure.add_trace(
        go.Scatter(
            x=rows["excess"],
            y=rows.index,
            **error_bars(rows["excess"], rows["excess_low"], rows["excess_high"], along="x"),
            mode="markers",
            marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 1.8, "color": colour}},
            name=name,
            customdata=rows[["excess_low", "excess_high", "n_cases", "n_positive", "n_patients"]],
            hovertemplate=(
                "%{x:+.3f} (bounds %{customdata[0]:+.3f} to %{customdata[1]:+.3f})<br>"
                "%{customdata[2]} images, %{customdata[3]} positive, %{customdata[4]} patients<extra></extra>"
            ),
        )
    )


def _label(row: pd.Series, *, named: bool) -> str:
    """A subgroup's name over its size, with the finding where there are several."""
    finding = f", {plain_html(finding_title(row['finding']))}" if named else ""
    size = f"{row['n_cases']:,} images, {row['n_positive']:,} positive, {row['n_patients']:,} patients"
    return (
        f"<b>{plain_html(subgroup_title(row['attribute'], row['subgroup']))}</b>{finding}<br><span style='font-size:0.85em'>{size}</span>"
    )
