"""A case to read, and the form for a reader's answer."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.foreign_text import plain
from dpmed_core.reader_study.store import CONFIDENCES
from widgets.cached import links_of
from widgets.viewer.component import show_case_image

SHOWN_AT = "reading-shown-at"


class GivenAnswer(NamedTuple):
    """What a reader said of a case: whether the finding is present, how confident they are, and after how many seconds."""

    present: bool
    confidence: int
    seconds: float


def ask_about_case(
    cohort: Cohort, rows: Sequence[int], place: int, *, finding: str, name: str, aid: str | None = None
) -> GivenAnswer | None:
    """Show the case at `place` of the cases to read; the answer when it is given.

    Args:
        cohort: whose case.
        rows: the rows in the cohort of all cases to read, in their order.
        place: from 0.
        finding: the one to judge.
        name: of the reading, for the form and the time.
        aid: what a model says of the case, as text; None where it is read unaided.
    """
    links, n = links_of(cohort).links, len(rows)
    image, answer = st.columns([3, 2])
    with image:
        around = [links[row] for row in rows[place + 1 : place + 2]]
        show_case_image(cohort, Part.TEST, links[rows[place]], around=around, caption=f"Case {place + 1} of {n}", key="reading-viewer")
    # The time is taken once per case, not at every rerun; after a reload it starts again.
    shown = st.session_state.get(SHOWN_AT)
    if shown is None or shown[0] != (name, place):
        shown = st.session_state[SHOWN_AT] = ((name, place), time.monotonic())
    with answer, st.form(f"answer-{name}-{place}", border=True):
        who = cohort.cases.iloc[rows[place]]
        age = f"{who['age']:.0f} years" if pd.notna(who["age"]) else "Age unknown"
        st.markdown(plain(f"{age}, {who['sex'] if who['sex'] != 'unknown' else 'sex unknown'}"))
        if aid is not None:
            st.markdown(f"**{plain(aid)}**")
        present = st.radio(f"{plain(finding_title(finding))}?", ["Present", "Absent"], index=None, horizontal=True)
        confidence = st.radio("How confident are you?", list(CONFIDENCES), index=None, format_func=CONFIDENCES.__getitem__)
        # The case's number is on the last element of the form: once it is on the page, all of the form belongs to this case.
        if st.form_submit_button(f"Record answer {place + 1} of {n}", icon=":material/check:"):
            if present is not None and confidence is not None:
                return GivenAnswer(present == "Present", confidence, time.monotonic() - shown[1])
            st.error("Give both: the answer and your confidence.")
    return None
