"""What was spent on a cohort's patients so far, and would be with more models."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import planned_guarantees
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.spending import CumulativeLoss, total_cumulative_loss, with_unplanned
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta
from widgets.lookup import installation, runs_of


def cumulative_loss_of(cohort: Cohort, planned: tuple[RunSpec, ...]) -> CumulativeLoss:
    """What was explored on the patients of `cohort`, and would be with the private runs of `planned`, at the default delta."""
    state = tuple((s.run_id, s.state, s.progress.attempt, s.progress.planned is not None) for s in runs_of(cohort))
    return _explored(cohort.fingerprint, state, planned, _cohort=cohort)


@st.cache_data(max_entries=64, show_spinner=False)
def _explored(
    fingerprint: str, state: tuple[tuple[str, str, int, bool], ...], planned: tuple[RunSpec, ...], _cohort: Cohort
) -> CumulativeLoss:
    del fingerprint, state  # they name what is cached
    here = installation()
    delta = default_delta(n_train_units(_cohort, key=here.key, unit=PrivacyUnit.PATIENT))
    known = planned_guarantees(here, _cohort, planned)
    unknown = [spec for spec in planned if spec.recipe != PROBE.name]
    return with_unplanned(total_cumulative_loss(here.runs, _cohort, delta=delta, planned=known), unknown)
