"""What the public encoder sees of a cohort's held-out cases, kept between moves and shared by all readers."""

from pathlib import Path

import numpy as np
import streamlit as st

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.explanations.similar_cases import Reference
from dpmed_core.inference.requests import PublicFeatures
from dpmed_core.training.encoders.card import read_card
from dpmed_core.training.encoders.features import are_cached, cached_features
from widgets.cached import split_of
from widgets.lookup import installation
from widgets.waiting import ask, is_waiting, show_failure, wait

KEY = "features"
Placement = tuple[np.ndarray, Reference]
"""Rows of the cohort, and what the public encoder sees of them."""


def features_are_there(cohort: Cohort) -> bool:
    """Whether the cohort's public features were computed."""
    return are_cached(cohort.modality, **_folders(cohort))


def offer_features(cohort: Cohort, label: str) -> None:
    """A button, called `label`, that has them computed."""
    show_failure(KEY)
    if st.button(label, icon=":material/image_search:", disabled=is_waiting(KEY)):
        ask(PublicFeatures(cohort.name, _encoder(cohort)), key=KEY)
    if is_waiting(KEY):
        wait(KEY, what="Looking at all cases with the public encoder", take=lambda _: None)


def features_of(cohort: Cohort, row: int) -> np.ndarray:
    """The public features of one case."""
    return np.asarray(_features(cohort)[row])


def test_reference(cohort: Cohort) -> Placement:
    """The test cases, which readers may see."""
    return _reference(cohort.fingerprint, _encoder(cohort), (Part.TEST,), _cohort=cohort)


def held_out_reference(cohort: Cohort) -> Placement:
    """The validation and test cases, all that stand outside the guarantee."""
    return _reference(cohort.fingerprint, _encoder(cohort), (Part.VALIDATION, Part.TEST), _cohort=cohort)


@st.cache_resource(max_entries=4, show_spinner=False)
def _reference(fingerprint: str, encoder: str, parts: tuple[Part, ...], _cohort: Cohort) -> Placement:
    del fingerprint, encoder  # they name what is kept
    rows = np.sort(np.concatenate([split_of(_cohort).rows(part) for part in parts]))
    return rows, Reference.of(_features(_cohort)[rows], list(_cohort.cases["patient_id"].iloc[rows]))


def _features(cohort: Cohort) -> np.ndarray:
    return cached_features(cohort.modality, **_folders(cohort))


def _folders(cohort: Cohort) -> dict[str, Path]:
    return {"features_dir": installation().cohorts.features_dir(cohort.name), "encoders_dir": installation().settings.encoders_dir}


def _encoder(cohort: Cohort) -> str:
    return read_card(installation().settings.encoders_dir, cohort.modality).version
