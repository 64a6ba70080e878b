"""What the terms of pages mean, a click away on every page."""

import streamlit as st

from dpmed_core.foreign_text import plain
from dpmed_core.reporting.wording.terms import TERMS


def show_terms() -> None:
    """A button in the sidebar that opens the glossary."""
    with st.sidebar:
        glossary = st.popover("What these terms mean", icon=":material/menu_book:", width="stretch", key="terms-open", on_change="rerun")
    if glossary.open:  # a closed one is not sent with every move of the slider
        for term, meaning in TERMS.items():
            glossary.markdown(f"**{plain(term)}**: {plain(meaning)}")
