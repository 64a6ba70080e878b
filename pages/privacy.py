"""Privacy: what one guarantee means, how exposed each training patient is, and what was spent on them."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.privacy.meaning.most_images import most_images
from widgets.budget import show_guarantee
from widgets.choices import Choices, current_choices
from widgets.cohort import chosen_cohort, has_choices
from widgets.headings import HEADINGS
from widgets.lookup import guarded, unreadable_of
from widgets.protection.audit import show_audit
from widgets.protection.budget_shown import choose_budget
from widgets.protection.exposure import (
    HOUSE_ONLY,
    exposed,
    offer_exposure,
    show_exposure_figure,
    show_exposure_tile,
    show_group_exposure,
    show_most_exposed,
)
from widgets.protection.meaning import guarantee_words, show_meaning_in_full, show_meaning_tile
from widgets.protection.pays import show_who_pays
from widgets.protection.release_aggregates import offer_release
from widgets.protection.returning import show_returning_in_full, show_returning_tile, stored_rows
from widgets.spending import show_total


def show_protection(cohort: Cohort, choices: Choices) -> None:
    """The budget, the tiles, and what stands behind each."""
    for run in unreadable_of(cohort):
        st.error(plain_with_commands(run.message), icon=":material/error:")
    budget = choose_budget(cohort, choices)
    if budget is None:
        return
    images = most_images(cohort) if cohort.patients_known else 1
    known, returning = exposed(cohort, choices), stored_rows(cohort, choices)
    tiles = st.columns(3)
    with tiles[0].container(border=True, height="stretch"):
        show_meaning_tile(budget, cohort, images)
    with tiles[1].container(border=True, height="stretch"):
        show_exposure_tile(known, budget)
        offer_exposure(cohort, known, budget)
    with tiles[2].container(border=True, height="stretch"):
        show_returning_tile(cohort, returning, budget)
    if budget.run_ids:
        show_guarantee(list(budget.run_ids))
    else:
        st.caption(plain(f"{guarantee_words(budget)}, for training patients alone; nothing was trained with it."))
    if known.found is not None:
        show_exposure_figure(known.found, budget, cohort)
        st.caption(HOUSE_ONLY)
        show_group_exposure(known, budget)
        show_who_pays(cohort, known.found, budget, choices)
    show_returning_in_full(returning, budget)
    if known.found is not None:
        show_most_exposed(known.found, budget, cohort)
        offer_release(known.found, cohort)
    show_audit(budget)
    show_meaning_in_full(budget, cohort, images)
    show_total(cohort)


st.title(HEADINGS["privacy"])
selected = current_choices()
if (chosen := chosen_cohort()) is not None and has_choices(selected, finding=False):
    guarded(show_protection)(chosen, selected)
