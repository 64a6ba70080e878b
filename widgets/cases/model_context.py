"""In what light cases are looked at: the sidebar's choices, the budget and its promise."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

import streamlit as st

from dpmed_core.cohort.schema import Cohort, Part
from widgets.budget import choose_epsilon, show_guarantee, show_left_out
from widgets.cases.scores import scores_of
from widgets.cases.shown_case import Light
from widgets.choices import Choices
from widgets.tables import tables_of

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


def choose_light(
    cohort: Cohort, choices: Choices, part: Part, *, finding: str | None = None, slider: "DeltaGenerator | None" = None
) -> Light | None:
    """The light of the cases of `part`, for `finding` or the sidebar's; None where the address names a budget that is not trained.

    Args:
        cohort: whose cases.
        choices: the sidebar's.
        part: of the cohort.
        finding: asked of the cases.
        slider: where the budget is chosen; None for here.
    """
    tables = tables_of(cohort)
    show_left_out(tables)
    scores = scores_of(tables, recipe=str(choices.recipe), unit=str(choices.unit), part=part)
    if scores is None:
        st.info("No finished model of this recipe and unit has scored these cases: train one on the page *Train*.")
    with slider or nullcontext():
        epsilon = choose_epsilon(scores.epsilons) if scores else None
    if scores and scores.epsilons and epsilon is None:
        return None
    return Light(cohort, part, finding or str(choices.finding), str(choices.recipe), str(choices.unit), epsilon, scores, tables.token)


def choose_test_light(cohort: Cohort, choices: Choices, finding: str | None = None) -> Light | None:
    """The test cases' light with what the chosen budget promised, where no list is shown that says it."""
    light = choose_light(cohort, choices, Part.TEST, finding=finding)
    if light is not None and light.scores is not None and light.epsilon is not None:
        show_guarantee(light.scores.run_at(light.epsilon))
    return light
