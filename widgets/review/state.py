"""What a review is about and how it stands: question, candidate, outcome, who has not spoken yet, what is different now."""

import streamlit as st

from dpmed_core.cohort.display_names import sentence_start
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.phrases import counted
from dpmed_core.review.decision import APPROVED, CONDITIONALLY, NONE, REJECTED, decision, outcome_of
from dpmed_core.review.records import Record
from dpmed_core.review.store import Review
from widgets.review.read import changes_of, gathered_of, n_open_points
from widgets.review.words import SHORT, by_and_when, show_words

MOST_CHANGES = 2


def show_state(review: Review) -> None:
    """The question, and how far it is answered."""
    question = str(review.records[0].body["question"]).strip()
    st.header(plain(question, most=SHORT) or "Is this model good and fair enough?")
    if len(question) > SHORT:
        show_words(question)
    frozen = review.frozen
    about = f"{frozen['cohort']['name']}, recipe {frozen['candidate']['recipe']}: {frozen['candidate']['guarantee']}"
    st.markdown(plain(f"{about}, for training patients and each model alone."))
    _show_not_genuine(review)
    if review.closed:
        _show_closed(review, review.closed)
    else:
        _show_open(review)
    _show_changes(changes_of(review))


def _show_not_genuine(review: Review) -> None:
    if review.broken_at is not None:
        where = f"from record {review.broken_at} on" if review.broken_at else "in what was frozen"
        st.error(
            f"**Not genuine {plain(where)}:** it was changed outside DPMed. It can be read, and nothing more.", icon=":material/gpp_bad:"
        )
    elif gathered_of(review) is None:
        st.error(
            "**Not genuine:** frozen tables were changed outside DPMed, so that no number is shown. It can be read, and nothing more.",
            icon=":material/gpp_bad:",
        )


def _show_open(review: Review) -> None:
    """What the verdicts come to so far, and what is missing."""
    found, n_open = decision(review), n_open_points(review)
    missing = f"Verdicts are missing: {found.missing_in_words()}." if found.missing else "All verdicts that it needs are there."
    points = counted(n_open, "point of the checklist is", "points of the checklist are")
    st.info(f"**So far: {plain(found.outcome)}.** {plain(missing)} {points} open.", icon=":material/hourglass_top:")


def _show_closed(review: Review, closed: Record) -> None:
    """The outcome, with its conditions."""
    outcome, n_open = outcome_of(review), n_open_points(review)
    show = {APPROVED: st.success, CONDITIONALLY: st.warning, REJECTED: st.error, NONE: st.info}.get(outcome, st.info)
    points = counted(n_open, "point of the checklist was", "points of the checklist were")
    closed_by = plain(f"Closed by {by_and_when(closed)}; {points} open.")
    show(f"**{plain(sentence_start(outcome))}.** {closed_by}", icon=":material/gavel:")
    for condition in dict.fromkeys(closed.body["conditions"]):  # several may ask for the same
        st.markdown("**Condition**")
        show_words(str(condition))
    if closed.body["text"]:
        show_words(str(closed.body["text"]))


def _show_changes(different: list[str]) -> None:
    """What is different now from what was frozen; many folded after the first ones."""
    if not different:
        return
    first = "\n".join(f"- {plain(sentence, most=LONGEST_SENTENCE)}" for sentence in different[:MOST_CHANGES])
    st.warning(f"**Different now from what is reviewed**\n{first}", icon=":material/difference:")
    if len(different) > MOST_CHANGES:
        with st.expander(f"{counted(len(different) - MOST_CHANGES, 'further difference', 'further differences')}"):
            for sentence in different[MOST_CHANGES:]:
                st.markdown(plain(sentence, most=LONGEST_SENTENCE))
