"""Review: what a meeting looks at, says and decides about one private model, from the question to the report."""

import time

import streamlit as st

from dpmed_core.people.roles import Action
from dpmed_core.review.store import Review
from widgets.choices import choice, current_choices
from widgets.cohort import chosen_cohort
from widgets.headings import HEADINGS
from widgets.lookup import guarded, installation
from widgets.people.sign_on import may
from widgets.review.checklist import show_checklist
from widgets.review.comments import show_comments
from widgets.review.numbers import show_numbers
from widgets.review.read import changes_of, gathered_of, readable, review_of, title_of
from widgets.review.report import show_comparison, show_downloads
from widgets.review.reviews import ALL, EVERY_SECONDS, REVIEW, offer_review, show_reviews
from widgets.review.sending import show_you, tell_news
from widgets.review.state import show_state
from widgets.review.verdicts import show_closing, show_verdicts

PARTS = ("Numbers", "Comments", "Checklist", "Verdicts", "Compare")
PARTS_OF_OPEN = (*PARTS, "Close")
PATIENCE = 10.0
DRAWN = "review-drawn-at"
"""Key of the session's state: when the review was drawn last, and how long that took, in seconds."""


def show_all() -> None:
    """The reviews there are, and the form for a new one."""
    show_reviews()
    selected = current_choices()
    cohort = chosen_cohort()
    if cohort is not None and selected.recipe and selected.unit:
        offer_review(cohort, selected)


def show_review(review: Review, names: list[str]) -> None:
    """One review: how it stands, then its parts."""
    began = time.monotonic()
    watch(review, changes_of(review))
    tell_news(review)
    with st.container():
        show_state(review)
    can_write = review.closed is None and gathered_of(review) is not None
    with st.container():
        if can_write:
            show_you()
    numbers, comments, checklist, verdicts, compare, *closing = st.tabs(PARTS_OF_OPEN if can_write and may(Action.OPEN_REVIEWS) else PARTS)
    with numbers:
        show_numbers(review)
    with comments:
        show_comments(review, can_write=can_write)
    with checklist:
        show_checklist(review, can_write=can_write)
    with verdicts:
        show_verdicts(review, can_write=can_write)
    with compare:
        show_comparison(review, names)
    for tab in closing:
        with tab:
            show_closing(review)
    st.session_state[DRAWN] = (time.monotonic(), time.monotonic() - began)


def watch(review: Review, different: list[str]) -> None:
    """Draw the page anew soon after somebody wrote, or something else is different now; what is being typed stays.

    Not before `PATIENCE` times as long as drawing took: in a meeting of forty each of whom writes, a busy server would draw nothing else.
    """

    def look() -> None:
        """Look, and draw nothing."""
        drawn_at, took = st.session_state.get(DRAWN, (0.0, 0.0))
        if time.monotonic() - drawn_at < PATIENCE * took:
            return
        now = review_of(review.review_id)
        if now.version != review.version or changes_of(now) != different:
            st.rerun()

    st.fragment(run_every=EVERY_SECONDS)(guarded(look))()


st.title(HEADINGS["review"])
known = installation().reviews.names()
left, right = st.columns([4, 1], vertical_alignment="bottom")
with left:
    chosen = choice(REVIEW, "Review", [ALL, *known], title=lambda name: "All reviews" if name == ALL else title_of(name))
if chosen is not None and chosen != ALL:
    found = readable(chosen)
    if found is None:
        st.error("**Not genuine:** it was changed outside DPMed, so that nothing of it can be shown.", icon=":material/gpp_bad:")
    else:
        installation().actor.require(Action.SEE_RESULTS, f"review {found.review_id}")
        with right:
            show_downloads(found)
        show_review(found, known)
else:
    show_all()
