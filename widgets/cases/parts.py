"""Which part of the cohort is looked at: held-out test cases, unless the installation lets readers open others."""

import streamlit as st

from dpmed_core.cohort.schema import Part
from widgets.choices import choice
from widgets.lookup import installation

PART_TITLES = {Part.TEST: "Test (held out)", Part.VALIDATION: "Validation", Part.TRAIN: "Training"}
NOT_COVERED = {
    Part.TRAIN: "**Training patients.** The privacy guarantee does not cover this view: it limits what a model tells about the patients it "
    "learnt from, and here their images and labels are shown as they are.",
    Part.VALIDATION: "**Validation patients.** The privacy guarantee does not cover this view: validation patients are outside it, and "
    "thresholds were chosen on them, so answers look better here than on patients who decided nothing.",
}


def allowed_parts() -> list[Part]:
    """The parts whose cases this installation shows."""
    return list(PART_TITLES) if installation().settings.show_training_cases else [Part.TEST]


def choose_part() -> Part | None:
    """The part to look at, with what is to be known about it; None where the address names one that is not shown."""
    if len(allowed_parts()) == 1 and st.query_params.get("part") in (None, Part.TEST.value):
        return Part.TEST
    picked = choice("part", "Cases of the part", [part.value for part in allowed_parts()], title=lambda name: PART_TITLES[Part(name)])
    if picked is None:
        return None
    if picked in NOT_COVERED:
        st.warning(NOT_COVERED[Part(picked)], icon=":material/gpp_maybe:")
    return Part(picked)
