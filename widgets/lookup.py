"""What pages look up: the installation, its runs, the reader's theme; and parts of a page that refresh themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain_with_commands
from dpmed_core.installation import Installation
from dpmed_core.people.actor import ACCOUNT
from dpmed_core.people.roles import Action
from dpmed_core.reporting.figures.style import DARK, LIGHT, Canvas
from dpmed_core.runs.index import SECONDS_OLD
from dpmed_core.runs.status import OPEN_STATES, RunStatus, UnreadableRun
from widgets.signing_on import actor_in

PAGE_ACTION = "action-of-page"
"""Key of the session's state that holds what must be allowed to see the page that is open; its parts renew themselves."""
BUSY_SECONDS, IDLE_SECONDS = 1.5, 10.0
P = ParamSpec("P")


def installation() -> Installation:
    """The installation of this server, as far as whoever looks may see and do things in it.

    Raises:
        NotAllowedError: nobody has signed on who must.
    """
    here = opened()
    return here.acted_on_by(actor) if (actor := actor_in(here)) is not ACCOUNT else here


@st.cache_resource
def opened() -> Installation:
    """The installation of this server, for what it does itself; pages use `installation`."""
    return Installation.open()


def canvas() -> Canvas:
    """The canvas for figures in the reader's theme, dark or light."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def reported(key: str, name: str) -> Any:
    """What the browser has reported of the widget `key` under `name`, for its callback.

    None where a click on another page has overtaken the gesture and taken what it said along.
    """
    return (st.session_state.get(key) or {}).get(name)


def runs_of(cohort: Cohort) -> list[RunStatus]:
    """The runs on the data of `cohort`, in the order in which they were queued."""
    return installation().runs.of_cohort(cohort.fingerprint)


def unreadable_of(cohort: Cohort) -> list[UnreadableRun]:
    """The runs that cannot be read, on the data of `cohort` or on data that nothing tells any more."""
    found = installation().runs.listing(at_most_seconds_old=SECONDS_OLD).unreadable
    return [run for run in found if run.may_be_on(cohort.fingerprint)]


def refresh_seconds(cohort: Cohort) -> float:
    """The interval at which a live part refreshes itself: short while a run on `cohort` is open."""
    return BUSY_SECONDS if any(s.state in OPEN_STATES for s in runs_of(cohort)) else IDLE_SECONDS


def guarded(part: Callable[P, None]) -> Callable[P, None]:
    """`part`, with a `DpmedError` shown as a notice: when a fragment reruns by itself, `pages/frame.py` neither asks who it is for nor
    catches its errors."""

    @wraps(part)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            installation().actor.admit(st.session_state.get(PAGE_ACTION, Action.SEE_RESULTS))
            part(*args, **kwargs)
        except DpmedError as error:
            st.error(plain_with_commands(str(error), most=LONGEST_SENTENCE), icon=":material/error:")

    return run


def asked_for_later(make: Callable[[Installation], str | bytes], action: Action, about: str) -> Callable[[], str | bytes]:
    """What a download button calls to make its file, which may be long after its page was drawn: whoever asks must still be allowed to.

    Args:
        make: makes the file, in no session, from the installation as this session may see it.
        action: what must be allowed.
        about: the file, for the trail.
    """
    here = installation()

    def made() -> str | bytes:
        here.actor.require(action, about, at_once=True)
        return make(here)

    return made


def live(cohort: Cohort, part: Callable[[], None]) -> None:
    """Show `part`, and refresh it at intervals."""
    st.fragment(run_every=refresh_seconds(cohort))(guarded(part))()
