"""The frame around every page: configuration, who it is for, navigation, shared choices, and what becomes of an error."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dpmed_core.errors import DpmedError, NotAllowedError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain, plain_with_commands
from widgets.choices import shared_choices
from widgets.lookup import PAGE_ACTION, installation
from widgets.people.sign_on import action_of_page, must_sign_on, show_identity, show_sign_on, signing_on_is_required
from widgets.spending import show_total_in_short
from widgets.terms import show_terms

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

PAGES = (
    ("overview", "Overview", "groups"),
    ("import_cohort", "Import", "upload_file"),
    ("train", "Train", "model_training"),
    ("privacy_utility", "Privacy and utility", "show_chart"),
    ("fairness", "Fairness", "balance"),
    ("meeting", "Meeting", "co_present"),
    ("privacy", "Privacy", "shield_person"),
    ("cases", "Cases", "radiology"),
    ("review", "Review", "rule"),
    ("status", "Status", "monitor_heart"),
    ("people", "People", "manage_accounts"),
)
"""File, title and icon of each page, in the order of the menu; the first one opens."""


def pages() -> "list[StreamlitPage]":
    """All pages; the menu shows those that whoever looks may open."""
    made: list[StreamlitPage] = []
    for file, title, icon in PAGES:
        path = file.removesuffix("_cohort")
        shown: Any = "visible" if _may_open(path) else "hidden"
        first: dict[str, Any] = {"url_path": path} if made else {"default": True}
        made.append(st.Page(f"{file}.py", title=title, icon=f":material/{icon}:", visibility=shown, **first))
    return made


def _may_open(path: str) -> bool:
    if path == "people" and not signing_on_is_required():
        return False
    try:
        return installation().actor.may(action_of_page(path))
    except DpmedError:
        return False


def show(page: "StreamlitPage") -> None:
    """The page, for somebody who may open it.

    Raises:
        NotAllowedError: whoever looks may not.
    """
    show_identity()
    action = action_of_page(page.url_path)
    installation().actor.admit(action, f"page {page.title}")
    st.session_state[PAGE_ACTION] = action
    shared_choices()
    show_total_in_short()
    show_terms()
    page.run()


st.set_page_config(page_title="DPMed", page_icon=Path(__file__).parent / "icon.svg", layout="wide")
chosen = st.navigation(pages(), position="hidden" if must_sign_on() else "sidebar")
try:
    if must_sign_on():
        show_sign_on()
    else:
        show(chosen)
except NotAllowedError as error:
    st.error(plain(str(error), most=LONGEST_SENTENCE), icon=":material/block:")
except DpmedError as error:
    st.error(plain_with_commands(str(error), most=LONGEST_SENTENCE), icon=":material/error:")
