"""What privacy costs: the paired difference of a metric against privacy budget, with the margin that is still acceptable."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.tables.cost_of_privacy import INFERIOR, NON_INFERIOR, NOT_ENOUGH, PATIENTS
from dpmed_core.reporting.figures.facts import NO_REFERENCE, counts, guarantee_phrases, require_rows, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    CHANCE_LINE,
    DIFFERENCE_TICKS,
    LIGHT,
    Arm,
    Canvas,
    epsilon_axis,
    error_bars,
    faint,
    lay_out,
    mark_epsilon,
    new_figure,
    on_epsilon_axis,
)

REFERENCES: dict[str, tuple[Arm, str]] = {
    SAMPLED_ALIKE: ("private", "against the same recipe without privacy"),
    CONVENTIONAL: ("conventional", "against conventional training, image by image"),
}
"""For each reference: the arm whose colour it has, and its name in the legend."""
SYMBOLS = {NON_INFERIOR: "circle", NOT_ENOUGH: "circle-open", INFERIOR: "x"}
BESIDE = {SAMPLED_ALIKE: 1.0, CONVENTIONAL: 1.06}
"""Factors of epsilon, so that both curves' intervals are visible at one budget."""


def cost_figure(
    costs: pd.DataFrame, cohort: Cohort, *, metric: Metric, finding: str, epsilon: float | None = None, canvas: Canvas = LIGHT
) -> go.Figure:
    """A metric with privacy minus the same without, on the same cases, against epsilon; the acceptable loss is shaded.

    Args:
        costs: everybody's rows of `MetricTables.costs`, of one recipe and unit, with the accountant.
        cohort: named, with its version's alias, in the figure.
        metric: whose differences they are.
        finding: a finding or "macro".
        epsilon: marked, where given.
        canvas: what it is drawn on.

    Raises:
        ExportError: nothing can be compared, or the rows are of another metric.
    """
    figure, rows = new_figure(), costs[(costs["finding"] == finding) & costs["difference"].notna()]
    drawn = [metric.name, f"{metric.name}_reference", "difference"]
    require_rows(rows, drawn, otherwise=_nothing_to_compare(costs, metric, finding))
    for reference, of_reference in rows.groupby("reference", sort=False):
        _add_curve(figure, of_reference.sort_values("epsilon"), str(reference), canvas)
    mark_epsilon(figure, epsilon, canvas)
    facts = [f"{who(cohort)} · {counts(rows.iloc[0])}", guarantee_phrases(rows), _margin_line(rows, metric)]
    _add_margin(figure, float(rows["margin"].iloc[0]), metric, canvas)
    lay_out(figure, f"{finding_title(finding)}: cost of privacy", facts, canvas, plot_height=250)
    figure.update_xaxes(**epsilon_axis(list(rows["epsilon"])))
    on_epsilon_axis(figure, list(rows["epsilon"]))
    figure.update_yaxes(title_text=f"{metric.title}, private minus non-private", tickformat=DIFFERENCE_TICKS)
    figure.update_layout(showlegend=True)
    return figure


def _nothing_to_compare(costs: pd.DataFrame, metric: Metric, finding: str) -> str:
    """Why there is no difference: too few cases, or no reference."""
    reasons = costs.loc[(costs["finding"] == finding) & (costs["reason"] != ""), "reason"]
    if len(reasons):
        return f"The cost of privacy in {metric.title} is not estimable for {finding_title(finding)}: {reasons.iloc[0]}."
    return NO_REFERENCE


def _margin_line(rows: pd.DataFrame, metric: Metric) -> str:
    """The line under the title that explains intervals and symbols; a metric without a better direction has no margin."""
    over = f"Paired 95 % intervals over {' or '.join(rows['covers'].drop_duplicates())}."
    if metric.gain == 0:
        return over
    one_run = ", as always with one training run" if (rows["covers"] == PATIENTS).any() else ""
    return (
        f"Margin: a loss of {rows['margin'].iloc[0]:g} is accepted. Filled: the whole interval is within it (non-inferior); "
        f"open: not enough evidence{one_run}; cross: inferior. {over}"
    )


def _add_margin(figure: go.Figure, margin: float, metric: Metric, canvas: Canvas) -> None:
    """The line of no difference and, on the side of a loss, the margin."""
    colour = canvas.colour(ARM_STYLES["conventional"])
    figure.add_hline(y=0, line=CHANCE_LINE)
    if metric.gain == 0:
        return
    # Below 0 for a metric that should be high, above 0 for one that should be low.
    edge = -metric.gain * margin
    figure.add_hrect(y0=min(edge, 0), y1=max(edge, 0), fillcolor=faint(colour, 0.13), line_width=0, layer="below")
    figure.add_hline(
        y=edge,
        line={"color": colour, "width": 1, "dash": "dash"},
        # A minus sign instead of the hyphen of Python's format.
        annotation={"text": f"margin {edge:+g}".replace("-", "−"), "font": {"color": colour}},
        annotation_position="bottom right" if edge < 0 else "top right",
    )


def _add_curve(figure: go.Figure, rows: pd.DataFrame, reference: str, canvas: Canvas) -> None:
    """The differences against one reference; the symbol of each point is its verdict."""
    arm, name = REFERENCES[reference]
    figure.add_trace(
        go.Scatter(
            x=rows["epsilon"] * BESIDE[reference],
            y=rows["difference"],
            **error_bars(rows["difference"], rows["difference_low"], rows["difference_high"]),
            mode="lines+markers",
            line={"color": canvas.colour(ARM_STYLES[arm]), "width": 1.8, "dash": "solid" if arm == "private" else "dot"},
            # A metric without a better direction has no verdicts, and its points are all circles.
            marker={"size": 10, "symbol": rows["verdict"].map(SYMBOLS).fillna("circle")},
            name=name,
            customdata=rows[["epsilon", "difference_low", "difference_high", "p_value", "verdict"]],
            hovertemplate=(
                "ε = %{customdata[0]:g}: %{y:+.3f} (95 % interval %{customdata[1]:+.3f} to %{customdata[2]:+.3f})<br>"
                "p = %{customdata[3]:.2g}; %{customdata[4]}<extra></extra>"
            ),
        )
    )
