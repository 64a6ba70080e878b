"""What to know before runs are asked for, above the button that asks for them."""

from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import foreseen_guarantee
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.privacy.preflight import PreflightCheck, checked_line, preflight, preflight_facts
from dpmed_core.protection import measured_of_most_images
from dpmed_core.training.spec import RunSpec
from widgets.lookup import installation
from widgets.spending import ledger_state


def show_preflight(cohort: Cohort, specs: tuple[RunSpec, ...]) -> None:
    """A warning for each check that speaks against the private runs among `specs`, and one quiet line on the others."""
    checks = checks_of(cohort, specs)
    for check in checks:
        if not check.ok:
            st.warning(plain(check.sentence(), most=LONGEST_SENTENCE), icon=":material/privacy_tip:")
    if line := checked_line(checks):
        st.caption(plain(line, most=LONGEST_SENTENCE))


def checks_of(cohort: Cohort, specs: tuple[RunSpec, ...]) -> tuple[PreflightCheck, ...]:
    """The checks of the private runs among `specs`, which are to be asked for."""
    largest = max((spec.privacy for spec in specs if spec.privacy), key=lambda target: target.epsilon, default=None)
    # What was measured of the patient with most images, at the largest budget.
    measured = largest and measured_of_most_images(installation(), cohort, largest, specs[0].start)
    return _checks(cohort.name, cohort.fingerprint, *ledger_state(), specs, measured)


@st.cache_data(max_entries=64, show_spinner=False)
def _checks(
    name: str, fingerprint: str, head: str, state: str, specs: tuple[RunSpec, ...], measured: float | None
) -> tuple[PreflightCheck, ...]:
    del fingerprint, head, state  # key of the cache
    here = installation()
    cohort = here.cohorts.load(name)
    noise = partial(foreseen_guarantee, here, cohort)
    facts = preflight_facts(here.ledger, here.encoders, cohort, specs, noise=noise, measured=measured)
    return preflight(facts) if facts else ()
