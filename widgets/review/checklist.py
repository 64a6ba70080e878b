"""The checklist of a review: open points first, and the form that answers one."""

import pandas as pd
import streamlit as st

from dpmed_core.errors import ReviewError
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted
from dpmed_core.review.acts import answer
from dpmed_core.review.checklist import Answered, n_open
from dpmed_core.review.guidance import SOURCES
from dpmed_core.review.records import Author, Met
from dpmed_core.review.store import Review
from widgets.lookup import installation
from widgets.review.read import points_of
from widgets.review.sending import key_of, send_button, show_refusal, typed, words
from widgets.review.words import ROW_HEIGHT

FORM, OPEN = "answer", "OPEN"
ANSWERS = tuple(met.value for met in Met)


def show_checklist(review: Review, *, can_write: bool) -> None:
    """All points with their answers, and the form for an answer."""
    points = sorted(points_of(review), key=lambda one: one.met is not None)
    st.markdown(
        f"**{counted(n_open(points), 'point is', 'points are')} open of {len(points)}.** What follows from what was frozen DPMed answered; "
        "an answer by a person counts before it."
    )
    _show_table(points)
    if can_write:
        _show_form(review, points)
    with st.expander("The guidance"):
        for name, cited in SOURCES.items():
            st.markdown(plain(f"{name}: {cited}"))


def _show_table(points: list[Answered]) -> None:
    """The points as a table of text."""
    columns = ("State", "Question", "Answer", "By", "From")
    rows = [
        (one.met.value if one.met else "OPEN", one.point.about, one.text, one.by, f"{one.point.source}, {one.point.where}")
        for one in points
    ]
    widths = {
        "State": st.column_config.TextColumn(width="small"),
        "Question": st.column_config.TextColumn(width="large"),
        "Answer": st.column_config.TextColumn(width="large"),
    }
    st.dataframe(pd.DataFrame(rows, columns=list(columns)), hide_index=True, row_height=ROW_HEIGHT, column_config=widths)


def _show_form(review: Review, points: list[Answered]) -> None:
    """Choose a point, and say whether it is met and how."""
    show_refusal(review, FORM)
    of = {one.point.name: one for one in points}
    with st.form(key_of(review, FORM)):
        st.selectbox("Point", list(of), format_func=lambda name: _title(of[name]), key=key_of(review, FORM, "-point"))
        st.radio("It is", ANSWERS, index=None, horizontal=True, key=key_of(review, FORM, "-met"))
        words(review, FORM, "Answer")
        send_button(review, FORM, "Answer", _answer)


def _title(one: Answered) -> str:
    return f"{f'{OPEN}: ' if one.met is None else ''}{one.point.about} ({one.point.source})"


def _answer(now: Review, author: Author, seen: int) -> None:
    """Record the answer that is typed.

    Raises:
        ReviewError: it does not say whether the point is met, or as `answer`.
    """
    if not (met := typed(now, FORM, "-met")):
        raise ReviewError("Say first whether the point is met, not met, or not applicable.")
    answer(installation().reviews, now, author, typed(now, FORM, "-point"), Met(met), typed(now, FORM), seen=seen)
