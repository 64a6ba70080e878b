"""The map of findings by groups with the verdicts, which follows the axis; a cell is the way to its evidence on Fairness."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from dpmed_core.cohort.display_names import attribute_phrase, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.catalogue import Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.drawn_rows import verdict_map_parts
from dpmed_core.reporting.figures.verdict_map import alternative_text, cells_of, key_in_words, marks_explained, marks_of
from widgets.address.session import of_link
from widgets.analysis_plan import plans_of
from widgets.cached import MOST_KEPT, key_of
from widgets.choices import Choices
from widgets.figure import downloads, show_moving_figure
from widgets.overview.figures import WHAT, Words, at_budgets, map_place, map_table
from widgets.overview.tiles import GROUPS_PAGE, Shown, choices_of

FIGURES = figures_of(Page.MEETING)
(MAP,) = FIGURES
CLICKED = "meeting-cell"
"""Key in the session's state: finding and attribute of the cell that was clicked, until its evidence is opened."""


def show_map(cohort: Cohort, tables: EvaluationTables, shown: Shown, *, finding: str, is_large: bool = False) -> None:
    """Show the map, or of one finding its groups.

    Args:
        cohort: of the tables.
        tables: of the analysis plan.
        shown: recipe, unit and budget.
        finding: which; "macro" for the map of all.
        is_large: whether it is shown to a room.
    """
    chosen = Choice(finding=finding, recipe=shown.recipe, unit=shown.unit, epsilon=shown.epsilon)
    words = map_words(tables, chosen, cohort)
    sentences = {at: words[at].alternative for at in shown.trained}
    if not is_large:  # a presenter's heading stands at the top
        st.header("Who loses what")
    with map_place(words[shown.epsilon]):
        show_moving_figure(MAP, tables, chosen, cohort, sentences=sentences, is_bare=True, is_large=is_large, on_cell=_remember)
    if words[shown.epsilon].cells and not is_large:
        st.caption(plain(f"{explained(tables, shown)} {plans_of(cohort).sentence()}"))


def explained(tables: EvaluationTables, shown: Shown) -> str:
    """What numbers, bold numbers and marks mean."""
    return f"{WHAT}. Bold: its own interval beyond 0. {marks_explained(shown.rows(tables.verdicts, shown.epsilon))}"


def open_clicked(cohort: Cohort, shown: Shown, choices: Choices) -> None:
    """Open the evidence of the cell that was clicked, if one was."""
    if (cell := st.session_state.pop(CLICKED, None)) is not None:
        st.switch_page(GROUPS_PAGE, query_params=_evidence(cohort, shown, choices, *cell))


def show_ways(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """Offer the map's file, and for those who do not click on cells a link to the evidence of each."""
    place = st.expander("Evidence of every cell", key="evidence-open", on_change="rerun")
    if place.open:
        with place:
            for finding in (MACRO, *cohort.findings) if len(cohort.findings) > 1 else cohort.findings:
                with st.container(horizontal=True):
                    for attribute in tables.by:
                        label = plain(f"{finding_title(finding)} by {attribute_phrase(attribute)}")
                        st.page_link(GROUPS_PAGE, label=label, query_params=_evidence(cohort, shown, choices, finding, attribute))
    downloads(FIGURES, tables, Choice(finding=MACRO, recipe=shown.recipe, unit=shown.unit, epsilon=shown.epsilon), cohort)


def _remember(cell: Sequence[str]) -> None:
    attribute, _, finding = cell
    st.session_state[CLICKED] = (finding, attribute)


def _evidence(cohort: Cohort, shown: Shown, choices: Choices, finding: str, attribute: str) -> dict[str, str]:
    """The address of the page Fairness with what a cell is about; all patients together are no group."""
    about = choices_of(cohort, shown, choices) | {"finding": finding}
    return of_link(about if attribute == EVERYBODY else about | {"attribute": attribute})


def map_words(tables: EvaluationTables, chosen: Choice, cohort: Cohort) -> dict[float, Words]:
    """The map in words and as a table at each trained budget of the recipe and unit of `chosen`."""
    at_none = replace(chosen, epsilon=None)
    return _words_at_budgets(key_of(tables.token, at_none), at_none, tables, cohort)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _words_at_budgets(key: str, _chosen: Choice, _tables: EvaluationTables, _cohort: Cohort) -> dict[float, Words]:
    del key
    return {float(at.epsilon or 0): _words(at, _tables, _cohort) for at in at_budgets(_tables, _chosen)}


def _words(chosen: Choice, tables: EvaluationTables, cohort: Cohort) -> Words:
    costs, verdicts = (part.rows[part.rows["epsilon"] == chosen.epsilon] for part in verdict_map_parts(tables, chosen, cohort).values())
    cells = cells_of(costs, verdicts) if len(costs) else []
    if costs["difference"].isna().all():
        return Words(costs, alternative_text(cells) if cells else "")
    return Words(costs, alternative_text(cells), f"{map_table(costs, marks_of(cells))}<p>{escape(key_in_words(cells))}</p>")
