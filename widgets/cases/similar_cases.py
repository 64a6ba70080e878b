"""The public features of a cohort's held-out cases, cached for all readers, and the button that has them computed."""

from pathlib import Path

import numpy as np
import streamlit as st

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.explanations.similar_cases import ReferenceCases
from dpmed_core.foreign_text import plain
from dpmed_core.inference.requests import PublicFeatures
from dpmed_core.training.encoders.card import read_card
from dpmed_core.training.encoders.features import are_cached, cached_features
from widgets.cached import split_of
from widgets.lookup import installation
from widgets.waiting import ask, is_waiting, show_failure, wait

KEY = "features"
RowsAndCases = tuple[np.ndarray, ReferenceCases]
"""Rows of the cohort, and the same cases in public features."""


def features_are_cached(cohort: Cohort) -> bool:
    """Whether the cohort's public features are stored."""
    return are_cached(cohort.modality, **_folders(cohort))


def offer_features(cohort: Cohort, label: str) -> None:
    """A button, called `label`, that has them computed."""
    show_failure(KEY)
    if st.button(plain(label), icon=":material/image_search:", disabled=is_waiting(KEY)):
        ask(PublicFeatures(cohort.name, _encoder(cohort)), key=KEY)
    if is_waiting(KEY):
        wait(KEY, what="Computing the public features of all cases", take=lambda _: None)


def features_of(cohort: Cohort, row: int) -> np.ndarray:
    """The public features of one case."""
    return np.asarray(_features(cohort)[row])


def test_cases(cohort: Cohort) -> RowsAndCases:
    """The test cases, which every reader may see."""
    return _cases(cohort.fingerprint, _encoder(cohort), (Part.TEST,), _cohort=cohort)


def held_out_cases(cohort: Cohort) -> RowsAndCases:
    """The validation and test cases: all cases outside the guarantee."""
    return _cases(cohort.fingerprint, _encoder(cohort), (Part.VALIDATION, Part.TEST), _cohort=cohort)


@st.cache_resource(max_entries=4, show_spinner=False)
def _cases(fingerprint: str, encoder: str, parts: tuple[Part, ...], _cohort: Cohort) -> RowsAndCases:
    del fingerprint, encoder  # key of the cache
    rows = np.sort(np.concatenate([split_of(_cohort).rows(part) for part in parts]))
    return rows, ReferenceCases.of(_features(_cohort)[rows], list(_cohort.cases["patient_id"].iloc[rows]))


def _features(cohort: Cohort) -> np.ndarray:
    return cached_features(cohort.modality, **_folders(cohort))


def _folders(cohort: Cohort) -> dict[str, Path]:
    return {"features_dir": installation().cohorts.features_dir(cohort.name), "encoders_dir": installation().settings.encoders_dir}


def _encoder(cohort: Cohort) -> str:
    return read_card(installation().settings.encoders_dir, cohort.modality).version
