"""Who writes on the page *Review*, and how a form is sent: with the version of the review that its page showed.

A form is sent in the callback of its button, with what stood on the page when the button was drawn. Where it is refused, what was typed
stays, and the page says why and what is new. Where it is recorded, an empty form takes its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from dpmed_core.errors import DpmedError, ReviewError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.phrases import counted
from dpmed_core.review.records import LONGEST_TEXT, Author, Record, Role
from dpmed_core.review.store import Review
from dpmed_core.review.voices import voices_of
from widgets.lookup import installation
from widgets.people.sign_on import name_input
from widgets.review.words import in_short

NAME, ROLE, KEPT, DRAWN = "review-name", "review-role", "review-you", "review-drawn"
MOST_NEW = 5
Act = Callable[[Review, Author, int], object]
"""What a form does, given the review as it is now, who sends it, and the version that they saw."""


@dataclass(frozen=True)
class Refused:
    """A form that was not recorded.

    Attributes:
        message: why.
        seen: the version that its page showed.
    """

    message: str
    seen: int


def show_you() -> None:
    """Who writes, for all forms; remembered for the session."""
    kept: tuple[str, str | None] = st.session_state.get(KEPT, ("", None))
    actor = installation().actor
    voices = [role.value for role in (voices_of(actor.roles()) if actor.name else Role)]
    st.session_state.setdefault(ROLE, kept[1] if kept[1] in voices else voices[0] if len(voices) == 1 else None)
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        if actor.name:
            name = name_input("You write as", key=NAME)
        else:
            st.session_state.setdefault(NAME, kept[0])
            name = st.text_input("Your name or a pseudonym", key=NAME, max_chars=200)
    role = right.selectbox("You speak as", voices, key=ROLE, placeholder="Choose a role", index=None)
    st.session_state[KEPT] = (name, role)


def your_name() -> str:
    """The name of the person who signed on, or the one that was typed."""
    return installation().actor.signs_as(str(st.session_state.get(NAME) or ""))


def you() -> Author:
    """Who writes.

    Raises:
        ReviewError: they have not said so.
    """
    name, role = your_name(), st.session_state.get(ROLE)
    if not name.strip() or role is None:
        raise ReviewError("Say who you are first, above: a name, and the role for which you speak.")
    return Author(name, Role(role))


def key_of(review: Review, form: str, part: str = "") -> str:
    """The key of a form or a part of it; another one once it was recorded, so that an empty form takes its place."""
    return f"review-{review.review_id}-{form}-{st.session_state.get(_number(review, form), 0)}{part}"


def words(review: Review, form: str, label: str, part: str = "-text") -> None:
    """An input of a form for words, of any length that a record takes."""
    st.text_area(plain(label), key=key_of(review, form, part), max_chars=LONGEST_TEXT, height=100)


def typed(review: Review, form: str, part: str = "-text") -> str:
    """What stands in an input of a form."""
    return str(st.session_state.get(key_of(review, form, part)) or "")


def send_button(review: Review, form: str, label: str, act: Act) -> None:
    """The button of a form, whose click sends it with the version of the review that is drawn here."""
    st.form_submit_button(plain(label), icon=":material/send:", on_click=_send, args=(review, form, act))


def show_refusal(review: Review, form: str) -> None:
    """Why a form was not recorded, with what is new since its page was drawn; what was typed stands below."""
    refused: Refused | None = st.session_state.get(_refusal(review, form))
    if refused is None:
        return
    st.error(plain(refused.message, most=LONGEST_SENTENCE), icon=":material/sync_problem:")
    new = review.records[refused.seen :]
    if new:
        st.markdown(f"**New since your page was drawn: {counted(len(new), 'record', 'records')}**")
    for record in new[-MOST_NEW:]:
        st.caption(plain(in_short(record)))


def tell_news(review: Review) -> None:
    """Say in passing what others wrote since this page was drawn last, wherever on it the reader is."""
    drawn: dict[str, int] = st.session_state.setdefault(DRAWN, {})
    new: tuple[Record, ...] = review.records[drawn.get(review.review_id, review.version) :]
    drawn[review.review_id] = review.version
    own = (your_name().strip(), st.session_state.get(ROLE))
    for record in new[-MOST_NEW:]:
        told = f"Recorded: {record.kind}." if record.author == own else in_short(record)
        st.toast(plain(told), icon=":material/edit_note:")


def _send(shown: Review, form: str, act: Act) -> None:
    try:
        act(installation().reviews.review(shown.review_id), you(), shown.version)
    except DpmedError as error:
        st.session_state[_refusal(shown, form)] = Refused(str(error), shown.version)
        return
    st.session_state.pop(_refusal(shown, form), None)
    st.session_state[_number(shown, form)] = st.session_state.get(_number(shown, form), 0) + 1


def _number(review: Review, form: str) -> str:
    return f"review-sent-{review.review_id}-{form}"


def _refusal(review: Review, form: str) -> str:
    return f"review-refused-{review.review_id}-{form}"
