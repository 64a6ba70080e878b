"""Taking aggregates of exposure out of the house: only on a name and a reason, which the ledger keeps."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import plain, plain_csv
from dpmed_core.people.roles import Action
from dpmed_core.privacy.exposure.aggregates import aggregates
from dpmed_core.privacy.exposure.measurement import Measurement
from dpmed_core.privacy.ledger.release import EXPOSURE, release_content
from widgets.lookup import installation
from widgets.people.sign_on import may, name_input

RELEASED = "released-aggregates"
"""Begins the key of the session's state that holds what was recorded of a cohort, until it is fetched."""


def offer_release(found: Measurement, cohort: Cohort) -> None:
    """What may leave the institution, who decides and why; the file comes after the ledger's entry."""
    if not may(Action.RELEASE):
        return
    place = st.expander("Release aggregates", key="release-aggregates-open", on_change="rerun")
    if not place.open:
        return
    begun = f"-{found.start.name}" if found.start else ""
    recorded = f"{RELEASED}-{cohort.fingerprint}{begun}"
    with place:
        table = aggregates(found)
        st.markdown(
            "Medians, counts of five and more, and means of groups of ten and more, at each budget. No single patient is in them, but they "
            "were computed from training patients without any noise: no privacy guarantee covers them."
        )
        st.dataframe(table, hide_index=True)
        name = name_input("Who decides", key="aggregates-name")
        reason = st.text_input("Why, and to whom", key="aggregates-reason")
        without = st.checkbox("Release them without any guarantee", key="aggregates-without")
        ready = bool(name and reason.strip() and without)
        if st.button("Record the release of these aggregates", disabled=not ready, icon=":material/verified:"):
            content = bytes(plain_csv(table), "utf-8")
            try:
                ledger = installation().ledger
                release_content(ledger, content, cohort, name=name, reason=reason.strip(), without_guarantee=True, what=EXPOSURE)
            except DpmedError as error:
                st.error(plain(str(error)), icon=":material/block:")
                return
            st.session_state[recorded] = content
        if (content := st.session_state.get(recorded)) is not None:
            st.success("Recorded in the ledger.")
            st.download_button(
                "Download aggregates (CSV)",
                content,
                f"exposure-{cohort.name}{begun}.csv",
                "text/csv",
                on_click="ignore",
                key="download-aggregates",
            )
