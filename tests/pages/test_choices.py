"""Choices in the sidebar and in addresses."""

from types import SimpleNamespace

from widgets import choices


def test_a_change_of_a_widget_that_was_reset_meanwhile_changes_nothing(monkeypatch):
    """A slow browser reports it after an import has chosen another cohort; the page ended in an error."""
    streamlit = SimpleNamespace(session_state={}, query_params={})
    monkeypatch.setattr(choices, "st", streamlit)
    choices._changed("finding", "choice-finding")
    assert streamlit.session_state == {} and streamlit.query_params == {}
    streamlit.session_state["choice-finding"] = "effusion"
    choices._changed("finding", "choice-finding")
    assert streamlit.query_params == {"finding": "effusion"} and streamlit.session_state["kept-finding"] == "effusion"
