"""Which study this session looks at, and as which reader: what keeps labels and scores closed while a session is open."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.reader_study.arm_study.study import ArmStudy
from widgets.address.session import go, in_address
from widgets.lookup import installation

ADDRESS, JOINED = "study", "arm-study-joined"
"""Name of the study in the address, and what this session remembers: study_id and the reader's name."""


def current_study(cohort: Cohort) -> ArmStudy | None:
    """The study that is being read, or the one that the address names; None where it names none of this cohort, which is then said."""
    read = _being_read(cohort)
    if read is not None:
        return read
    if (asked := in_address(ADDRESS)) is None:
        return None
    study = installation().arm_studies.study(asked)
    if study is None or study.fingerprint != cohort.fingerprint:
        st.error("The study in this address does not exist for this cohort: choose another one.", icon=":material/link_off:")
        return None
    return study


def reader_in(study: ArmStudy) -> str | None:
    """The reader of `study` that this session is: the person who signed on, or whom somebody said they are; None for neither."""
    if name := installation().actor.name:
        return name if name in study.readers else None
    study_id, reader = st.session_state.get(JOINED, ("", ""))
    return reader if study_id == study.study_id and reader in study.readers else None


def is_being_read(cohort: Cohort) -> bool:
    """Whether whoever looks is in the middle of a study of `cohort`, so that neither labels nor scores may be seen.

    Somebody who signed on is from the beginning of their first session to their last answer, in every browser and between sessions too.
    Without sign-on, a session of the browser is while the session that it joined is open; where it only has the address of a study in which
    somebody reads, it may be that reader's.
    """
    if _being_read(cohort) is not None:
        return True
    here, asked = installation(), in_address(ADDRESS)
    study = here.arm_studies.study(asked) if asked and not here.actor.name else None
    if study is None or study.fingerprint != cohort.fingerprint or reader_in(study) is not None:
        return False
    state = here.arm_studies.state(study)
    return not state.is_over and any(one.is_open for one in state.readers)


def _being_read(cohort: Cohort) -> ArmStudy | None:
    """The study that whoever looks is in the middle of."""
    here = installation()
    if here.actor.name:
        return here.arm_studies.reading_of(cohort.fingerprint, here.actor.name)
    study_id, reader = st.session_state.get(JOINED, ("", ""))
    study = here.arm_studies.study(study_id) if study_id else None
    if study is None or study.fingerprint != cohort.fingerprint:
        return None
    state = here.arm_studies.state(study)
    return study if not state.is_over and state.of(reader).is_open else None


def open_study(study: ArmStudy | None) -> None:
    """Look at `study`, or at all studies; as nobody in particular."""
    st.session_state.pop(JOINED, None)
    go(ADDRESS, study.study_id if study else None)
