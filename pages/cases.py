"""Cases: one held-out patient at a time, what the models say with and without privacy, and where they differ."""

from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality
from widgets.cached import links_of
from widgets.cases.choice import (
    Listed,
    case_of,
    choose_cases,
    choose_group,
    choose_order,
    current_case,
    neighbours,
    position,
    show_list,
    step_case,
)
from widgets.cases.explanations import show_explanations
from widgets.cases.model_context import choose_light, choose_test_light
from widgets.cases.parts import choose_part
from widgets.cases.reader_study import show_reader_study
from widgets.cases.scores import worklist_of
from widgets.cases.shown_case import Light
from widgets.cases.uploaded_case import show_uploaded_case
from widgets.cases.view import show_answers, show_budgets, show_patient
from widgets.choices import Choices, choice, current_choices
from widgets.cohort import chosen_cohort
from widgets.viewer.component import show_case_image

MODES = {"worklist": "Worklist", "blind": "Blind reading", "own": "A case of your own"}


def show_worklist(cohort: Cohort, choices: Choices) -> None:
    """Filters with their counts, the list, and the case that is looked at."""
    part = choose_part()
    if part is None:
        return
    said = st.container()
    budget, order, group = st.columns([2, 2, 1.4], vertical_alignment="bottom")
    with order:
        sorting = choose_order()
    with group:
        attribute = choose_group(cohort)
    with said:
        light = choose_light(cohort, choices, part, slider=budget)
    if light is None:
        return
    listed = choose_cases(worklist_of(light, attribute=attribute), links_of(cohort), attribute, sorting)
    if listed is not None:
        read_cases(listed, light)


@st.fragment
def read_cases(listed: Listed, light: Light) -> None:
    """One case and the list that it stands in; a step to another case draws only these anew."""
    current = current_case(listed)
    if current is None:
        return
    case, place = case_of(light, listed, current), position(listed, current)
    image, said = st.columns([3, 2] if light.cohort.modality is Modality.CT else [1, 1])
    with image:
        around, on_step = neighbours(listed, current), partial(step_case, listed)
        show_case_image(light.cohort, light.part, current, around=around, on_step=on_step, caption=place)
    with said:
        before, stands, after = st.columns(3, vertical_alignment="center")
        before.button("Previous", icon=":material/chevron_left:", on_click=step_case, args=(listed, -1), width="stretch")
        after.button("Next", icon=":material/chevron_right:", on_click=step_case, args=(listed, 1), width="stretch")
        show_patient(case)
        show_answers(case)
        stands.markdown(place, text_alignment="center")
    show_list(listed, current, light.cohort)
    show_budgets(case)
    show_explanations(case)


st.title("Cases")
st.markdown("Would privacy have changed this patient's answer?")
selected = current_choices()
if (chosen := chosen_cohort()) is not None and selected.finding and selected.recipe and selected.unit:
    buttons = partial(st.segmented_control, required=True, label_visibility="collapsed")
    mode = choice("mode", "How to look", list(MODES), title=MODES.__getitem__, widget=buttons)
    if mode == "worklist":
        show_worklist(chosen, selected)
    elif mode == "blind":
        show_reader_study(chosen, str(selected.finding), partial(choose_test_light, chosen, selected))
    elif mode == "own" and (light := choose_test_light(chosen, selected)) is not None:
        show_uploaded_case(light)
