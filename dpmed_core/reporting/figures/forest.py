"""Forest plot: a metric in each subgroup, private beside non-private, with its interval and its size."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.metric import PREVALENCE, Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.axes import axis_range, axis_title, chance_level, mark_chance
from dpmed_core.reporting.figures.facts import guarantee_phrase, nothing_trained, require_rows, runs_phrase, who
from dpmed_core.reporting.figures.style import (
    ARM_NAMES,
    ARM_STYLES,
    CHANCE_LINE,
    LIGHT,
    Arm,
    Canvas,
    broken,
    error_bars,
    lay_out,
    new_figure,
)

ROW_HEIGHT, HIGHER_ROW = 46, 58
"""Pixels of a row, and of one on a narrow canvas, whose label takes three lines."""
APART = 0.17
"""The arms of one subgroup are drawn this share of a row above and below its middle."""
WIDE_ENOUGH_FOR_VALUES = 600
Heights = dict[tuple[str, str], float]
"""The position of each (attribute, subgroup) on the vertical axis, 0 for the first row."""


def forest_figure(
    rows: pd.DataFrame, cohort: Cohort, *, metric: Metric, finding: str, attribute: str, epsilon: float, canvas: Canvas = LIGHT
) -> go.Figure:
    """A metric of all patients and of each subgroup at `epsilon` and without privacy; where it is not estimable, the reason.

    Args:
        rows: `MetricTables.groups` of one recipe, unit, finding and attribute, with everybody's rows.
        cohort: named, with its version's alias, in the figure.
        metric: whose column is drawn.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: there are no rows, or they are of another metric, or no private run is at `epsilon`.
    """
    require_rows(rows, [*metric.columns, "n_cases", "n_positive", "n_patients"], otherwise=nothing_trained(metric, finding_title(finding)))
    arms = arms_at(rows, epsilon)
    groups = rows[["attribute", "subgroup"]].drop_duplicates().reset_index(drop=True)
    heights = {key: float(i) for i, key in enumerate(groups.itertuples(index=False, name=None))}
    # Numbers beside the rows need a canvas of known and sufficient width; on a page they are in the tooltip and the table.
    figure, with_values = new_figure(), bool(canvas.width and canvas.width >= WIDE_ENOUGH_FOR_VALUES)
    for arm, of_arm in arms.items():
        figure.add_trace(arm_trace(of_arm, metric, heights, arm, canvas))
        if with_values:
            _add_values(figure, of_arm, metric, heights, arm, canvas)
    add_reasons(figure, arms, metric, heights, canvas)
    facts = [f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}", runs_phrase(arms)]
    title = f"{finding_title(finding)} by {attribute_phrase(attribute)}: {metric.phrase} with and without privacy"
    lay_out(figure, title, facts, canvas, plot_height=(HIGHER_ROW if _is_narrow(canvas) else ROW_HEIGHT) * len(groups) + 20, below=84)
    _axes(figure, rows, metric, heights, arms, canvas, with_values=with_values)
    return figure


def arms_at(rows: pd.DataFrame, epsilon: float) -> dict[Arm, pd.DataFrame]:
    """The rows without privacy and those at `epsilon`."""
    return {"non_private": rows[rows["epsilon"].isna()], "private": rows[rows["epsilon"] == epsilon]}


def arm_trace(rows: pd.DataFrame, metric: Metric, heights: Heights, arm: Arm, canvas: Canvas, *, with_legend: bool = True) -> go.Scatter:
    """One marker with its interval for each subgroup of an arm in which the metric is estimable."""
    value, low, high = metric.columns
    # Differences carry their sign.
    known, digits = rows[rows[value].notna()], ":+.3f" if metric.contrast_of else ":.3f"
    return go.Scatter(
        x=known[value],
        y=_beside(known, heights, arm),
        **error_bars(known[value], known[low], known[high], along="x"),
        mode="markers",
        marker={
            "symbol": ARM_STYLES[arm][2],
            "size": 10,
            "color": canvas.colour(ARM_STYLES[arm]),
            "line": {"width": 1.8, "color": canvas.colour(ARM_STYLES[arm])},
        },
        name=f"{ARM_NAMES[arm]}, 95 % interval",
        showlegend=with_legend,
        customdata=known[[low, high, "n_cases", "n_positive", "n_patients"]],
        hovertemplate=(
            f"{ARM_NAMES[arm]}: {metric.title} %{{x{digits}}} (95 % interval %{{customdata[0]{digits}}} to %{{customdata[1]{digits}}})<br>"
            "%{customdata[2]} images, %{customdata[3]} positive, %{customdata[4]} patients<extra></extra>"
        ),
    )


def _beside(rows: pd.DataFrame, heights: Heights, arm: Arm) -> list[float]:
    """Heights of an arm's markers; the axis runs downwards, so the non-private arm, at more than the row's height, is below."""
    beside = APART if arm == "non_private" else -APART
    return [heights[key] + beside for key in zip(rows["attribute"], rows["subgroup"], strict=True)]


def _add_values(figure: go.Figure, rows: pd.DataFrame, metric: Metric, heights: Heights, arm: Arm, canvas: Canvas) -> None:
    """The numbers, to the right of the plot."""
    value, low, high = metric.columns
    known = rows[rows[value].notna()]
    for (_, row), height in zip(known.iterrows(), _beside(known, heights, arm), strict=True):
        text = f"{row[value]:.3f} ({row[low]:.3f}–{row[high]:.3f})"
        font = {"color": canvas.colour(ARM_STYLES[arm]), "size": canvas.font_size}
        figure.add_annotation(x=1.01, xref="x domain", xanchor="left", y=height, text=text, showarrow=False, font=font)


def add_reasons(
    figure: go.Figure, arms: dict[Arm, pd.DataFrame], metric: Metric, heights: Heights, canvas: Canvas, *, panel: int = 1
) -> None:
    """Why the metric is not estimable, where its marker would be; once where both arms have the same reason."""
    axes = {"xref": f"x{panel if panel > 1 else ''} domain", "yref": f"y{panel if panel > 1 else ''}"}
    for key, height in heights.items():
        of_arms = {arm: _reason(rows, metric, key) for arm, rows in arms.items()}
        reasons = {arm: reason for arm, reason in of_arms.items() if reason}
        same = len(reasons) == len(arms) and len(set(reasons.values())) == 1
        for arm, reason in list(reasons.items())[: 1 if same else None]:
            text = "<br>".join(broken(f"not estimable: {reason}", 26 if _is_narrow(canvas) else 40))
            y = height if same else height + (APART if arm == "non_private" else -APART)
            font = {"size": 0.9 * canvas.font_size, "color": canvas.text if same else canvas.colour(ARM_STYLES[arm])}
            figure.add_annotation(x=0.02, xanchor="left", y=y, text=text, showarrow=False, align="left", font=font, **axes)


def _reason(rows: pd.DataFrame, metric: Metric, key: tuple[str, str]) -> str:
    row = rows[(rows["attribute"] == key[0]) & (rows["subgroup"] == key[1]) & rows[metric.name].isna()]
    return str(row["reason"].iloc[0]) if len(row) else ""


def _axes(
    figure: go.Figure,
    rows: pd.DataFrame,
    metric: Metric,
    heights: Heights,
    arms: dict[Arm, pd.DataFrame],
    canvas: Canvas,
    *,
    with_values: bool,
) -> None:
    """Ranges, labels and the lines behind the data."""
    # The private arm's counts stand for both: runs that are compared were scored on the same cases.
    sized = arms["private"] if len(arms["private"]) else arms["non_private"]
    of_group = {key: row for key, (_, row) in zip(zip(sized["attribute"], sized["subgroup"], strict=True), sized.iterrows(), strict=True)}
    labels = [size_label(key, of_group.get(key), canvas) for key in heights]
    value, low, high = metric.columns
    # Where a metric has no interval, the values themselves must be on the axis.
    lowest, highest = (rows[end].fillna(rows[value]) for end in (low, high))
    reach = axis_range(metric, lowest.min(), highest.max(), least_high=0.55, pad=0.03, over=0.005)
    figure.update_xaxes(title_text=axis_title(metric), tickformat=".2f", range=reach)
    set_rows(figure, labels)
    if metric.chance == PREVALENCE:
        _mark_prevalence(figure, of_group, metric, heights)
    else:
        mark_chance(figure, chance_level(metric, None), along="x")
    # Between all patients, the first row, and the subgroups.
    figure.add_hline(y=0.5, line={"color": canvas.grid, "width": 1}, layer="below")
    if with_values:
        # Room for "0.812 (0.745–0.866)" beside the plot.
        figure.update_layout(margin={"r": round(11 * canvas.font_size)})
        heading = {"x": 1.01, "xref": "x domain", "xanchor": "left", "y": 1.0, "yref": "y domain", "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(**heading, text="Value (interval)", font={"size": 0.95 * canvas.font_size})


def _mark_prevalence(figure: go.Figure, of_group: dict[tuple[str, str], pd.Series], metric: Metric, heights: Heights) -> None:
    """A short line in each row at the subgroup's share of positives: what scores without information reach there."""
    points: list[tuple[float | None, float | None]] = []
    for key, height in heights.items():
        row = of_group.get(key)
        is_drawn = row is not None and row["finding"] != MACRO and pd.notna(row[metric.name])
        level = chance_level(metric, row) if is_drawn else None
        if level is not None:
            # The empty point ends the line, so that one trace, with one entry in the legend, holds the lines of all rows.
            points += [(level, height - 0.4), (level, height + 0.4), (None, None)]
    if points:
        x, y = zip(*points, strict=True)
        line = {**CHANCE_LINE, "dash": "dot"}
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name="chance: share of positives", hoverinfo="skip"))


def set_rows(figure: go.Figure, labels: list[str]) -> None:
    """One row for each label on the vertical axis, the first at the top: the range runs from the last row to above the first."""
    reach = [len(labels) - 0.4, -0.6]
    figure.update_yaxes(tickvals=list(range(len(labels))), ticktext=labels, range=reach, automargin=True, showgrid=False)


def size_label(key: tuple[str, str], row: pd.Series | None, canvas: Canvas) -> str:
    """A subgroup's name over its size."""
    name = f"<b>{plain_html(subgroup_title(*key))}</b>"
    if row is None:
        return name
    comma = ",<br>" if _is_narrow(canvas) else ", "
    positive = "positive labels" if row["finding"] == MACRO else "positive"
    size = f"{row['n_cases']:,} images, {row['n_positive']:,} {positive}{comma}{row['n_patients']:,} patients"
    return f"{name}<br><span style='font-size:0.85em'>{size}</span>"


def _is_narrow(canvas: Canvas) -> bool:
    return bool(canvas.width and canvas.width < WIDE_ENOUGH_FOR_VALUES)
