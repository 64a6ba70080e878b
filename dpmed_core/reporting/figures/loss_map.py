"""Who loses what: the difference that privacy makes to a metric, findings in rows and groups of patients in columns."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import PATIENTS
from dpmed_core.foreign_text import plain_html, plain_line
from dpmed_core.reporting.figures.facts import NO_REFERENCE, guarantee_phrase, require_rows, who
from dpmed_core.reporting.figures.style import CHARACTER_WIDTH, LABELS_FIT, LIGHT, Canvas, broken, lay_out, new_figure
from dpmed_core.reporting.figures.who_pays import shortened

ROW_HEIGHT = 30
ON_A_PAGE = 560
"""Pixels that a canvas without a width of its own is taken to have."""
CELLS_SHARE = 0.66
"""Share of a canvas that the columns have; the rest is for the names of rows."""
ON_A_PAGE_WIDTH = 0.46
"""Mean width of a letter there, as a share of the font's size."""
NAME_CHARACTERS = 20
COLOURS = {False: ("#6DB3DE", "#f4f7fa", "#E8A15C"), True: ("#1F6A9C", "#1d2731", "#8A5A00")}
"""Of a large loss, of no difference and of a large gain, on light and on dark ground: blue and orange, on which text is readable."""
REACHED = 0.9
"""So many of all differences, at all budgets, lie within the colours: a single one must not make all others pale."""
LEAST_REACH = 0.05
"""The colours reach from a loss to a gain of at least so much: noise of a hundredth must not look like a large loss."""
SMALLEST_TEXT = 6.0
NARROWEST = 24
"""Pixels: the narrowest column whose numbers can be read."""
LONGEST_UPRIGHT = 24
UNKNOWN_CELL = "?"


def cell_text(row: pd.Series) -> str:
    """The number of a cell, with a minus sign instead of a hyphen; a question mark where there is none.

    >>> cell_text(pd.Series({"difference": -0.034})), cell_text(pd.Series({"difference": 0.001}))
    ('−0.03', '0.00')
    """
    value = row["difference"]
    return UNKNOWN_CELL if pd.isna(value) else f"{value:z.2f}".replace("-", "−")


def is_shown(row: pd.Series) -> bool:
    """Whether the interval of a cell lies on one side of 0, and covers chance in training."""
    return bool(row["covers"] != PATIENTS and (row["difference_low"] > 0 or row["difference_high"] < 0))


def cell_html(row: pd.Series) -> str:
    """The number of a cell, bold where its interval lies on one side of 0."""
    return f"<b>{cell_text(row)}</b>" if is_shown(row) else cell_text(row)


@dataclass(frozen=True)
class MapLook:
    """How the cells of a map are set.

    Attributes:
        row_height: pixels.
        on_a_page: pixels that a canvas without a width of its own is taken to have.
        letters: so many letters of a number's size are as wide as a cell, at least.
        name_characters: after so many the name of a row is broken.
        turns_one: whether the groups of a single finding stand in rows.
        below: pixels under the cells, for a key.
        words: what stands in a cell, as HTML.
        notes: what else must be known to read the figure alone.
    """

    row_height: int = ROW_HEIGHT
    on_a_page: int = ON_A_PAGE
    letters: float = 6
    name_characters: int = NAME_CHARACTERS
    turns_one: bool = False
    below: int = 16
    words: Callable[[pd.Series], str] = cell_html
    notes: tuple[str, ...] = ()

    def room(self, canvas: Canvas) -> float:
        """Pixels for all columns together."""
        return (canvas.width or self.on_a_page) * CELLS_SHARE


PLAIN_LOOK = MapLook()


