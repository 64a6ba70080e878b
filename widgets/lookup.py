"""What pages look up: the installation, its cohorts and runs, the reader's theme."""

from collections.abc import Callable

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.reporting.figures.style import DARK, LIGHT, Canvas
from dpmed_core.runs.status import OPEN_STATES, RunStatus

BUSY_SECONDS, IDLE_SECONDS = 1.5, 10.0


@st.cache_resource
def installation() -> Installation:
    """The installation that this server works on."""
    return Installation.open()


def canvas() -> Canvas:
    """What figures are drawn on in the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def runs_of(cohort: Cohort) -> list[RunStatus]:
    """The runs on the data of `cohort`, in the order asked."""
    return [s for s in installation().runs.statuses() if s.spec.cohort_fingerprint == cohort.fingerprint]


def refresh_seconds(cohort: Cohort) -> float:
    """How often a live part looks again."""
    return BUSY_SECONDS if any(s.state in OPEN_STATES for s in runs_of(cohort)) else IDLE_SECONDS


def live(cohort: Cohort, part: Callable[[], None]) -> None:
    """Show `part`, and again by itself; a fragment's errors never reach the frame, so they become words here."""

    @st.fragment(run_every=refresh_seconds(cohort))
    def guarded() -> None:
        try:
            part()
        except DpmedError as error:
            st.error(str(error), icon=":material/error:")

    guarded()
