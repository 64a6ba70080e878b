"""Who loses what, and is it more than the others lose: the map of losses with the verdict of the analysis plan on each group in its cells.

A verdict is a mark of its own shape, and an extra loss has a frame: nobody has to distinguish colours. Of one finding the map is a list of
groups, with intervals and verdicts in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED
from dpmed_core.evaluation.tables.largest_loss import GroupVerdict, together, verdicts_by_group
from dpmed_core.foreign_text import plain_html
from dpmed_core.reporting.figures import loss_map
from dpmed_core.reporting.figures.equivalence import SYMBOLS
from dpmed_core.reporting.figures.loss_map import MapLook, loss_map_figure
from dpmed_core.reporting.figures.style import LIGHT, Canvas
from dpmed_core.reporting.wording.first_glance import extra_words, extra_words_in_short

GLYPHS = {WIDENED: "✕", NOT_WIDENED: "●", NOT_ENOUGH: "○"}
"""The marks as characters, for tables: the shapes of `SYMBOLS`."""
ROW, KEY = 2.8, 3.5
"""Heights of a row, and of the key under the cells, in letters."""
ON_A_WHOLE_PAGE = 76
"""Width of a page, in letters: cells of 13 groups then have room for number and mark."""
LETTERS = 8
"""So many letters of a number's size are as wide as a cell: the number then leaves a fifth of it to the mark."""
LONGEST_NAME = 34
"""Characters of a row's name that stand in one line on a page."""
ROOM_BESIDE = 48
"""Pixels of a cell that has room for the mark beside its number; in a narrower one it stands below."""
BESIDE, BELOW, AT_THE_EDGE = (0.38, 0.0), (0.0, 0.32), (-0.485, 0.0)
"""Where the mark stands in a cell, right of the middle and below it, as shares of the cell."""
LARGEST_MARK = 0.85
"""In letters."""
NOWHERE = {"x": [None], "y": [None], "base": None}
"""A bar that is not drawn, and keeps its entry in the key."""

Place = tuple[str, str, str]
"""Attribute, subgroup and finding of a cell."""


@dataclass(frozen=True, eq=False)
class Cell:
    """What is known of one cell.

    Attributes:
        row: its row of `MetricTables.costs`.
        judged: the verdict on its group; of the mean over findings, those on all of them together. None for all patients together.
        margin: of the verdict.
    """

    row: pd.Series
    judged: GroupVerdict | None
    margin: float

    @property
    def verdict(self) -> str:
        """The verdict that has a mark; empty where there is none, or nothing to judge."""
        if self.judged is None or not self.judged.n_findings or pd.isna(self.row["difference"]):
            return ""
        return "" if self.judged.verdict == NOT_ESTIMABLE else self.judged.verdict

    @property
    def words(self) -> str:
        """The verdict in a few words; empty for all patients together."""
        return "" if self.judged is None else extra_words(self.judged, self.margin)


def cells_of(costs: pd.DataFrame, verdicts: pd.DataFrame) -> list[Cell]:
    """The cells of the map at one budget, in the order of `costs`.

    Args:
        costs: rows of `MetricTables.costs` of AUROC, of one recipe, unit, budget and reference.
        verdicts: rows of `EvaluationTables.verdicts` of the same.
    """
    margin = float(verdicts["margin"].iloc[0]) if len(verdicts) else float(costs["margin"].iloc[0])
    by_group = verdicts_by_group(verdicts)
    cells = []
    for _, row in costs.iterrows():
        group = str(row["attribute"]), str(row["subgroup"])
        judged = None if group[0] == EVERYBODY else together(by_group.get(group, ()), str(row["finding"]))
        cells.append(Cell(row, judged, margin))
    return cells


