"""Verdicts by role, the form for one, and the form that closes a review."""

import streamlit as st

from dpmed_core.errors import ReviewError
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted
from dpmed_core.review.acts import close, give_verdict
from dpmed_core.review.decision import NONE, decision
from dpmed_core.review.records import VERDICT, Author, Choice, Record
from dpmed_core.review.store import Review
from widgets.lookup import installation
from widgets.review.read import changes_of, n_open_points
from widgets.review.sending import key_of, send_button, show_refusal, typed, words
from widgets.review.words import by_and_when, show_words

FORM, CLOSING = "verdict", "close"
CHOICES = tuple(choice.value for choice in Choice)


def show_verdicts(review: Review, *, can_write: bool) -> None:
    """What everybody decided, and the form for a verdict."""
    found, counts = review.of_kind(VERDICT), decision(review).verdicts
    if not found:
        st.caption("No verdict yet.")
    for record in found:
        _show_verdict(record, counts=record in counts)
    if can_write:
        show_refusal(review, FORM)
        with st.form(key_of(review, FORM)):
            st.radio("Verdict", CHOICES, index=None, horizontal=True, key=key_of(review, FORM, "-choice"))
            words(review, FORM, "Reason")
            words(review, FORM, "Conditions, of an approval with conditions alone", "-conditions")
            send_button(review, FORM, "Give this verdict", _give)
        st.caption("One person speaks for one role. Your last verdict counts, and earlier ones stay in the record.")


def _show_verdict(record: Record, *, counts: bool) -> None:
    """One verdict with its reason; one that was given anew stays readable."""
    with st.container(border=True):
        st.markdown(f"**{plain(record.body['choice'])}**{'' if counts else ' (later replaced)'}")
        st.caption(plain(by_and_when(record)))
        show_words(str(record.body["reason"]))
        if record.body["conditions"]:
            st.markdown("**Conditions**")
            show_words(str(record.body["conditions"]))


def _give(now: Review, author: Author, seen: int) -> None:
    """Record the verdict that is typed.

    Raises:
        ReviewError: none was chosen, or as `give_verdict`.
    """
    if not (choice := typed(now, FORM, "-choice")):
        raise ReviewError("Choose a verdict first: approve, approve with conditions, or reject.")
    conditions = typed(now, FORM, "-conditions")
    give_verdict(installation().reviews, now, author, Choice(choice), typed(now, FORM), seen=seen, conditions=conditions)


def show_closing(review: Review) -> None:
    """What closing would record, and the form that does it."""
    found, different = decision(review), changes_of(review)
    if found.outcome == NONE:
        st.markdown(plain(f"Verdicts are missing ({found.missing_in_words()}): until they are there, it closes without a decision alone."))
    else:
        st.markdown(f"It would be closed as **{plain(found.outcome)}**.")
    points = counted(n_open_points(review), "open point", "open points")
    changed = counted(len(different), "difference", "differences")
    st.caption(f"On record with it: {points} of the checklist, and {changed} from what was frozen.")
    show_refusal(review, CLOSING)
    with st.form(key_of(review, CLOSING)):
        words(review, CLOSING, "What is to stand beside the outcome; without a decision, why")
        st.checkbox("Without a decision", key=key_of(review, CLOSING, "-undecided"))
        st.checkbox("Yes, close it for good: afterwards it can only be read.", key=key_of(review, CLOSING, "-sure"))
        send_button(review, CLOSING, "Close the review", _close)


def _close(now: Review, author: Author, seen: int) -> None:
    """Close the review.

    Raises:
        ReviewError: it was not confirmed, or as `close`.
    """
    if not st.session_state.get(key_of(now, CLOSING, "-sure")):
        raise ReviewError("Nothing was recorded: say first that it is to be closed for good.")
    here, undecided = installation(), bool(st.session_state.get(key_of(now, CLOSING, "-undecided")))
    close(here.reviews, here.ledger, now, author, typed(now, CLOSING), seen=seen, undecided=undecided)
