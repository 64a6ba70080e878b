"""Making a public start on a page: from which public cohort, and the statement that everybody may see its data."""

import streamlit as st

from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import plain
from dpmed_core.public_starts import LONGEST_TEXT, make_start
from widgets.cases.similar_cases import features_are_cached, offer_features
from widgets.lookup import installation

MADE = "made-start"
"""In the session: the name of the start that was made last."""


def offer_new_start() -> None:
    """A closed panel with the form; what it asks for is what `pretrain` asks for."""
    with st.expander("Make a public start", key="new-start-open", on_change="rerun") as panel:
        if panel.open:
            _show_form()


def _show_form() -> None:
    """Cohort, name, source and licence, and the button, which waits for the statement."""
    if made := st.session_state.pop(MADE, None):
        st.success(f"Start {plain(made)} is made. Choose it in the sidebar, under *Models begin*.")
    st.caption(
        "A head is trained, without privacy, on all labelled images of a cohort whose data are public; private heads of other cohorts can "
        "begin there. The patients of that cohort have no guarantee. Nothing can check that its data are public: source and licence stand "
        "on the start's card as your statement. A network, at which networks can begin, takes minutes for thousands of images "
        "and hours for a hundred thousand, and is trained by the command `pretrain` with `--recipe`."
    )
    left, right = st.columns(2)
    cohort_name = left.selectbox("Public cohort", installation().cohorts.names(), index=None, format_func=plain)
    name = right.text_input("Name of the start", max_chars=40)
    source = left.text_input("Source of the images", max_chars=LONGEST_TEXT)
    licence = right.text_input("Licence", max_chars=LONGEST_TEXT)
    is_public = st.checkbox("Everybody may see the images and labels of this cohort.")
    if cohort_name is None:
        return
    try:
        cohort = installation().cohorts.load(cohort_name)
        if not features_are_cached(cohort):
            offer_features(cohort, "Compute features of this cohort")
            return
        if st.button("Make start", icon=":material/school:", disabled=not (is_public and name and source.strip() and licence.strip())):
            with st.spinner("Training a head on public images"):
                st.session_state[MADE] = make_start(installation(), cohort_name, name, source=source, licence=licence).name
            st.rerun()
    except DpmedError as error:
        st.error(plain(str(error)), icon=":material/block:")
