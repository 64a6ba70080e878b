"""What several parts of the dashboard keep of a cohort between moves, shared by all sessions: links and parts."""

import streamlit as st

from dpmed_core.cohort.case_links import CaseLinks, case_links
from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.cohort.split import assign_parts
from dpmed_core.runs.plan import DEFAULT_SPLIT_SEED
from widgets.lookup import installation

MOST_KEPT, FEW_KEPT = 48, 4
"""Entries in a cache of small things, and in one of things that grow with the cohort."""


def links_of(cohort: Cohort) -> CaseLinks:
    """What names the cases of `cohort` in addresses."""
    return _links(cohort.fingerprint, _cohort=cohort)


def split_of(cohort: Cohort) -> Split:
    """Which part each case of `cohort` is in."""
    return _split(cohort.fingerprint, _cohort=cohort)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _links(fingerprint: str, _cohort: Cohort) -> CaseLinks:
    del fingerprint  # it names what is kept
    return case_links(_cohort, installation().key)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _split(fingerprint: str, _cohort: Cohort) -> Split:
    del fingerprint
    return assign_parts(_cohort, seed=DEFAULT_SPLIT_SEED, key=installation().key)
