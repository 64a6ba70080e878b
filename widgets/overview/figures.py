"""The two figures of Overview side by side: AUROC by budget, and who loses what; each with its table, and both as files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.catalogue import Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.drawn_rows import loss_map_parts, mean_and_worst_parts
from dpmed_core.reporting.figures import loss_map, mean_and_worst
from dpmed_core.reporting.figures.verdict_map import Place
from widgets.cached import MOST_KEPT, key_of
from widgets.figure import downloads, show_moving_figure
from widgets.html_table import IN_ONE_LINE, RIGHT, head, table_as_html, text_in_html

CURVE, MAP = FIGURES = figures_of(Page.OVERVIEW)
ONE_COLUMN = "640px"
"""Up to this width Streamlit puts columns one under another; a heat map of many groups then has no room for its numbers."""
ON_NARROW_SCREENS = (
    f"<style>@media (max-width: {ONE_COLUMN}) {{ .st-key-map-picture {{ display: none }} }}"
    f"@media (min-width: calc({ONE_COLUMN} + 1px)) {{ .st-key-map-cells {{ display: none }} }}</style>"
)
"""Shows the map as a table where the screen is narrow, and as a picture elsewhere."""
WHAT = "AUROC with privacy minus without"
HATCHED = "background: repeating-linear-gradient(135deg, rgba(128, 128, 128, 0.35) 0 2px, transparent 2px 7px)"


@dataclass(frozen=True, eq=False)
class Words:
    """What stands beside a figure.

    Attributes:
        rows: that it draws at the chosen budget.
        alternative: the figure for a reader who does not see it.
        cells: the map as an HTML table; empty for the curve, and where nothing is estimable.
    """

    rows: pd.DataFrame
    alternative: str
    cells: str = ""


def show_figures(tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """Show curve and map beside one another, which follow the axis of the page, their tables, and the menu of files.

    Args:
        tables: of the analysis plan's groups.
        shown: recipe, unit and budget, over all findings.
        cohort: of the tables.
    """
    curves, maps = (words_at_budgets(name, tables, shown, cohort) for name in FIGURES)
    left, right = st.columns([4, 5], gap="medium")
    with left:
        st.header("AUROC by budget")
        _show_moving(CURVE, curves, tables, shown, cohort)
    with right:
        st.header("Who loses what")
        with map_place(maps[shown.epsilon]):
            _show_moving(MAP, maps, tables, shown, cohort)
        if maps[shown.epsilon].cells:
            st.caption(f"{WHAT}. Bold: interval beyond 0. Hatched: not estimable.")
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        table = st.expander("Tables of both figures", key="glance-open", on_change="rerun")
        if table.open:
            table.dataframe(_curve_in_words(curves[shown.epsilon].rows), hide_index=True)
            table.dataframe(_losses_in_words(maps[shown.epsilon].rows), hide_index=True)
    with right:
        downloads(FIGURES, tables, shown, cohort)


def map_place(words: Words) -> DeltaGenerator:
    """Where a map stands as a picture; on a narrow screen its table stands there instead."""
    st.html(ON_NARROW_SCREENS)
    picture = st.container(key="map-picture")
    if words.cells:
        with st.container(key="map-cells"):
            st.html(words.cells)
    return picture


def words_at_budgets(name: str, tables: EvaluationTables, shown: Choice, cohort: Cohort) -> dict[float, Words]:
    """What stands beside figure `name` at each trained budget of the recipe and unit of `shown`, smallest first."""
    at_none = replace(shown, epsilon=None)
    return _words_at_budgets(key_of(name, tables.token, at_none), name, at_none, tables, cohort)


def at_budgets(tables: EvaluationTables, shown: Choice) -> list[Choice]:
    """`shown` at each trained budget of its recipe and unit, smallest first."""
    budgets = replace(shown, epsilon=None).rows(tables.runs)["epsilon"].dropna().unique()
    return [replace(shown, epsilon=epsilon) for epsilon in sorted(map(float, budgets))]


def _show_moving(name: str, words: dict[float, Words], tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    sentences = {epsilon: of.alternative for epsilon, of in words.items()}
    show_moving_figure(name, tables, shown, cohort, sentences=sentences, is_bare=True)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _words_at_budgets(key: str, _name: str, _shown: Choice, _tables: EvaluationTables, _cohort: Cohort) -> dict[float, Words]:
    del key
    return {float(at.epsilon or 0): _words(_name, at, _tables, _cohort) for at in at_budgets(_tables, _shown)}


def _words(name: str, shown: Choice, tables: EvaluationTables, cohort: Cohort) -> Words:
    """What stands beside figure `name`."""
    if name == CURVE:
        parts = {key: part.rows for key, part in mean_and_worst_parts(tables, shown, cohort).items()}
        return Words(pd.concat(parts.values()), mean_and_worst.alternative_text(parts["mean"], parts["worst"], AUROC))
    rows = loss_map_parts(tables, shown, cohort)["costs"].rows
    rows = rows[rows["epsilon"] == shown.epsilon]
    return Words(rows, loss_map.alternative_text(rows, AUROC), map_table(rows) if rows["difference"].notna().any() else "")


def map_table(losses: pd.DataFrame, marks: Mapping[Place, tuple[str, str]] | None = None) -> str:
    """The map as an HTML table, groups in rows: it can be read on a narrow screen and by those who do not see the picture.

    Args:
        losses: rows of the map at one budget.
        marks: a character that stands beside a number, and what it says, by attribute, subgroup and finding.
    """
    losses = losses.sort_values("finding", key=lambda names: names != MACRO, kind="stable")  # the mean first, as in the picture
    heads = [head("Group"), *(head(finding_title(finding), RIGHT) for finding in losses["finding"].drop_duplicates())]
    rows = []
    for group, of_group in losses.groupby(["attribute", "subgroup"], sort=False):  # in each the findings stand in one order
        cells = "".join(_cell(row, (marks or {}).get((*group, row["finding"]))) for _, row in of_group.iterrows())
        rows.append(head(subgroup_title(*group), of="row") + cells)
    return table_as_html(heads, rows, f"{WHAT}, by group and finding")


def _cell(row: pd.Series, mark: tuple[str, str] | None) -> str:
    style = f"{RIGHT}; {HATCHED}" if pd.isna(row["difference"]) else RIGHT
    style += f"; {IN_ONE_LINE}; font-weight: {700 if loss_map.is_shown(row) else 400}"
    said = text_in_html(mark[1]) if mark else ""
    beside = f' <span role="img" aria-label="{said}" title="{said}">{text_in_html(mark[0])}</span>' if mark else ""
    return f'<td style="{style}">{text_in_html(loss_map.cell_text(row))}{beside}</td>'


def _curve_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    value, low, high = AUROC.columns
    return pd.DataFrame(
        {
            "Finding": rows["finding"].map(finding_title),
            "Privacy": [f"ε = {e:g}" if pd.notna(e) else "without" for e in rows["epsilon"]],
            AUROC.title: rows[value].round(3),
            "95 % from": rows[low].round(3),
            "to": rows[high].round(3),
            "Training runs": rows["n_seeds"],
            "Patients": rows["n_patients"],
        }
    )


def _losses_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the map for a page."""
    return pd.DataFrame(
        {
            "Finding": rows["finding"].map(finding_title),
            "Group": [subgroup_title(*key) for key in zip(rows["attribute"], rows["subgroup"], strict=True)],
            "With privacy": rows[AUROC.name].round(3),
            "Without": rows[f"{AUROC.name}_reference"].round(3),
            "Difference": rows["difference"].round(3),
            "95 % from": rows["difference_low"].round(3),
            "to": rows["difference_high"].round(3),
            "Images": rows["n_cases"],
            "Positive": rows["n_positive"],
            "Patients": rows["n_patients"],
            "Not estimable because": rows["reason"],
        }
    )
