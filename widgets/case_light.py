"""In what light cases are looked at where no list is shown: the sidebar's choices, the budget and its promise."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort, Part
from widgets.budget import choose_epsilon, show_damaged, show_promise
from widgets.case_scores import scores_of
from widgets.choices import Choices
from widgets.shown_case import Light
from widgets.tables import tables_of


def choose_light(cohort: Cohort, choices: Choices, finding: str | None = None) -> Light | None:
    """The test cases' light, for `finding` or the sidebar's; None where the address names a budget that is not trained."""
    tables = tables_of(cohort)
    show_damaged(tables.damaged)
    scores = scores_of(tables, recipe=str(choices.recipe), unit=str(choices.unit), part=Part.TEST)
    if scores is None:
        st.info("No model of this recipe and unit is finished yet: train one on the page *Train*.")
    epsilon = choose_epsilon(scores.epsilons) if scores else None
    if scores and scores.epsilons and epsilon is None:
        return None
    if scores and epsilon is not None:
        show_promise(scores.run_at(epsilon))
    return Light(cohort, Part.TEST, finding or str(choices.finding), str(choices.recipe), str(choices.unit), epsilon, scores)
