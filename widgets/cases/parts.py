"""The part of the cohort that is shown: held-out test cases, unless the installation opens the others too."""

import streamlit as st

from dpmed_core.cohort.schema import Part
from widgets.address.session import stated
from widgets.choices import choice
from widgets.lookup import installation

PART_TITLES = {Part.TEST: "Test (held out)", Part.VALIDATION: "Validation", Part.TRAIN: "Training"}
NOT_COVERED = {
    Part.TRAIN: "**Training patients.** The privacy guarantee does not cover this view: it limits what a model reveals about the patients "
    "it was trained on, and here their images and labels are shown directly.",
    Part.VALIDATION: "**Validation patients.** The privacy guarantee does not cover this view: validation patients are outside it. "
    "Thresholds were chosen on them, so answers are likely to look better here than on test patients.",
}


def allowed_parts() -> list[Part]:
    """The parts whose cases this installation shows."""
    return list(PART_TITLES) if installation().settings.show_training_cases else [Part.TEST]


def choose_part() -> Part | None:
    """The part to show, with a warning where it is not the test part; None where the address names one that is not open."""
    if len(allowed_parts()) == 1 and stated("part") in (None, Part.TEST.value):
        return Part.TEST
    picked = choice("part", "Part of the cohort", [part.value for part in allowed_parts()], title=lambda name: PART_TITLES[Part(name)])
    if picked is None:
        return None
    if picked in NOT_COVERED:
        st.warning(NOT_COVERED[Part(picked)], icon=":material/gpp_maybe:")
    return Part(picked)
