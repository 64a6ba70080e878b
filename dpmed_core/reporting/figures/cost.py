"""What privacy costs: the paired difference of AUROC against privacy budget, with the margin that is still acceptable."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.statistics.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.tables.cost_of_privacy import INFERIOR, NON_INFERIOR, NOT_ENOUGH
from dpmed_core.reporting.figures.facts import counts, guarantee_phrases, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
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
)

REFERENCES: dict[str, tuple[Arm, str]] = {
    SAMPLED_ALIKE: ("private", "against the same training without privacy"),
    CONVENTIONAL: ("conventional", "against a conventional training, image by image"),
}
"""For each twin: whose colour, and what the legend says."""
SYMBOLS = {NON_INFERIOR: "circle", NOT_ENOUGH: "circle-open", INFERIOR: "x"}
BESIDE = {SAMPLED_ALIKE: 1.0, CONVENTIONAL: 1.06}


def cost_figure(costs: pd.DataFrame, cohort: Cohort, *, finding: str, epsilon: float | None = None, canvas: Canvas = LIGHT) -> go.Figure:
    """AUROC with privacy minus AUROC without, on the same cases, against epsilon; the acceptable loss is shaded.

    Args:
        costs: everybody's rows of `evaluation.tables.cost_of_privacy.cost_table`, of one recipe and unit, with the accountant.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        epsilon: marked, where given.
        canvas: what it is drawn on.
    """
    figure, rows = new_figure(), costs[(costs["finding"] == finding) & costs["difference"].notna()]
    for reference, of_reference in rows.groupby("reference", sort=False):
        _add_curve(figure, of_reference.sort_values("epsilon"), str(reference), canvas)
    mark_epsilon(figure, epsilon, canvas)
    facts = [who(cohort), "No private model has a twin to compare with yet."]
    if len(rows):
        facts = [f"{who(cohort)} · {counts(rows.iloc[0])}", guarantee_phrases(rows), _margin_line(rows)]
        _add_margin(figure, float(rows["margin"].iloc[0]), canvas)
    lay_out(figure, f"{finding_title(finding)}: cost of privacy", facts, canvas, plot_height=250)
    figure.update_xaxes(**epsilon_axis(list(rows["epsilon"])))
    figure.update_yaxes(title_text="AUROC, private minus non-private", tickformat=DIFFERENCE_TICKS)
    figure.update_layout(showlegend=True)
    return figure


def _margin_line(rows: pd.DataFrame) -> str:
    return (
        f"Margin: a loss of {rows['margin'].iloc[0]:g} is accepted. Filled: the whole interval is above it (not inferior); "
        "open: not enough evidence; cross: inferior. Paired 95 % intervals over "
        f"{' or '.join(rows['covers'].drop_duplicates())}."
    )


def _add_margin(figure: go.Figure, margin: float, canvas: Canvas) -> None:
    colour = canvas.colour(ARM_STYLES["conventional"])
    figure.add_hrect(y0=-margin, y1=0, fillcolor=faint(colour, 0.13), line_width=0, layer="below")
    figure.add_hline(y=0, line={"color": "#888888", "width": 1})
    figure.add_hline(
        y=-margin,
        line={"color": colour, "width": 1, "dash": "dash"},
        annotation={"text": f"margin −{margin:g}", "font": {"color": colour}},
        annotation_position="bottom right",
    )


def _add_curve(figure: go.Figure, rows: pd.DataFrame, reference: str, canvas: Canvas) -> None:
    arm, name = REFERENCES[reference]
    figure.add_trace(
        go.Scatter(
            x=rows["epsilon"] * BESIDE[reference],
            y=rows["difference"],
            **error_bars(rows["difference"], rows["difference_low"], rows["difference_high"]),
            mode="lines+markers",
            line={"color": canvas.colour(ARM_STYLES[arm]), "width": 1.8, "dash": "solid" if arm == "private" else "dot"},
            marker={"size": 10, "symbol": rows["verdict"].map(SYMBOLS)},
            name=name,
            customdata=rows[["epsilon", "difference_low", "difference_high", "p_value", "verdict"]],
            hovertemplate=(
                "ε = %{customdata[0]:g}: %{y:+.3f} (95 % interval %{customdata[1]:+.3f} to %{customdata[2]:+.3f})<br>"
                "p = %{customdata[3]:.2g}; %{customdata[4]}<extra></extra>"
            ),
        )
    )
