"""Cases: one held-out patient at a time, what the models say with and without privacy, and where they differ."""

from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort, Modality
from widgets.budget import choose_epsilon, show_damaged, show_promise
from widgets.case_choice import (
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
from widgets.case_parts import choose_part
from widgets.case_scores import links_of, scores_of, worklist_of
from widgets.case_view import show_answers, show_budgets, show_patient
from widgets.choices import Choices, choice, current_choices
from widgets.cohort import chosen_cohort
from widgets.explanations import show_explanations
from widgets.shown_case import Light
from widgets.tables import tables_of
from widgets.viewer.component import show_case_image

MODES = {"worklist": "Worklist"}  # by their name in the address; the choice is shown once there are several


def show_worklist(cohort: Cohort, choices: Choices) -> None:
    """Filters with their counts, the list, and the case that is looked at."""
    part = choose_part()
    if part is None:
        return
    tables = tables_of(cohort)
    show_damaged(tables.damaged)
    scores = scores_of(tables, recipe=str(choices.recipe), unit=str(choices.unit), part=part)
    if scores is None:
        st.info("No finished model of this recipe and unit has scored these cases. Nothing queued? Plan some on the page *Train*.")
    epsilon = choose_epsilon(scores.epsilons) if scores else None
    if scores and scores.epsilons and epsilon is None:
        return
    if scores and epsilon is not None:
        show_promise(scores.run_at(epsilon))
    first, second = st.columns(2)
    with first:
        sorting = choose_order()
    with second:
        attribute = choose_group(cohort)
    light = Light(cohort, part, str(choices.finding), str(choices.recipe), str(choices.unit), epsilon, scores)
    listed = choose_cases(worklist_of(light, attribute=attribute, token=tables.token), links_of(cohort), attribute, sorting)
    if listed is not None:
        read_cases(listed, light)


@st.fragment
def read_cases(listed: Listed, light: Light) -> None:
    """The list and one case; a step to another case draws only these anew."""
    current = current_case(listed)
    show_list(listed, current, light.cohort)
    if current is None:
        return
    case = case_of(light, listed, current)
    place_said = position(listed, current)
    before, place, after = st.columns([1, 4, 1], vertical_alignment="center")
    before.button("Previous", icon=":material/chevron_left:", on_click=step_case, args=(listed, -1), width="stretch")
    after.button("Next", icon=":material/chevron_right:", on_click=step_case, args=(listed, 1), width="stretch")
    image, said = st.columns([3, 2] if case.cohort.modality is Modality.CT else 2)
    with image:
        show_case_image(
            case.cohort, light.part, current, around=neighbours(listed, current), on_step=partial(step_case, listed), caption=place_said
        )
    with said:
        show_patient(case)
        show_answers(case)
    show_budgets(case)
    place.markdown(place_said, text_alignment="center")
    show_explanations(case)


st.title("Cases")
st.markdown("Would privacy have changed this patient's answer?")
selected = current_choices()
if (chosen := chosen_cohort()) is not None and selected.finding and selected.recipe and selected.unit:
    mode = choice("mode", "How to look", list(MODES), title=MODES.__getitem__) if len(MODES) > 1 else next(iter(MODES))
    if mode == "worklist":
        show_worklist(chosen, selected)
