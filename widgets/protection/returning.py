"""Returning patients: whether models answer otherwise on later images of patients whose earlier ones they were trained on."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, SettingsError, SpecError
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from dpmed_core.phrases import epsilon_text
from dpmed_core.privacy.returning.returning_rows import ReturningRow
from dpmed_core.privacy.returning.sentences import new_disease_sentence, returning_sentence
from dpmed_core.protection import RETURNING, stored_returning
from dpmed_core.training.recipes.catalogue import PROBE
from widgets.choices import Choices
from widgets.lookup import installation
from widgets.people.sign_on import may
from widgets.protection.budget_shown import BudgetShown
from widgets.protection.measuring import NOT_YOURS, offer_measurement, show_not_measured, start_measured

ABOUT = (
    "How many later images of training patients get another answer because the model was trained on the patient's earlier ones. The "
    "control has nothing to find: it counts what chance alone gives. "
    "A point is one in a hundred of a model's probability."
)
Rows = tuple[ReturningRow, ...]
Stored = tuple[Rows, str, bool]
"""What was measured, else why nothing is shown, and whether it may be measured."""


def show_returning_tile(cohort: Cohort, stored: Stored, budget: BudgetShown) -> None:
    """The tile: the later images whose answers shift at the chosen budget, beside training without privacy and chance."""
    title = "Returning patients"
    rows, why_not, can_be_measured = stored
    row = _at(rows, budget.unit.value, budget.target.epsilon, budget.target.delta)
    if row is None:
        missing = why_not or f"Not measured at ε = {epsilon_text(budget.target.epsilon)} yet."
        show_not_measured(title, missing, can_be_measured, about=ABOUT)
    else:
        st.metric(title, f"{row.shifted:,} of {row.n_images:,}", help=ABOUT)
        said = f"later images answered otherwise; {row.control_shifted:,} in a control."
        if (without := _at(rows, row.unit, None, None)) is not None:
            most = f"by up to {100 * without.largest_shift:.0f} points"
            said += f" Without privacy **{without.shifted:,}**, {most}"
        st.markdown(said)
    complete = all(_at(rows, budget.unit.value, target.epsilon, target.delta) for target in budget.all_targets)
    offer_measurement(cohort, RETURNING, budget, is_due=can_be_measured and not complete)


def show_returning_in_full(stored: Stored, budget: BudgetShown) -> None:
    """What was found at the chosen budget in a sentence, with the sensitivity for new disease."""
    rows, _, _ = stored
    row = _at(rows, budget.unit.value, budget.target.epsilon, budget.target.delta)
    if row is None:
        return
    without = _at(rows, row.unit, None, None)
    said = [returning_sentence(one) for one in (row, without) if one is not None]
    st.markdown(f"**Do models remember returning patients?** {plain(' '.join(said))}")
    st.caption(plain(new_disease_sentence(row)))


def stored_rows(cohort: Cohort, choices: Choices) -> Stored:
    """What was measured of the cohort's returning patients; read once for the whole page."""
    if choices.recipe != PROBE.name:
        return (), f"Measured for recipe {PROBE.name}.", False
    if not may(Action.SEE_EXPOSURE):
        return (), NOT_YOURS, False
    try:
        rows = stored_returning(installation(), cohort, start_measured(cohort, choices))
    except SettingsError:
        return (), "Off for cohorts of real patients, as exposure is.", False
    except SpecError as error:
        return (), str(error), False
    except CohortError as error:
        return (), str(error), True
    return rows or (), "" if rows else "Not measured yet.", True


def _at(rows: Rows, unit: str, epsilon: float | None, delta: float | None) -> ReturningRow | None:
    return next((row for row in rows if (row.unit, row.epsilon, row.delta) == (unit, epsilon, delta)), None)
