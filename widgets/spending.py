"""What was spent on a cohort's patients so far, and with more models."""

import math
from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import foreseen_guarantee
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.privacy.ledger.book import Cap
from dpmed_core.privacy.ledger.cap import cap_sentence
from dpmed_core.privacy.ledger.totals import PatientTotals
from dpmed_core.privacy.total_sentence import total_in_short, total_sentence
from dpmed_core.runs.index import SECONDS_OLD
from dpmed_core.training.spec import RunSpec
from widgets.choices import current_choices
from widgets.html_numbers import Number, show_numbers
from widgets.lookup import installation, live


def total_of(cohort: Cohort, planned: tuple[RunSpec, ...] = ()) -> PatientTotals:
    """What was spent on the patients of `cohort`, with the runs of `planned` added, at the default delta."""
    return _spent(cohort.name, planned)[0]


def _spent(name: str, planned: tuple[RunSpec, ...] = ()) -> tuple[PatientTotals, Cap | None]:
    """The total on the patients of the cohort called `name`, and the cap."""
    return _computed(name, installation().cohorts.fingerprint(name), *ledger_state(), planned)


def ledger_state() -> tuple[str, str]:
    """All that totals depend on besides the cohort, as a key of caches: the ledger's last entry, and which runs stand where."""
    here = installation()
    head = here.ledger.chain.head()
    return head.digest if head else "", here.runs.listing(at_most_seconds_old=SECONDS_OLD).states_digest


@st.cache_data(max_entries=64, show_spinner=False)
def _computed(name: str, fingerprint: str, head: str, state: str, planned: tuple[RunSpec, ...]) -> tuple[PatientTotals, Cap | None]:
    del fingerprint, head, state  # key of the cache
    here = installation()
    cohort = here.cohorts.load(name)
    total = here.ledger.total(cohort, planned=planned, noise=partial(foreseen_guarantee, here, cohort))
    return total, here.ledger.book().cap


def total_in_words(cohort: Cohort) -> tuple[str, str]:
    """The total on the patients of `cohort` in a few words, and in a sentence with accountant, neighbours and who is covered."""
    total = total_of(cohort)
    return total_in_short(total), total_sentence(total)


def show_total_in_short() -> None:
    """The total on the patients of the chosen cohort in a few words, in the sidebar, with the whole sentence a click away."""
    if (name := current_choices().cohort) is None:
        return
    total, _ = _spent(name)
    with st.sidebar:
        st.caption(f"**Spent on these patients:** {plain(total_in_short(total))}", help=plain(total_sentence(total)))


def show_total(cohort: Cohort) -> None:
    """What was spent on the patients of `cohort`, in numbers and in a sentence, and the cap; refreshes itself."""

    def spent() -> None:
        """The three numbers, and the sentence that says what they are a click away."""
        total, cap = _spent(cohort.name)
        with st.container(border=True):
            st.header("Spent on these patients so far")
            numbers = [
                Number("ε of the patient with the most", _epsilon(total.epsilon), _beside(total, total.epsilon)),
                Number("ε of the median patient", _epsilon(total.median), _beside(total, total.median)),
                _cap_in_number(cap, total),
            ]
            show_numbers(numbers)
            with st.popover("In full", icon=":material/info:", key="spent-in-full"):
                st.markdown(plain(total_sentence(total)))
                st.caption(plain(cap_sentence(cap)) if cap else "No cap is set: the privacy officer can set one with `ledger cap`.")

    live(cohort, spent)


def _cap_in_number(cap: Cap | None, total: PatientTotals) -> Number:
    """The cap, with what belongs to its ε (`cap_sentence`), and how many patients are above it."""
    if cap is None:
        return Number("Cap", "none")
    above = counted(total.n_above_cap, "patient", "patients")
    beside = f"δ = {delta_text(cap.delta)} for each patient; Gaussian differential privacy filter; {above} above it"
    return Number("Cap", f"ε = {epsilon_text(cap.epsilon)}", beside)


def _beside(total: PatientTotals, epsilon: float) -> str:
    """What belongs to an ε of `total`: its δ, whom it is for, and how it was composed; nothing where nothing was spent, or has no bound."""
    if not total.n_draws or math.isinf(epsilon):
        return ""
    return f"δ = {delta_text(total.delta)} for each patient; {total.accountant}"


def _epsilon(epsilon: float) -> str:
    return "no bound" if math.isinf(epsilon) else epsilon_text(epsilon)
