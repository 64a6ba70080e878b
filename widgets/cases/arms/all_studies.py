"""The studies of a cohort in a table, and the form that plans another."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.people.roles import Action
from dpmed_core.reader_study.arm_study.planning import LONGEST_TITLE, MOST_DAYS, StudyRequest, planned_study
from dpmed_core.reader_study.arm_study.study import ArmStudy
from dpmed_core.reader_study.multi_reader.crossing import WASH_OUT_DAYS
from dpmed_core.reader_study.multi_reader.ratings import ARMS
from dpmed_core.reporting.wording.arm_study import study_state_phrase
from dpmed_core.reporting.wording.multi_reader import TITLES
from widgets.cached import split_of
from widgets.cases.arms.current import open_study
from widgets.cases.model_context import first_private_run
from widgets.cases.shown_case import ModelContext
from widgets.lookup import installation
from widgets.people.sign_on import may, name_input

TABLE = "arm-study-list"
SIZES = (10, 20, 40, 60, 100, 200)
MEANT = 60
ContextOf = Callable[[], ModelContext | None]
"""Gives the models of the sidebar's recipe at the axis' budget, with its guarantee shown; called only where scores may be seen."""


def show_all_studies(cohort: Cohort, finding: str, context_of: ContextOf) -> None:
    """The cohort's studies, newest first, and for those who may plan one the form."""
    studies = installation().arm_studies.of(cohort.fingerprint)
    if studies:
        _show_table(studies)
    else:
        st.caption("No study with several readers yet.")
    if may(Action.PLAN_READINGS) and (context := context_of()) is not None:
        _show_form(cohort, finding, context)


def _show_table(studies: Sequence[ArmStudy]) -> None:
    """The studies in a table; a selected line opens its study."""
    store = installation().arm_studies
    lines = [
        {
            "Study": study.title,
            "State": study_state_phrase(study, store.state(study)),
            "Finding": finding_title(study.finding),
            "Readers": len(study.readers),
            "Cases": len(study.cases),
            "Arms": ", ".join(TITLES[arm] for arm in study.arms),
        }
        for study in studies
    ]
    selected = partial(_open_selected, studies)
    st.dataframe(pd.DataFrame(lines), hide_index=True, key=TABLE, selection_mode="single-row", on_select=selected)
    st.caption("Select a line to open its study.")


def _open_selected(studies: Sequence[ArmStudy]) -> None:
    """Open the study of the line that was selected."""
    if rows := (st.session_state.get(TABLE) or {}).get("selection", {}).get("rows", []):
        open_study(studies[rows[0]])


def _show_form(cohort: Cohort, finding: str, context: ModelContext) -> None:
    """The form that plans a study with the models at the axis' budget."""
    st.header("Plan a study")
    with st.form("plan-arm-study", border=True):
        left, right = st.columns(2)
        with left:
            title = st.text_input("Title", max_chars=LONGEST_TITLE)
            who = "what they sign on with" if installation().actor.name else "names or pseudonyms"
            readers = st.text_area(f"Readers, one a line: {who}", height=110)
            planner = name_input("Planned by")
        with right:
            findings = list(cohort.findings)
            judged = st.selectbox("Finding", findings, findings.index(finding) if finding != MACRO else 0, format_func=finding_title)
            n_cases = st.selectbox("Cases", SIZES, SIZES.index(MEANT), help="Every reader reads each case once in every arm.")
            arms = st.multiselect(
                "Arms", ARMS, list(ARMS), format_func=TITLES.__getitem__, help="The private model is the one at the axis."
            )
            days = st.number_input("Days of wash-out", 0, MOST_DAYS, WASH_OUT_DAYS, help="Four weeks are customary. 0: a trial.")
            balanced = st.checkbox("Half of the cases with the finding", True, help="As far as possible. Off: in the cohort's proportion.")
        if st.form_submit_button("Plan the study", icon=":material/groups:"):
            names = [line for line in readers.splitlines() if line.strip()]
            request = StudyRequest(title, names, arms, judged, n_cases, balanced, int(days))
            _plan(cohort, request, context, planned_by=planner)


def _plan(cohort: Cohort, request: StudyRequest, context: ModelContext, *, planned_by: str) -> None:
    """Plan the study, store it and open it."""
    here, found = installation(), first_private_run(context)
    study = planned_study(
        request,
        cohort,
        split_of(cohort),
        planned_by=here.actor.signs_as(planned_by),
        key=here.key,
        scores=context.scores,
        epsilon=context.epsilon,
        guarantees={} if found is None else {str(found[0]["run_id"]): found[1].sentence()},
    )
    open_study(here.arm_studies.add(study))
    st.rerun()
