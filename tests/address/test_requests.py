"""A session's requests: none is forgotten, and a part of a page that was left is never drawn again."""

from types import SimpleNamespace

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession

from widgets.address.requests import follow_requests, unheard


@pytest.fixture
def asked(monkeypatch):
    """Asks a session for a page, or a part of it, and gives what reached Streamlit."""
    ran = []

    def run(session, state):
        ran.append(state and (state.page_script_hash, state.fragment_id))

    class Session(SimpleNamespace):
        """Can be referred to weakly, as Streamlit's can."""

    monkeypatch.setattr(AppSession, "request_rerun", run)
    follow_requests()
    session = Session(id="one", page_script_hash="")

    def ask(*states, runs=""):
        session.page_script_hash = runs
        for state in states:
            of_state = state and ClientState(page_script_hash=state[0], fragment_id=state[1], query_string="".join(state[2:]))
            AppSession.request_rerun(session, of_state)
        return ran

    return ask


def test_a_part_of_the_open_page_is_drawn(asked):
    assert asked(("a", ""), ("a", "part"), ("b", ""), ("b", "part")) == [("a", ""), ("a", "part"), ("b", ""), ("b", "part")]


def test_a_part_of_a_page_that_was_left_is_not(asked):
    assert asked(("a", ""), ("b", ""), ("a", "part"), ("b", "part")) == [("a", ""), ("b", ""), ("b", "part")]


def test_a_part_of_a_page_to_which_the_server_went_is_drawn(asked):
    assert asked(("a", ""), ("a", "part")) == [("a", ""), ("a", "part")]
    assert asked(("b", "part"), runs="b") == [("a", ""), ("a", "part"), ("b", "part")]


def test_before_a_page_was_asked_for_by_name_everything_is_drawn(asked):
    assert asked(("", ""), None, ("a", "part"), ("b", "part")) == [("", ""), None, ("a", "part"), ("b", "part")]


def test_every_address_is_heard_of_once_in_its_order_whatever_is_run(asked):
    asked(("a", "", "epsilon=1&moved=3"), ("a", "part", "epsilon=8"), ("b", "", ""))
    assert list(unheard("one")) == [("a", {"epsilon": "1", "moved": "3"}), ("b", {})]
    assert list(unheard("one")) == list(unheard("another")) == []


def test_it_is_done_once(asked):
    before = AppSession.request_rerun
    follow_requests()
    assert AppSession.request_rerun is before
