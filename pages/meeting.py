"""Meeting: is a private model good and fair enough? All findings and groups in one view, for a round table or a room."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.reporting.wording.training_state import training_sentence
from widgets.analysis_plan import planned_tables
from widgets.choices import Choices, current_choices, findings_of
from widgets.cohort import chosen_cohort, has_choices, show_synthetic
from widgets.headings import HEADINGS
from widgets.lookup import live, runs_of, unreadable_of
from widgets.meeting.map import open_clicked, show_map, show_ways
from widgets.meeting.standing import show_for_a_room, show_heading, show_limits, show_measured, show_spending
from widgets.meeting.view import LIMITS, PAGE, choose_view
from widgets.overview.facts import show_cohort_line
from widgets.overview.glance import choose_shown, is_compared, show_next_step, show_protected, show_without_reference
from widgets.overview.tiles import Shown, show_first_tiles, show_group_tile


def show_meeting(cohort: Cohort, choices: Choices, view: str) -> None:
    """Show everything that depends on the runs in `view`, and renew it while models are trained."""

    def part() -> None:
        """What `live` draws again."""
        for run in unreadable_of(cohort):
            st.error(plain_with_commands(run.message), icon=":material/error:")
        tables = planned_tables(cohort)
        shown = choose_shown(cohort, tables, choices, with_offers=view == PAGE)
        if shown is None:
            return
        open_clicked(cohort, shown, choices)
        if view != PAGE:
            show_heading(cohort, tables, shown)
        if view == LIMITS:
            show_limits(cohort, tables, shown)
            return
        if is_compared(tables, shown):
            places = st.columns(3)
            show_first_tiles(places, cohort, tables, shown, choices, with_links=view == PAGE)
            show_group_tile(places[2], cohort, tables, shown, choices, with_links=view == PAGE)
            show_map(cohort, tables, shown, finding=MACRO if view == PAGE else shown.finding, is_large=view != PAGE)
        else:
            show_without_reference(tables, shown)
        if view == PAGE:
            show_around(cohort, tables, shown, choices)
        else:
            show_for_a_room(cohort, tables, shown, choices)

    live(cohort, part)


def show_around(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """Under the map of the page: spending, protection, what the numbers rest on, and the ways on."""
    show_spending(cohort)
    show_measured(cohort, tables, shown, choices)
    show_protected(cohort, tables, shown, choices)
    st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
    if is_compared(tables, shown):
        show_ways(cohort, tables, shown, choices)


title, way = st.columns([6, 1], vertical_alignment="bottom")
title.title(HEADINGS["meeting"])
selected = current_choices()
if (chosen := chosen_cohort(says_synthetic=False)) is not None:
    with way:
        view = choose_view(findings_of(chosen), selected.finding)
    if view == PAGE:
        show_cohort_line(chosen)
    for reason in chosen.blocking:
        st.error(f"**Training is not possible.** {plain(reason)}", icon=":material/block:")
    if has_choices(selected):
        show_meeting(chosen, selected, view)
        if view == PAGE and not chosen.blocking:
            show_next_step(chosen, selected)
    if view == PAGE:
        show_synthetic(chosen)
