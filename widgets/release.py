"""The dialogue that releases a finished run's model: what it is charged, by whose decision and why, then the files."""

import streamlit as st

from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from dpmed_core.privacy.ledger.cap import cap_sentence
from dpmed_core.privacy.ledger.release import WITHOUT_BOUND, charge_of
from dpmed_core.release_cards.facts import reviews_of
from dpmed_core.release_cards.handed_out import release_with_cards, zipped
from dpmed_core.release_cards.statements import CURATOR_TYPES, QUESTIONS, Statements
from dpmed_core.runs.status import RunStatus
from widgets.lookup import installation
from widgets.people.sign_on import may, name_input

TO_RELEASE = "run-to-release"
"""Key of the session's state that holds the run whose dialogue is open."""


def open_release(run_id: str) -> None:
    """Open the dialogue for a run, by a run of the whole page: a part of it that refreshes itself would close the dialogue."""
    st.session_state[TO_RELEASE] = run_id
    st.rerun()


def show_release() -> None:
    """The dialogue, where one is open; to be called by the page itself, last."""
    if (run_id := st.session_state.get(TO_RELEASE)) is not None:
        _dialogue(installation().runs.status(run_id))


def _close() -> None:
    st.session_state.pop(TO_RELEASE, None)


@st.dialog("Release a model", width="large", on_dismiss=_close)
def _dialogue(status: RunStatus) -> None:
    """Show what the release of a run would be charged, and do it on a name and a reason."""
    private, book = status.spec.privacy is not None, installation().ledger.book()
    guarantee = installation().runs.result(status.run_id).guarantee
    st.markdown(f"**{plain(status.spec.recipe)}**, seed {status.spec.seed:d}, run `{plain(status.run_id)}`")
    st.markdown(f"Alone: {plain(guarantee.sentence() if guarantee else 'without privacy')}.")
    try:
        charge = charge_of(book, status.run_id)
    except DpmedError as error:
        st.error(plain(str(error)))
        return
    if private:
        st.markdown(plain(charge.sentence()))
    else:
        st.warning(plain(WITHOUT_BOUND.removesuffix(", and say so with --without-guarantee.") + "."))
    st.caption(plain(cap_sentence(book.cap)) if book.cap else "No cap is set.")
    name = name_input("Who decides", key=f"release-name-{status.run_id}")
    reason = st.text_input("Why, and to whom", key=f"release-reason-{status.run_id}")
    scores = may(Action.SEE_CASES) and st.checkbox(
        "With the scores of validation and test cases, whose patients no guarantee covers", key=f"scores-{status.run_id}"
    )
    review_id = _choose_review(status)
    st.caption("Its cards name the AUROC that it reaches on held-out patients, whom no guarantee covers.")
    said = _ask_people(status.run_id)
    without = private or st.checkbox("Release it without any guarantee", key=f"without-{status.run_id}")
    ready = bool(name and reason.strip() and without)
    if st.button("Record the release", type="primary", disabled=not ready, icon=":material/verified:"):
        try:
            _, files = release_with_cards(
                installation(),
                status.run_id,
                name=name,
                reason=reason.strip(),
                statements=Statements(said),
                scores=scores,
                without_guarantee=not private,
                review_id=review_id,
            )
        except DpmedError as error:
            st.error(plain(str(error)))
            return
        st.session_state[_files(status.run_id)] = zipped(files)
    if (made := st.session_state.get(_files(status.run_id))) is not None:
        st.success("Recorded in the ledger, with its seal on the cards.")
        st.download_button(
            "Download weights, guarantee and cards", made, f"dpmed-{status.run_id}.zip", "application/zip", on_click="ignore"
        )


def _choose_review(status: RunStatus) -> str | None:
    """The review whose frozen numbers the cards show; None for those of now. Not asked where no review is about the model."""
    if not (names := reviews_of(installation(), status.run_id, status.spec.cohort_fingerprint)):
        return None
    return st.selectbox(
        "Numbers on the cards",
        [None, *names],
        format_func=lambda name: "as they are now" if name is None else f"as review {name} froze them, with how it ended",
        key=f"release-review-{status.run_id}",
    )


def _ask_people(run_id: str) -> dict[str, str]:
    """What only people can say, by the name of the statement."""
    said: dict[str, str] = {}
    with st.expander("What only people can say; blank stays open on the cards"):
        for name, question in QUESTIONS.items():
            if name == "curator_type":
                kind = st.selectbox(plain(question), CURATOR_TYPES, index=None, key=f"statement-{name}-{run_id}")
                said[name] = kind or ""
            else:
                said[name] = st.text_area(plain(question), key=f"statement-{name}-{run_id}", height="content")
    return said


def _files(run_id: str) -> str:
    return f"released-{run_id}"
