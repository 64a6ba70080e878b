"""Who pays, who gains? AUROC that privacy costs each group and finding, against the exposure that it removes."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures.facts import NO_REFERENCE, guarantee_phrase, require_rows, who
from dpmed_core.reporting.figures.style import (
    ARM_STYLES,
    DIFFERENCE_TICKS,
    LIGHT,
    LINE_HEIGHT,
    OTHER_STYLE,
    RECIPE_STYLES,
    Canvas,
    error_bars,
    lay_out,
    new_figure,
    say_instead,
)
from dpmed_core.reporting.wording.who_pays import FINDING, name_of

STYLES = (ARM_STYLES["private"], RECIPE_STYLES["paper"], OTHER_STYLE, ("#AA4499", "#CC79A7", "triangle-up"), ("#6B6B00", "#F0E442", "star"))
"""Colour and symbol of each attribute in turn: nobody has to distinguish colours alone."""
SIZES = (7.0, 22.0)
"""Diameter in pixels of the smallest group's marker and of the largest's; its area goes with the number of training patients."""
PLOT_HEIGHT = 340
COLUMN = 0.36
"""Share of the width for the names, in a column on the right that no point enters."""
NAME_SHARE = 0.33
"""Letters of a name, as a share of those of a line: fewer than the column is wide, which begins with a margin."""


def who_pays_figure(rows: pd.DataFrame, cohort: Cohort, *, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """AUROC lost (horizontal) against exposure removed (vertical), one point a group or finding, with both intervals.

    Args:
        rows: `privacy.exposure.who_pays.who_pays` of one recipe, unit and budget; its CSV is these rows.
        cohort: named, with its version's alias, in the figure.
        epsilon: the budget.
        canvas: what it is drawn on.

    Raises:
        ExportError: there is nothing to compare.
    """
    require_rows(rows, ["auroc_lost", "exposure_removed"], otherwise=NO_REFERENCE)
    drawn = rows.dropna(subset=["auroc_lost", "lost_low", "exposure_removed"]).sort_values("exposure_removed", kind="stable")
    figure = new_figure()
    for number, attribute in enumerate(dict.fromkeys(rows["attribute"])):
        of = drawn[drawn["attribute"] == attribute]
        if len(of):
            figure.add_trace(_points(of, _attribute_name(attribute), STYLES[number % len(STYLES)], drawn["n_patients"], canvas))
    facts = [
        f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}",
        "Right: test patients of the group lose more AUROC. Up: its training patients become less exposed (mean AUC of the attack without "
        "privacy minus with). Bars: 95 % intervals of losses, each for itself; limits of exposure for all groups together.",
        "A larger marker stands for more training patients.",
    ]
    left_out = [name_of(row) for _, row in rows.drop(index=drawn.index).iterrows()]
    if left_out:
        facts.append(f"Not drawn, since one of the two is not estimable or withheld: {', '.join(left_out)}.")
    height = max(PLOT_HEIGHT, round(len(drawn) * canvas.font_size * LINE_HEIGHT * 1.15))
    lay_out(figure, "Who pays, who gains", facts, canvas, plot_height=height, below=96)
    figure.update_xaxes(title_text="AUROC lost through privacy", tickformat=DIFFERENCE_TICKS)
    figure.update_yaxes(title_text="Exposure removed (AUC)", tickformat=DIFFERENCE_TICKS)
    if drawn.empty:
        say_instead(figure, "No group has both a loss and an exposure that can be shown")
        return figure
    _name_beside(figure, drawn, height, canvas)
    return figure


def alternative_text(rows: pd.DataFrame) -> str:
    """The figure for a reader who does not see it: each group's two values with their ends, from the largest loss on."""
    drawn = rows.dropna(subset=["auroc_lost", "lost_low", "exposure_removed"]).sort_values("auroc_lost", ascending=False, kind="stable")
    said = "; ".join(
        f"{name_of(row)}: AUROC lost {row['auroc_lost']:.3f} ({row['lost_low']:.3f} to {row['lost_high']:.3f}), exposure removed "
        f"{row['exposure_removed']:.3f} ({row['removed_low']:.3f} to {row['removed_high']:.3f})"
        for _, row in drawn.iterrows()
    )
    return f"Scatter plot of AUROC lost against exposure removed, {len(drawn)} groups and findings. {said}."


def _attribute_name(attribute: str) -> str:
    if attribute == EVERYBODY:
        return "All patients"
    return "Findings" if attribute == FINDING else attribute_title(attribute)


