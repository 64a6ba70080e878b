"""What is cached for all sessions: how values are known there; the links of a cohort's cases, and its split."""

import streamlit as st

from dpmed_core.cohort.case_links import CaseLinks, case_links
from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from widgets.lookup import installation

MOST_KEPT, FEW_KEPT = 48, 4
"""Entries in a cache of small values, and in one of values that grow with the cohort."""


def key_of(*values: object) -> str:
    """What a cache knows `values` by: texts, numbers and frozen dataclasses of them.

    Streamlit looks at each part of a value by itself, which takes up to 5 ms for what is compared here in .1.
    """
    return repr(values)


def links_of(cohort: Cohort) -> CaseLinks:
    """The names of the cases of `cohort` in addresses."""
    return _links(cohort.fingerprint, _cohort=cohort)


def split_of(cohort: Cohort) -> Split:
    """The part that each case of `cohort` is in."""
    return _split(cohort.fingerprint, _cohort=cohort)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _links(fingerprint: str, _cohort: Cohort) -> CaseLinks:
    del fingerprint  # key of the cache
    return case_links(_cohort, installation().key)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _split(fingerprint: str, _cohort: Cohort) -> Split:
    del fingerprint
    return assign_parts(_cohort, seed=DEFAULT_SPLIT_SEED, key=installation().key)
