"""A part of a page that was left is never drawn again."""

from types import SimpleNamespace

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession

from widgets.address.left_pages import refuse_requests_of_left_pages


@pytest.fixture
def asked(monkeypatch):
    """Asks a session for a page, or a part of it, and gives what reached Streamlit."""
    ran = []

    def run(session, state):
        ran.append(state and (state.page_script_hash, state.fragment_id))

    monkeypatch.setattr(AppSession, "request_rerun", run)
    refuse_requests_of_left_pages()
    session = SimpleNamespace()

    def ask(*states):
        for state in states:
            AppSession.request_rerun(session, state and ClientState(page_script_hash=state[0], fragment_id=state[1]))
        return ran

    return ask


def test_a_part_of_the_open_page_is_drawn(asked):
    assert asked(("a", ""), ("a", "part"), ("b", ""), ("b", "part")) == [("a", ""), ("a", "part"), ("b", ""), ("b", "part")]


def test_a_part_of_a_page_that_was_left_is_not(asked):
    assert asked(("a", ""), ("b", ""), ("a", "part"), ("b", "part")) == [("a", ""), ("b", ""), ("b", "part")]


def test_before_a_page_was_asked_for_by_name_everything_is_drawn(asked):
    assert asked(("", ""), None, ("a", "part"), ("b", "part")) == [("", ""), None, ("a", "part"), ("b", "part")]


def test_it_is_done_once(asked):
    before = AppSession.request_rerun
    refuse_requests_of_left_pages()
    assert AppSession.request_rerun is before