def loss_map_figure(
    costs: pd.DataFrame, cohort: Cohort, *, metric: Metric, epsilon: float, canvas: Canvas = LIGHT, look: MapLook = PLAIN_LOOK
) -> go.Figure:
    """Private minus non-private value of each finding and group at `epsilon`; hatched where it is not estimable.

    The darker the more is lost or gained, on one scale for all budgets; every cell has its number, which says the sign.

    Args:
        costs: rows of `MetricTables.costs` at every budget, of one recipe, unit and reference, with the accountant.
        cohort: named, with its version's alias, in the figure.
        metric: whose differences they are.
        epsilon: a trained target.
        canvas: what it is drawn on.
        look: how its cells are set; the cells are the first trace, in the order of the rows, the hatching is the second.

    Raises:
        ExportError: nothing can be compared, or the rows are of another metric.
    """
    require_rows(costs, [metric.name, f"{metric.name}_reference", "difference"], otherwise=NO_REFERENCE)
    rows = costs[costs["epsilon"] == epsilon]
    if rows["difference"].isna().all():
        raise ExportError(f"The cost of privacy in {metric.title} is not estimable for any finding and group: {_first_reason(rows)}.")
    findings = sorted(rows["finding"].drop_duplicates(), key=lambda finding: finding != MACRO)  # the mean first, the others as they come
    groups = list(dict.fromkeys(_groups_of(rows)))
    by_finding = [findings.index(finding) for finding in rows["finding"]], [finding_title(finding) for finding in findings]
    by_group = [groups.index(group) for group in _groups_of(rows)], [_group_title(group, canvas) for group in groups]
    # The more of them stand in rows where columns would be too narrow for their numbers.
    room = look.room(canvas)
    is_turned = len(findings) < len(groups) and (room / len(groups) < NARROWEST or (look.turns_one and len(findings) == 1))
    (across, columns), (down, names) = (by_finding, by_group) if is_turned else (by_group, by_finding)
    figure, cell = new_figure(), room / len(columns)
    size = max(SMALLEST_TEXT, min(0.9 * canvas.font_size, cell / (look.letters * _letter(canvas))))
    reach = max(float(costs["difference"].abs().quantile(REACHED)), LEAST_REACH)
    figure.add_trace(_cells(rows, across, down, metric, reach, size, look.words, canvas))
    figure.add_trace(_hatched(rows, across, down, canvas))
    facts = [f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}", explained(rows, metric), *look.notes]
    title = f"Who loses what: {metric.title} with privacy minus without"
    labels, angle, above = _upper_labels(columns, cell, canvas)
    lay_out(figure, title, facts, canvas, plot_height=look.row_height * len(names), above=above, below=look.below)
    at, reach_of_axis = list(range(len(columns))), [-0.5, len(columns) - 0.5]
    small, common = {"size": 0.9 * canvas.font_size}, {"showgrid": False, **LABELS_FIT}
    figure.update_xaxes(side="top", tickvals=at, ticktext=labels, tickangle=angle, tickfont=small, range=reach_of_axis, **common)
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=["<br>".join(broken(name, look.name_characters)[:2]) for name in names],
        tickfont={"size": 0.85 * canvas.font_size},
        range=[len(names) - 0.5, -0.5],
        **common,
    )
    return figure


def _upper_labels(names: list[str], cell: float, canvas: Canvas) -> tuple[list[str], int, int]:
    """The labels above the columns, their angle, and the pixels that they take: upright where a word is wider than a column."""
    width = 0.9 * canvas.font_size * _letter(canvas)
    if max(len(word) for name in names for word in name.split()) * width <= cell:
        return ["<br>".join(broken(name, max(5, int(cell / width)))[:3]) for name in names], 0, round(3.2 * canvas.font_size)
    short = [shortened(plain_line(name), LONGEST_UPRIGHT) for name in names]
    return [plain_html(name) for name in short], -90, round(max(map(len, short)) * width) + 12


def _group_title(group: tuple[str, str], canvas: Canvas) -> str:
    """The name of a group; on a page, which has few words, an age without its unit."""
    title = subgroup_title(*group)
    return title.removesuffix(" years") if canvas.is_bare else title


def _letter(canvas: Canvas) -> float:
    """Mean width of a letter: a page has a narrower typeface than the machine that draws pictures."""
    return CHARACTER_WIDTH if canvas.width else ON_A_PAGE_WIDTH


