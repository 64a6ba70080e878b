"""The cumulative privacy loss of a cohort's patients so far, and with more models."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import planned_guarantees
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.spending import CumulativePrivacyLoss, cumulative_privacy_loss, with_unplanned_runs
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta
from widgets.lookup import installation, runs_of


def privacy_loss_of(cohort: Cohort, planned: tuple[RunSpec, ...]) -> CumulativePrivacyLoss:
    """The cumulative privacy loss of the patients of `cohort`, with the private runs of `planned` added, at the default delta."""
    # The key of the cache holds all that the loss depends on: which runs there are, where they stand, and whether their noise is planned.
    state = tuple((s.run_id, s.state, s.progress.attempt, s.progress.planned is not None) for s in runs_of(cohort))
    return _composed(cohort.fingerprint, state, planned, _cohort=cohort)


@st.cache_data(max_entries=64, show_spinner=False)
def _composed(
    fingerprint: str, state: tuple[tuple[str, str, int, bool], ...], planned: tuple[RunSpec, ...], _cohort: Cohort
) -> CumulativePrivacyLoss:
    del fingerprint, state  # key of the cache
    here = installation()
    delta = default_delta(n_train_units(_cohort, key=here.key, unit=PrivacyUnit.PATIENT))
    known = planned_guarantees(here, _cohort, planned)
    unknown = [spec for spec in planned if spec.recipe != PROBE.name]
    return with_unplanned_runs(cumulative_privacy_loss(here.runs, _cohort, delta=delta, planned=known), unknown)
