"""What a session's browser asks for, one request after the other: Streamlit itself leaves out some, and draws some that are out of date."""

from collections import deque
from collections.abc import Iterator
from functools import wraps
from urllib.parse import parse_qsl
from weakref import WeakValueDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession

MOST_WAITING = 100
"""Addresses of a session that no run has heard of yet: of more, the first are forgotten."""


class Asked:
    """What one session's browser asked for.

    Attributes:
        page: the page that it asked for last.
        waiting: pages and addresses that no run has heard of yet, oldest first.
    """

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.page = ""
        self.waiting: deque[tuple[str, str]] = deque(maxlen=MOST_WAITING)


_OF_SESSIONS: WeakValueDictionary[str, Asked] = WeakValueDictionary()
"""By the session's name; each goes with its session, which holds it."""


def follow_requests() -> None:
    """Have sessions note every address that is asked for, and drop requests of parts of pages that were left.

    Of two requests that come in at once Streamlit 1.67 runs the second alone: a move back, followed at once by a click on another page,
    was never heard of. And a part that refreshes itself, or a control in it, may report between such a click and the answer to it: it is
    then run under the page that was left once the new one is drawn, and the browser goes back to a page with nothing in it, or ends in an
    error. A session's requests come one after the other, so that the last page that was asked for as a whole is the one to be shown.
    """
    if hasattr(AppSession.request_rerun, "__wrapped__"):
        return
    run = AppSession.request_rerun

    @wraps(run)
    def request_rerun(session: AppSession, client_state: ClientState | None) -> None:
        if client_state is not None and client_state.page_script_hash:
            asked = session.__dict__.setdefault("_dpmed_asked", Asked())
            _OF_SESSIONS[session.id] = asked
            if not client_state.fragment_id:
                asked.page = client_state.page_script_hash
                asked.waiting.append((asked.page, client_state.query_string))
            # A page may itself have gone to another one, which is then the page that is run.
            elif asked.page and client_state.page_script_hash not in (asked.page, session.page_script_hash):
                return
        run(session, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def unheard(session_id: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The pages that a session's browser asked for since the last call, each with its address, oldest first."""
    asked = _OF_SESSIONS.get(session_id)
    while asked is not None and asked.waiting:
        page, query = asked.waiting.popleft()
        yield page, dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
