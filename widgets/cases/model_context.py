"""The models whose scores the page shows: the sidebar's recipe and unit, the privacy budget and its guarantee."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.reporting.choice import Choice
from dpmed_core.training.result import PrivacyGuarantee
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out
from widgets.cases.scores import scores_of
from widgets.cases.shown_case import ModelContext
from widgets.choices import Choices
from widgets.lookup import installation
from widgets.tables import tables_of
from widgets.training_offer import TrainingOffer

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


def choose_context(
    cohort: Cohort, choices: Choices, part: Part, *, finding: str | None = None, slider: "DeltaGenerator | None" = None
) -> ModelContext | None:
    """The models for the cases of `part`, for `finding` or the sidebar's; None where the address names a budget that is not trained.

    Args:
        cohort: whose cases.
        choices: the sidebar's.
        part: of the cohort.
        finding: the finding; None for the sidebar's.
        slider: container of the axis of budgets, which then offers training too; None for the current position.
    """
    tables = tables_of(cohort)
    scores = scores_of(tables, recipe=str(choices.recipe), unit=str(choices.unit), part=part)
    show_left_out(tables)
    if scores is None:
        st.info("No finished model with this recipe and unit has scored these cases: train one on the page *Train*.")
    of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
    with slider or nullcontext():
        offer = TrainingOffer(cohort, choices) if slider else None
        epsilon = choose_epsilon(scores.epsilons, deltas=deltas_of(of_choice), unit=choices.unit, offer=offer) if scores else None
    if scores and scores.epsilons and epsilon is None:
        return None
    return ModelContext(
        cohort, part, finding or str(choices.finding), str(choices.recipe), str(choices.unit), epsilon, scores, tables.token
    )


def choose_test_context(
    cohort: Cohort, choices: Choices, finding: str | None = None, *, slider: "DeltaGenerator | None" = None
) -> ModelContext | None:
    """The models for the test cases, with the guarantee of the chosen budget shown."""
    context = choose_context(cohort, choices, Part.TEST, finding=finding, slider=slider)
    if context is not None and context.scores is not None and context.epsilon is not None:
        show_guarantee(context.scores.runs_at(context.epsilon))
    return context


def first_private_run(context: ModelContext) -> tuple[pd.Series, PrivacyGuarantee, int] | None:
    """The private training run that stands for a single model, its guarantee, and how many its budget has; None where there is none."""
    if context.scores is None or context.epsilon is None or (arm := context.scores.private(context.epsilon)) is None:
        return None
    run = context.scores.panel.runs.iloc[context.scores.first_run(arm)]
    guarantee = installation().runs.result(str(run["run_id"])).guarantee
    return None if guarantee is None else (run, guarantee, len(arm.runs))
