"""Requests of a page that the reader has left, which Streamlit would draw again in place of the page that is open."""

from functools import wraps

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession

ASKED = "_dpmed_page"
"""Attribute of a session: the page that its browser asked for last."""


def refuse_requests_of_left_pages() -> None:
    """Have sessions drop requests of parts of other pages than the one that was asked for last.

    A part that refreshes itself, or a control in it, may report between a click on another page and the answer to it. Streamlit 1.67 runs
    the part under the page that was left once the new one is drawn: the browser then goes back to a page with nothing in it, or ends in an
    error. A session's requests come one after the other, so that the last page that was asked for as a whole is the one to be shown.
    """
    if hasattr(AppSession.request_rerun, "__wrapped__"):
        return
    run = AppSession.request_rerun

    @wraps(run)
    def request_rerun(session: AppSession, client_state: ClientState | None) -> None:
        if client_state is not None and client_state.page_script_hash:
            if not client_state.fragment_id:
                setattr(session, ASKED, client_state.page_script_hash)
            elif getattr(session, ASKED, client_state.page_script_hash) != client_state.page_script_hash:
                return
        run(session, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]