def explained(rows: pd.DataFrame, metric: Metric) -> str:
    """What cells, bold numbers and hatching mean."""
    lost = {1: " Below 0: lost through privacy.", -1: " Above 0: lost through privacy."}.get(metric.gain, "")
    alone = "its own 95 % interval lies on one side of 0, counted for itself and over "
    covers = " or ".join(rows["covers"].drop_duplicates())
    return f"Private minus without privacy.{lost} Bold: {alone}{covers}. Hatched: not estimable."


def alternative_text(rows: pd.DataFrame, metric: Metric) -> str:
    """The figure for a reader who does not see it: the numbers of all groups, finding by finding.

    Args:
        rows: those drawn, at one budget.
        metric: whose differences they are.
    """
    said = (
        f"{finding_title(str(finding))}: "
        + ", ".join(f"{name} {cell_text(row)}" for name, (_, row) in zip(_names(of), of.iterrows(), strict=True))
        for finding, of in rows.groupby("finding", sort=False)
    )
    return f"Heat map of {metric.title} with privacy minus without, findings by groups; a question mark: not estimable. {'. '.join(said)}."


def _groups_of(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["attribute"], rows["subgroup"], strict=True))


def _names(rows: pd.DataFrame) -> list[str]:
    return [subgroup_title(*group) for group in _groups_of(rows)]


def _first_reason(rows: pd.DataFrame) -> str:
    reasons = [str(reason) for reason in rows["reason"] if reason]
    return reasons[0] if reasons else "too few test patients"


def _cells(
    rows: pd.DataFrame,
    across: list[int],
    down: list[int],
    metric: Metric,
    reach: float,
    size: float,
    words: Callable[[pd.Series], str],
    canvas: Canvas,
) -> go.Heatmap:
    """One cell a row, with its number; those that are not estimable have no colour, and their reason in the tooltip."""
    loss, nothing, gain = COLOURS[canvas.is_dark]
    low, high = (gain, loss) if metric.gain < 0 else (loss, gain)
    return go.Heatmap(
        x=across,
        y=down,
        z=rows["difference"],
        zmin=-reach,
        zmax=reach,
        colorscale=[[0.0, low], [0.5, nothing], [1.0, high]],
        showscale=False,
        xgap=1,
        ygap=1,
        text=[words(row) for _, row in rows.iterrows()],
        texttemplate="%{text}",
        textfont={"size": size, "color": canvas.text},
        hovertext=[_tooltip(row, metric) for _, row in rows.iterrows()],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _tooltip(row: pd.Series, metric: Metric) -> str:
    place = f"{plain_html(finding_title(str(row['finding'])))}, {plain_html(subgroup_title(row['attribute'], row['subgroup']))}"
    size = f"{row['n_cases']:,} images, {row['n_positive']:,} positive, {row['n_patients']:,} patients"
    if pd.isna(row["difference"]):
        return f"{place}: not estimable<br>{plain_html(str(row['reason']))}<br>{size}"
    interval = f"{row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
    values = f"{row[metric.name]:.3f} with privacy, {row[f'{metric.name}_reference']:.3f} without"
    return f"{place}: {row['difference']:+.3f} (95 % interval {interval})<br>{values}<br>{size}"


def _hatched(rows: pd.DataFrame, across: list[int], down: list[int], canvas: Canvas) -> go.Bar:
    """Hatching over the cells that are not estimable: a heat map itself has none."""
    missing = [(x, y) for x, y, is_missing in zip(across, down, rows["difference"].isna(), strict=True) if is_missing]
    return go.Bar(
        x=[x for x, _ in missing],
        y=[0.96] * len(missing),
        base=[y - 0.48 for _, y in missing],
        width=0.96,
        marker={
            "color": "rgba(0, 0, 0, 0)",
            "line": {"width": 0},
            "pattern": {"shape": "/", "fgcolor": canvas.text, "fgopacity": 0.35, "size": 7, "solidity": 0.15},
        },
        hoverinfo="skip",
        showlegend=False,
    )
