"""Cases: one held-out patient at a time, the scores of the models with and without privacy, and where they differ."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from widgets.cases.arms.current import is_being_read
from widgets.cases.arms.view import show_arm_studies
from widgets.cases.case_rows import show_list
from widgets.cases.choice import (
    CaseList,
    adjacent_cases,
    case_of,
    choose_cases,
    choose_group,
    choose_order,
    current_case,
    filters_in_words,
    position,
    step_case,
)
from widgets.cases.explanations import show_explanations
from widgets.cases.model_context import choose_context, choose_test_context
from widgets.cases.parts import choose_part
from widgets.cases.reader_study import has_open_reading, show_reader_study
from widgets.cases.shown_case import ModelContext
from widgets.cases.uploaded_case import show_uploaded_case
from widgets.cases.view import show_answers, show_budgets, show_patient
from widgets.choices import Choices, choice, current_choices
from widgets.cohort import chosen_cohort, has_choices
from widgets.headings import HEADINGS
from widgets.lookup import guarded, installation
from widgets.viewer.component import show_case_image

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

MODES = {"worklist": "Worklist", "reader-study": "One reader", "readers": "Several readers", "upload": "Upload"}


def show_worklist(cohort: Cohort, choices: Choices, budget: "DeltaGenerator") -> None:
    """Filters in one line, the selected case, and the list; the axis of budgets stands in `budget`."""
    part = choose_part()
    if part is None:
        return
    installation().actor.require(Action.SEE_CASES, f"{cohort.name}, list of cases")
    context = choose_context(cohort, choices, part, slider=budget)
    if context is None:
        return
    controls, said = st.columns([1, 3], vertical_alignment="center")
    with controls.popover("Filters and order", icon=":material/filter_list:", width="stretch"):
        sorting, attribute = choose_order(), choose_group(cohort)
        case_list = choose_cases(context, attribute, sorting)
    if case_list is not None:
        said.markdown(plain(filters_in_words(case_list, sorting)))
        show_selected_case(case_list, context)


@st.fragment
@guarded
def show_selected_case(case_list: CaseList, context: ModelContext) -> None:
    """One case and the list that it is in; a step to another case redraws only these."""
    current = current_case(case_list)
    if current is None:
        return
    case, where = case_of(context, case_list, current), position(case_list, current)
    image, answers = st.columns([3, 2])
    with answers:
        # Columns would stand one below the other on a narrow screen.
        steps = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
        steps.button("Previous", icon=":material/chevron_left:", on_click=step_case, args=(case_list, -1))
        between = steps.empty()
        steps.button("Next", icon=":material/chevron_right:", on_click=step_case, args=(case_list, 1))
        show_patient(case)
        show_answers(case)
    with image:
        around, on_step = adjacent_cases(case_list, current), partial(step_case, case_list)
        guarded(context.cohort.check_images)([case.row])
        show_case_image(context.cohort, context.part, current, around=around, on_step=on_step, caption=where)
    # Written last: once the position has changed on the page, patient and answers have too.
    between.markdown(plain(where), width="content")
    show_list(case_list, current, context.cohort)
    show_budgets(case)
    show_explanations(case)


st.title(HEADINGS["cases"])
top = st.container()
selected = current_choices()
if (chosen := chosen_cohort()) is not None and has_choices(selected):
    buttons = partial(st.segmented_control, required=True, label_visibility="collapsed")
    # An open reading has no way to labels and scores, also by the address.
    reads = "reader-study" if has_open_reading(chosen) else "readers" if is_being_read(chosen) else None
    mode = reads or choice("mode", "View", list(MODES), title=MODES.__getitem__, widget=buttons)
    if mode == "worklist":
        show_worklist(chosen, selected, top)
    elif mode == "reader-study":
        show_reader_study(chosen, str(selected.finding), partial(choose_test_context, chosen, selected))
    elif mode == "readers":
        show_arm_studies(chosen, str(selected.finding), partial(choose_test_context, chosen, selected, slider=top))
    elif mode == "upload" and (context := choose_test_context(chosen, selected, slider=top)) is not None:
        show_uploaded_case(context)
