"""What was spent on a cohort's patients so far, and with more models."""

from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import foreseen_guarantee
from dpmed_core.privacy.ledger.totals import PatientTotals
from dpmed_core.privacy.total_sentence import total_in_short, total_sentence
from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta
from widgets.lookup import installation, runs_of


def total_of(cohort: Cohort, planned: tuple[RunSpec, ...] = ()) -> PatientTotals:
    """What was spent on the patients of `cohort`, with the runs of `planned` added, at the default delta."""
    # The key of the cache holds all that the total depends on: the ledger's last entry, which runs there are, and where they stand.
    state = tuple((s.run_id, s.state) for s in runs_of(cohort))
    head = installation().ledger.chain.head()
    return _total(cohort.fingerprint, head.digest if head else "", state, planned, _cohort=cohort)


@st.cache_data(max_entries=64, show_spinner=False)
def _total(fingerprint: str, head: str, state: tuple[tuple[str, str], ...], planned: tuple[RunSpec, ...], _cohort: Cohort) -> PatientTotals:
    del fingerprint, head, state  # key of the cache
    here = installation()
    delta = default_delta(n_train_units(_cohort, key=here.key, unit=PrivacyUnit.PATIENT))
    return here.ledger.total(_cohort, delta=delta, planned=planned, noise=partial(foreseen_guarantee, here, _cohort))


def show_total_in_short(cohort: Cohort) -> None:
    """The total in a few words, with the whole sentence a click away."""
    total = total_of(cohort)
    st.caption(f"**Spent on these patients:** {total_in_short(total)}", help=total_sentence(total))
