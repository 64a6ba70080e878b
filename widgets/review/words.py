"""Records of a review in words, and words of people at any length."""

import streamlit as st

from dpmed_core.foreign_text import plain_line, plain_paragraphs
from dpmed_core.review.records import Record
from widgets.review.read import utc

SHORT, LONG = 160, 1_000
"""Characters of a record that one line tells, and from which on words are folded."""

ROW_HEIGHT = 72
"""Of a table's rows in pixels: sentences wrap instead of being cut off."""


def by_and_when(record: Record) -> str:
    """Who wrote a record, and when."""
    name, role = record.author
    return f"{name} ({role}), {utc(record.at)}"


def in_short(record: Record) -> str:
    """A record in one line, as text."""
    name, role = record.author
    said = record.body.get("choice") or record.body.get("met") or record.body.get("outcome") or ""
    text = record.body.get("reason") or record.body.get("text") or ""
    return ": ".join(part for part in (f"{name[:60]} ({role}), {record.kind}", str(said), plain_line(str(text), most=SHORT)) if part)


def show_words(text: str) -> None:
    """Words of a person as they wrote them; long ones folded, so that the others stay in sight."""
    if len(text) <= LONG:
        st.markdown(plain_paragraphs(text))
        return
    st.markdown(plain_paragraphs(f"{text[:SHORT]} …"))
    with st.expander(f"All {len(text):,} characters"):
        st.markdown(plain_paragraphs(text))
