"""Having something measured by shadow trainings: what that is, a button, and the progress."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain
from dpmed_core.inference.requests import ShadowTrainings
from dpmed_core.people.roles import Action
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.protection import EXPOSURE, FEWEST_TRAININGS, RETURNING
from dpmed_core.public_starts import start_of_models
from dpmed_core.training.spec import StartChoice
from widgets.choices import Choices, current_choices
from widgets.lookup import installation
from widgets.people.sign_on import may
from widgets.protection.budget_shown import BudgetShown
from widgets.starts import start_of_page
from widgets.waiting import ask, is_waiting, show_failure, wait

LIMIT_SECONDS = 24 * 3600.0
"""The time after which a measurement is no longer waited for: that of a large cohort takes hours."""
NOT_YOURS = "Your role does not show how exposed patients are: ask an administrator for role researcher or privacy officer."
BUTTONS = {EXPOSURE: "Measure exposure", RETURNING: "Measure returning patients"}


def start_measured(cohort: Cohort, choices: Choices) -> StartChoice | None:
    """The public start of the models whose training patients are measured: as the page shows them, or else as one would be trained.

    Raises:
        SpecError: the start does not fit the cohort.
    """
    if choices.start is None:
        return None
    return start_of_models(installation(), cohort, choices.start, recipe=str(choices.recipe)) or start_of_page(cohort)


def show_not_measured(title: str, why_not: str, can_be_measured: bool, *, about: str | None = None) -> None:
    """A tile without a number: what to do about it, or why nothing can be done, a click away."""
    st.metric(plain(title), "–", help=plain(about) if about else None)
    if can_be_measured:
        st.markdown(plain(why_not))
    else:
        st.markdown("Cannot be measured here.", help=plain(why_not))


def offer_measurement(cohort: Cohort, of: str, budget: BudgetShown, *, is_due: bool) -> None:
    """The progress of a measurement that is under way; a button that starts one in the background, where it `is_due`."""
    show_failure(of)
    if is_waiting(of):
        wait(of, what="Shadow trainings", take=lambda _: None)
        return
    if not is_due or not may(Action.MEASURE):
        return
    n_rows = (1 + len(budget.all_targets)) * (2 if cohort.patients_known else 1)
    # What measuring costs stands where it is started, and is read by whoever is about to.
    place = st.popover("Measure…", icon=":material/person_search:", key=f"measure-open-{of}")
    place.markdown(
        f"Measuring takes {n_rows * FEWEST_TRAININGS:,} short trainings, each with a random half of the training patients. No model of "
        "them is kept. They are use without privacy inside your institution, and the ledger says so."
    )
    if place.button(BUTTONS[of], icon=":material/person_search:", key=f"measure-{of}"):
        require_permission(cohort, allowed=installation().settings.show_exposure)
        epsilons = tuple(target.epsilon for target in budget.all_targets)
        request = ShadowTrainings(cohort.name, of, epsilons, budget.target.delta, start_measured(cohort, current_choices()))
        ask(request, key=of, limit_seconds=LIMIT_SECONDS)
        st.rerun()