def verdict_map_figure(costs: pd.DataFrame, verdicts: pd.DataFrame, cohort: Cohort, *, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """Private minus non-private AUROC of each finding and group at `epsilon`, with the verdict on each group.

    Args:
        costs: as `loss_map_figure` takes them; of one finding, its groups stand in rows, with their intervals.
        verdicts: rows of `EvaluationTables.verdicts` of the same recipe, unit and reference.
        cohort: named, with its version's alias, in the figure.
        epsilon: a trained target.
        canvas: what it is drawn on.

    Raises:
        ExportError: nothing can be compared.
    """
    at = costs[costs["epsilon"] == epsilon]
    cells = cells_of(at, verdicts[verdicts["epsilon"] == epsilon]) if len(at) else []
    is_list = costs["finding"].nunique() == 1
    said = {_place(cell.row): cell for cell in cells}
    look = MapLook(
        row_height=round(ROW * canvas.font_size),
        on_a_page=round(ON_A_WHOLE_PAGE * canvas.font_size),
        letters=LETTERS,
        name_characters=loss_map.NAME_CHARACTERS if canvas.width else LONGEST_NAME,
        turns_one=True,
        below=round(KEY * canvas.font_size),
        words=(lambda row: _in_full(said[_place(row)])) if is_list else loss_map.cell_html,
        notes=(marks_explained(verdicts),),
    )
    figure = loss_map_figure(costs, cohort, metric=AUROC, epsilon=epsilon, canvas=canvas, look=look)
    figure.data[0].hovertext = [_hover(text, cell) for text, cell in zip(figure.data[0].hovertext, cells, strict=True)]
    _mark(figure, cells, look, canvas, is_list=is_list)
    figure.data[1].update(name="not estimable", showlegend=True)
    if not figure.data[1].x:
        figure.data[1].update(NOWHERE)
    figure.update_layout(legend={"itemclick": False, "itemdoubleclick": False}, meta={"cells": _what_cells_are(figure.data[0], cells)})
    return figure


def marks_explained(verdicts: pd.DataFrame) -> str:
    """What the marks mean.

    Args:
        verdicts: rows of `EvaluationTables.verdicts`.
    """
    n = verdicts["n_comparisons"].max() if len(verdicts) else None
    together = "" if n is None or pd.isna(n) else f", for {n:.0f} comparisons at once"
    return (
        f"Marks: whether a group loses more than the other patients (extra loss), by the analysis plan{together}. In the row of the mean: "
        "the verdicts on all findings together, an extra loss where there is one in any. No mark: nobody to compare with, or not in the "
        "plan."
    )


def alternative_text(cells: list[Cell]) -> str:
    """The map for a reader who does not see it: the verdicts first, then all numbers.

    Args:
        cells: those drawn, at one budget.
    """
    kinds = {verdict: [_name(cell) for cell in cells if cell.verdict == verdict] for verdict in GLYPHS}
    margin = cells[0].margin if cells else 0.0
    said = "; ".join(
        f"{extra_words_in_short(verdict, margin)}: {', '.join(names) if names else 'nowhere'}" for verdict, names in kinds.items()
    )
    return f"Verdicts on groups: {said}. {loss_map.alternative_text(pd.DataFrame([cell.row for cell in cells]), AUROC)}"


def key_in_words(cells: list[Cell]) -> str:
    """What the marks as characters mean, for a table.

    Args:
        cells: at least one.
    """
    marks = (f"{glyph} {extra_words_in_short(verdict, cells[0].margin)}" for verdict, glyph in GLYPHS.items())
    return f"{', '.join(marks)}. Hatched: not estimable."


def marks_of(cells: list[Cell]) -> Mapping[Place, tuple[str, str]]:
    """The mark of each cell that has one, as a character, and the verdict in words."""
    return {_place(cell.row): (GLYPHS[cell.verdict], cell.words) for cell in cells if cell.verdict}


def _place(row: pd.Series) -> Place:
    return str(row["attribute"]), str(row["subgroup"]), str(row["finding"])


def _name(cell: Cell) -> str:
    return f"{finding_title(str(cell.row['finding']))} of {subgroup_title(str(cell.row['attribute']), str(cell.row['subgroup']))}"


def _in_full(cell: Cell) -> str:
    """Number, interval and verdict in words; bold is the number alone, where its interval lies on one side of 0."""
    row = cell.row
    if pd.isna(row["difference"]):
        return f"not estimable: {plain_html(str(row['reason']))}" if row["reason"] else "not estimable"
    number, low, high = (f"{row[name]:z.3f}".replace("-", "−") for name in ("difference", "difference_low", "difference_high"))
    number = f"<b>{number}</b>" if loss_map.is_shown(row) else number
    return f"{number} ({low} to {high}){f', {cell.words}' if cell.words else ''}"


def _what_cells_are(heat: go.Heatmap, cells: list[Cell]) -> dict[str, list[str]]:
    """Attribute, subgroup and finding by the place of a cell in the figure, for a page on which cells are clicked.

    Names are quoted as in an address: a figure holds no foreign text that could be taken for markup.
    """
    return {f"{x},{y}": [quote(name) for name in _place(cell.row)] for x, y, cell in zip(heat.x, heat.y, cells, strict=True)}


def _hover(text: str, cell: Cell) -> str:
    return f"{text}<br>{plain_html(cell.words)}" if cell.words else text


def _mark(figure: go.Figure, cells: list[Cell], look: MapLook, canvas: Canvas, *, is_list: bool) -> None:
    """Add the frames of cells with an extra loss, and a mark in each cell with a verdict, with their key."""
    heat = figure.data[0]
    wide = look.room(canvas) / (max(heat.x) + 1)
    right, below = AT_THE_EDGE if is_list else BESIDE if wide >= ROOM_BESIDE else BELOW
    size = min(LARGEST_MARK * canvas.font_size, 0.15 * wide if below == 0 else 0.22 * look.row_height)
    placed = list(zip(cells, heat.x, heat.y, strict=True))
    figure.add_trace(_frames([(x, y) for cell, x, y in placed if cell.verdict == WIDENED], canvas))
    for verdict, symbol in SYMBOLS.items():
        at = [(x, y) for cell, x, y in placed if cell.verdict == verdict]
        figure.add_trace(
            go.Scatter(
                # One point that is nowhere keeps a mark in the key where no cell has it.
                x=[x + right for x, _ in at] or [None],
                y=[y + below for _, y in at] or [None],
                mode="markers",
                marker={"symbol": symbol, "size": size, "color": canvas.text, "line": {"width": 1.5, "color": canvas.text}},
                name=extra_words_in_short(verdict, cells[0].margin),
                hoverinfo="skip",
            )
        )


def _frames(places: list[tuple[float, float]], canvas: Canvas) -> go.Scatter:
    """A frame around each of these cells, as one broken line."""
    corners = [(-0.47, -0.46), (0.47, -0.46), (0.47, 0.46), (-0.47, 0.46), (-0.47, -0.46)]
    line = [point for x, y in places for point in [*((x + dx, y + dy) for dx, dy in corners), (None, None)]] or [(None, None)]
    return go.Scatter(
        x=[x for x, _ in line],
        y=[y for _, y in line],
        mode="lines",
        line={"color": canvas.text, "width": 2.5},
        hoverinfo="skip",
        showlegend=False,
    )
