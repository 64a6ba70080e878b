"""Do small subgroups lose more? The size of each subgroup against what privacy costs it."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.facts import NO_REFERENCE, guarantee_phrase, require_rows, who
from dpmed_core.reporting.figures.style import ARM_STYLES, DIFFERENCE_TICKS, LIGHT, Canvas, error_bars, lay_out, new_figure, say_instead


def size_loss_figure(
    costs: pd.DataFrame,
    correlations: pd.DataFrame,
    cohort: Cohort,
    *,
    metric: Metric,
    finding: str,
    attribute: str,
    epsilon: float,
    canvas: Canvas = LIGHT,
) -> go.Figure:
    """Loss of a metric through privacy at `epsilon` against test images, one point a subgroup, with Pearson's r.

    Args:
        costs: rows of `MetricTables.costs` of one recipe, unit, reference, finding and attribute, with the accountant.
        correlations: rows of `MetricTables.size_loss` of the same.
        cohort: named, with its version's alias, in the figure.
        metric: whose losses they are.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: nothing can be compared, or the rows are of another metric, or no private run is at `epsilon`.
    """
    require_rows(costs, [metric.name, "difference"], otherwise=NO_REFERENCE)
    rows = costs[(costs["epsilon"] == epsilon) & (costs["subgroup"] != UNKNOWN)]
    known = rows[rows["difference"].notna()]
    figure = new_figure()
    figure.add_hline(y=0, line={"color": "#888888", "width": 1})
    figure.add_trace(_points(known, metric, attribute, canvas))
    facts = [f"{who(cohort)} · {guarantee_phrase(costs, epsilon)}", *_correlation(correlations[correlations["epsilon"] == epsilon])]
    left_out = [subgroup_title(attribute, name) for name in rows.loc[rows["difference"].isna(), "subgroup"]]
    if left_out:
        facts.append(f"Not estimable: {', '.join(left_out)}.")
    title = f"{finding_title(finding)} by {attribute_phrase(attribute)}: size against loss"
    lay_out(figure, title, facts, canvas, plot_height=250, below=64)
    figure.update_xaxes(title_text="Test images in the subgroup", range=_range(known["n_cases"]), tickformat=",d")
    figure.update_yaxes(title_text=f"Loss of {metric.title} through privacy", tickformat=DIFFERENCE_TICKS)
    figure.update_layout(showlegend=False)
    if known.empty:
        say_instead(figure, "No group's loss is estimable")
    return figure


def _range(sizes: pd.Series) -> list[float]:
    """From 0, with room on the right for a name."""
    return [0.0, 1.3 * float(sizes.max())] if len(sizes) else [0.0, 1.0]


def _beside(sizes: pd.Series) -> list[str]:
    """Names above and below in turn, by size, so that neighbours do not cover each other."""
    return ["top right" if rank % 2 else "bottom right" for rank in sizes.rank(method="first")]


def _points(rows: pd.DataFrame, metric: Metric, attribute: str, canvas: Canvas) -> go.Scatter:
    """One named point with its interval for each subgroup."""
    # A loss is minus a gain, which swaps the ends of its interval where a rise is the gain.
    loss = -metric.gain * rows["difference"]
    ends = -metric.gain * rows[["difference_low", "difference_high"]]
    low, high = ends.min(axis=1), ends.max(axis=1)
    return go.Scatter(
        x=rows["n_cases"],
        y=loss,
        **error_bars(loss, low, high),
        mode="markers+text",
        text=[plain_html(subgroup_title(attribute, name)) for name in rows["subgroup"]],
        textposition=_beside(rows["n_cases"]),
        textfont={"size": 0.9 * canvas.font_size},
        marker={"size": 9, "color": canvas.colour(ARM_STYLES["private"])},
        customdata=pd.DataFrame({"low": low, "high": high, "n_positive": rows["n_positive"], "n_patients": rows["n_patients"]}),
        hovertemplate=(
            "%{text}: loss %{y:+.3f} (95 % interval %{customdata[0]:+.3f} to %{customdata[1]:+.3f})<br>"
            "%{x} images, %{customdata[2]} positive, %{customdata[3]} patients<extra></extra>"
        ),
        cliponaxis=False,  # names may reach beyond the axes
    )


def _correlation(correlations: pd.DataFrame) -> list[str]:
    """Pearson's r as a sentence."""
    row = correlations.iloc[0]
    if row["reason"]:
        return [f"Pearson's r between size and loss is not estimable: {row['reason']}."]
    found = f"Pearson's r = {row['pearson_r']:+.2f} over exactly these {row['n_groups']} subgroups"
    if row["r_low"] <= -1 and row["r_high"] >= 1:
        return [f"{found}; their losses may be equal, as far as can be measured, so any r may be true (95 % interval −1 to +1)."]
    return [
        f"{found} (95 % interval {row['r_low']:+.2f} to {row['r_high']:+.2f}, of errors in the losses alone).",
        "Below 0: small subgroups lose more. It says nothing about other subgroups.",
    ]