def _points(rows: pd.DataFrame, name: str, style: tuple[str, str, str], sizes: pd.Series, canvas: Canvas) -> go.Scatter:
    """The points of one attribute with both error bars."""
    x, y, colour = rows["auroc_lost"], rows["exposure_removed"].astype(float), canvas.colour(style)
    bars = error_bars(x, rows["lost_low"], rows["lost_high"], along="x")
    bars |= error_bars(y, rows["removed_low"].astype(float), rows["removed_high"].astype(float))
    for bar in bars.values():
        bar.update(color=colour, thickness=1.0, width=2)
    # A count that is withheld, so that a smaller one does not follow from it, is drawn as the smallest.
    share = (rows["n_patients"].astype(float).fillna(0) / float(sizes.astype(float).max() or 1)) ** 0.5
    return go.Scatter(
        x=x,
        y=y,
        **bars,
        mode="markers",
        name=name,
        marker={
            "size": (SIZES[1] * share).clip(lower=SIZES[0]),
            "color": colour,
            "symbol": style[2],
            "opacity": 0.9,
            "line": {"width": 1, "color": canvas.paper},
        },
        text=[plain_html(name_of(row)) for _, row in rows.iterrows()],
        customdata=rows[["lost_low", "lost_high", "removed_low", "removed_high", "n_patients"]].astype(object).fillna("not shown"),
        hovertemplate=(
            "%{text}: AUROC lost %{x:+.3f} (%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<br>"
            "exposure removed %{y:+.3f} (%{customdata[2]:+.3f} to %{customdata[3]:+.3f})<br>"
            "training patients: %{customdata[4]}<extra></extra>"
        ),
    )


def _name_beside(figure: go.Figure, rows: pd.DataFrame, height: int, canvas: Canvas) -> None:
    """Names in a column on the right in the order of the points' heights, each in a line of its own, with a thin line to its point."""
    left, right = float(rows["lost_low"].min()), float(rows["lost_high"].max())
    low, high = float(rows["removed_low"].min()), float(rows["removed_high"].max())
    left = min(left, 0.0)
    wide, tall = max(right - left, 1e-6), max(high - low, 1e-6)
    end, low, high = left - 0.04 * wide + 1.08 * wide / (1 - COLUMN), low - 0.05 * tall, high + 0.05 * tall
    figure.update_xaxes(range=[left - 0.04 * wide, end])
    figure.update_yaxes(range=[low, high])
    figure.add_vline(x=0, line={"color": "#888888", "width": 1})
    line = (high - low) * canvas.font_size * LINE_HEIGHT / height
    heights = spread(rows["exposure_removed"].astype(float).tolist(), line, low + line / 2, high - line / 2)
    at, most = right + 0.06 * wide, max(10, int(NAME_SHARE * canvas.line_characters))
    for (_, row), y in zip(rows.iterrows(), heights, strict=True):
        name = name_of(row)
        figure.add_annotation(
            x=row["auroc_lost"],
            y=row["exposure_removed"],
            ax=at,
            ay=y,
            axref="x",
            ayref="y",
            text=plain_html(shortened(name, most)),
            xanchor="left",
            align="left",
            font={"size": 0.9 * canvas.font_size, "color": canvas.text},
            showarrow=True,
            arrowhead=0,
            arrowwidth=0.6,
            arrowcolor="#888888",
        )


def shortened(name: str, most: int) -> str:
    """A name in at most so many characters; both its ends stay, since names differ in either.

    >>> shortened("Pleural effusion, right", 16), shortened("Female", 16)
    ('Pleural…n, right', 'Female')
    """
    if len(name) <= most:
        return name
    end = most // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def spread(wanted: list[float], distance: float, low: float, high: float) -> list[float]:
    """Places for `wanted`, which increase, at least `distance` from one another, from `low` to `high` and near what was wanted.

    >>> spread([0.0, 0.1, 0.2, 5.0], 1.0, 0.0, 5.0)
    [0.0, 1.0, 2.0, 5.0]
    """
    distance = min(distance, (high - low) / max(len(wanted) - 1, 1))
    found: list[float] = []
    for place in wanted:
        found.append(max(place, low, found[-1] + distance if found else low))
    for i in range(len(found) - 1, -1, -1):  # from above: whatever was pushed over the upper end comes back
        limit = high if i == len(found) - 1 else found[i + 1] - distance
        found[i] = min(found[i], limit)
    return found
