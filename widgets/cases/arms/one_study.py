"""One study: a reader's turn, how far all are, its early end, and what it shows when it is over."""

import time
from functools import partial

import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from dpmed_core.reader_study.arm_study.progress import ReaderProgress, StudyState
from dpmed_core.reader_study.arm_study.store import LONGEST_REASON
from dpmed_core.reader_study.arm_study.study import ArmStudy
from dpmed_core.reporting.wording.arm_study import aid_sentence, progress_in_words, study_sentences, turn_sentence
from widgets.cached import links_of
from widgets.cases.answer_form import ask_about_case
from widgets.cases.arms.current import JOINED, is_being_read, open_study, reader_in
from widgets.cases.arms.results import show_results
from widgets.lookup import installation
from widgets.people.sign_on import may, name_input


def show_study(cohort: Cohort, study: ArmStudy) -> None:
    """A study as whoever looks may see it now."""
    state, reader = installation().arm_studies.state(study), reader_in(study)
    mine = state.of(reader) if reader is not None else None
    if not state.is_over and mine is not None and mine.is_open:
        _show_case(cohort, study, mine)
    else:
        st.header(plain(study.title))
        for sentence in study_sentences(study):
            st.markdown(plain(sentence))
        if state.is_over:
            show_results(cohort, study, state)
        else:
            _show_turn(study, mine)
            st.dataframe(progress_in_words(study, state, time.time()), hide_index=True)
    if not state.is_over and may(Action.PLAN_READINGS):
        _offer_end(study, state)
    # Of the session of a reader there is no way out but its end.
    if reader is None or not is_being_read(cohort):
        st.button("All studies", icon=":material/arrow_back:", on_click=partial(open_study, None))


def _show_turn(study: ArmStudy, mine: ReaderProgress | None) -> None:
    """Whose turn it is: the session that is this reader's now, or who they are."""
    if mine is not None:
        st.info(plain(f"{mine.reader}: {turn_sentence(study, mine, time.time())}"), icon=":material/event:")
        if not mine.is_done and time.time() >= mine.opens_at:
            st.markdown(
                "Answer every case in its order. Beside some of them a model's score stands; which model is not said, and labels stay "
                "hidden. You can close the browser at any time, and go on later where you were."
            )
            if st.button(f"Begin session {mine.session:d}", icon=":material/visibility_off:"):
                installation().arm_studies.begin_session(study, mine.reader)
                st.rerun()
    elif name := installation().actor.name:
        st.info(plain(f"{name} is no reader of this study."), icon=":material/person_off:")
    else:
        with st.form("join-arm-study", border=True):
            joined = st.selectbox("Who are you?", study.readers, index=None, placeholder="Choose your name")
            if st.form_submit_button("Join", icon=":material/login:") and joined is not None:
                st.session_state[JOINED] = (study.study_id, joined)
                st.rerun()


def _show_case(cohort: Cohort, study: ArmStudy, mine: ReaderProgress) -> None:
    """The case that the reader is to answer now, and what becomes of the answer."""
    store = installation().arm_studies
    st.markdown(
        f"**{plain(finding_title(study.finding))}**, read by {plain(mine.reader)}. {plain(turn_sentence(study, mine, time.time()))}"
    )
    st.progress(mine.n_answered / len(study.cases))
    if (asked := store.next_reading(study, mine.reader)) is None:
        st.rerun()  # it ended just now, by another window or whoever planned it
    rows = [links_of(cohort).rows[links_of(cohort).of_case[one.case_id]] for one in study.session(mine.reader, asked.session)]
    aid = None if asked.aid is None else aid_sentence(asked.aid)
    name = f"{study.study_id}-{study.readers.index(mine.reader)}-{asked.session}"
    if (given := ask_about_case(cohort, rows, asked.place - 1, finding=study.finding, name=name, aid=aid)) is not None:
        # Where another window was faster nothing is stored, and the next case comes.
        store.record(study, mine.reader, session=asked.session, place=asked.place, **given._asdict())
        st.rerun()
    st.caption(
        "The worklist and uploads stay closed while you read. Close the browser whenever you like: under the same name you go on at the "
        "same case."
    )


def _offer_end(study: ArmStudy, state: StudyState) -> None:
    """How a study ends before all is read, which is recorded."""
    n_given = sum(one.n_in_all for one in state.readers)
    with st.popover("End the study early", icon=":material/cancel:"):
        st.markdown(
            f"It ends for good with {n_given:,} of {study.n_readings:,} answers, and results are shown. Those who did not read everything "
            "are left out."
        )
        with st.form("end-arm-study", border=False):
            name = name_input("Ended by")
            reason = st.text_area("Reason", max_chars=LONGEST_REASON, height=80)
            if st.form_submit_button("End for good"):
                installation().arm_studies.end(study, name=name, reason=reason)
                st.rerun()
