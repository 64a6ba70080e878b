"""Overview: what DPMed does, the cohort's images and patients, the import report, and the state of its training runs."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.summary import counts_table
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.header_warnings import attributes_sentence
from dpmed_core.imaging.stored_format import picture_of, scan_caption
from dpmed_core.privacy.provenance import encoder_sentences
from dpmed_core.runs.status import UNREADABLE, RunState
from widgets.cohort import chosen_cohort
from widgets.cohort_counts import show_findings, show_numbers, show_patients, shows_training_counts
from widgets.lookup import installation, live, runs_of, unreadable_of
from widgets.report import show_report
from widgets.spending import show_total

SAMPLE_IMAGES, SAMPLE_PIXELS = 8, 105


def show_import(cohort: Cohort) -> None:
    """The validation report of the import, where there is something to report; it counts training images too."""
    report = installation().cohorts.report(cohort.name)
    if not (report.checks or report.problems):
        return
    if shows_training_counts(cohort):
        show_report(report, name=cohort.name)
    else:
        st.subheader("Validation report")
        st.caption("The import has something to report. Its report counts training images too, so it stays with whoever imports:")
        st.code(f"python -m dpmed_core cohort show {cohort.name}", language="bash")


def show_identifying(cohort: Cohort) -> None:
    """The identifying attributes that the imported files contained."""
    attributes = installation().cohorts.report(cohort.name).identifying_attributes
    if sentence := attributes_sentence(attributes, with_numbers=shows_training_counts(cohort)):
        with st.expander("De-identification: identifying attributes in the imported files"):
            st.markdown(plain(sentence))


def show_samples(cohort: Cohort) -> None:
    """Some images of a synthetic cohort, which show no patient; of a volume, its middle slice."""
    images = IMAGE_WORDS[cohort.modality].several
    st.subheader(f"Some of the synthetic {images}")
    if cohort.spacing_mm:
        st.caption(scan_caption(cohort.images.shape[1:], cohort.spacing_mm))
    step = max(1, len(cohort.images) // SAMPLE_IMAGES)
    cohort.check_images(range(len(cohort.images))[::step][:SAMPLE_IMAGES])
    with st.container(horizontal=True):
        for image in cohort.images[::step][:SAMPLE_IMAGES]:
            st.image(picture_of(image), width=SAMPLE_PIXELS)


def show_queue(cohort: Cohort) -> None:
    """The number of runs in each state; refreshes itself."""

    def states_of_runs() -> None:
        unreadable = unreadable_of(cohort)
        states = pd.Series([s.state.value for s in runs_of(cohort)] + [UNREADABLE] * len(unreadable), dtype=object).value_counts()
        if states.empty:
            st.info("No training run on this cohort yet: plan some on the page *Train*.")
            return
        words = ", ".join(f"{states[state]} {state}" for state in (*(state.value for state in RunState), UNREADABLE) if state in states)
        st.markdown(f"**Training runs on this cohort:** {plain(words)}.")
        for sentence in encoder_sentences(runs_of(cohort), installation().encoders):
            st.caption(plain(sentence))
        for run in unreadable:
            st.error(plain(run.message), icon=":material/error:")

    live(cohort, states_of_runs)


st.title("What does privacy cost?")
st.markdown(
    "DPMed trains image classifiers on your own radiographs or CT scans, with and without *differential privacy*, and shows what "
    "protecting the training patients costs: the AUROC for each finding at every privacy budget ε that was trained. The smaller ε is, the "
    "less a model reveals about whether a patient's images were used to train it."
)
if (chosen := chosen_cohort()) is not None:
    table = counts_table(chosen, assign_parts(chosen, seed=DEFAULT_SPLIT_SEED, key=installation().key))
    show_queue(chosen)
    for reason in chosen.blocking:
        st.error(f"**Training is not possible.** {plain(reason)}", icon=":material/block:")
    show_total(chosen)
    show_numbers(chosen, table)
    if chosen.synthetic:
        show_samples(chosen)
    show_findings(chosen, table)
    show_patients(chosen, table)
    show_import(chosen)
    show_identifying(chosen)
