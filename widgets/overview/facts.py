"""Facts about the cohort: one line under the title, and below the results its import, samples, findings and patients."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.summary import counts_table
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.imaging.header_warnings import attributes_sentence
from dpmed_core.imaging.stored_format import picture_of, scan_caption
from dpmed_core.phrases import counted
from dpmed_core.privacy.provenance import encoder_sentences
from dpmed_core.runs.status import UNREADABLE, RunState
from widgets.cached import FEW_KEPT, split_of
from widgets.cohort import show_synthetic
from widgets.cohort_counts import show_findings, show_parts, show_patients, shows_training_counts
from widgets.copied_text import show_copied_text
from widgets.lookup import installation, live, runs_of, unreadable_of
from widgets.pictures import show_pictures
from widgets.report import show_report

SAMPLE_IMAGES, SAMPLE_WIDTH = 8, "105px"


def show_cohort_line(cohort: Cohort) -> None:
    """Who was scored."""
    st.caption(plain(cohort_line(cohort)))


def cohort_line(cohort: Cohort) -> str:
    """Who was scored: how many of the cohort's patients are the test patients whom all numbers are of."""
    whole = counts_of(cohort)
    whole = whole[whole["attribute"] == "all"].set_index("part")
    words, kind = IMAGE_WORDS[cohort.modality], ", synthetic" if cohort.synthetic else ""
    if cohort.patients_known:
        scored = f"{counted(int(whole.loc['test', 'n_patients']), 'test patient', 'test patients')} of {whole.loc['all', 'n_patients']:,}"
    else:  # each image is a unit of privacy, and the number of units is public
        scored = f"{whole.loc['test', 'n_cases']:,} test {words.several} of {whole.loc['all', 'n_cases']:,}, patients not known"
    return f"{scored}{kind}"


def show_facts(cohort: Cohort) -> None:
    """Runs, numbers, samples, findings, patients, the import's report, and what was met that could identify patients."""
    table = counts_of(cohort)
    show_queue(cohort)
    st.header("The cohort")
    show_synthetic(cohort)
    show_parts(cohort, table)
    if cohort.synthetic:
        show_samples(cohort)
    show_findings(cohort, table)
    show_patients(cohort, table)
    show_import(cohort)
    show_identifying(cohort)


def counts_of(cohort: Cohort) -> pd.DataFrame:
    """Images and patients by part and attribute (`cohort.summary.counts_table`)."""
    return _counts(cohort.fingerprint, _cohort=cohort)


@st.cache_data(max_entries=FEW_KEPT, show_spinner=False)
def _counts(fingerprint: str, _cohort: Cohort) -> pd.DataFrame:
    del fingerprint  # key of the cache
    return counts_table(_cohort, split_of(_cohort))


def show_import(cohort: Cohort) -> None:
    """The validation report of the import, where there is something to report; it counts training images too."""
    report = installation().cohorts.report(cohort.name)
    if not (report.checks or report.problems):
        return
    if shows_training_counts(cohort):
        show_report(report, name=cohort.name)
    else:
        st.header("Validation report")
        st.caption("The import has something to report. Its report counts training images too, so it stays with whoever imports:")
        show_copied_text(f"python -m dpmed_core cohort show {cohort.name}", label="Command that shows the report")


def show_identifying(cohort: Cohort) -> None:
    """The identifying attributes that the imported files contained."""
    attributes = installation().cohorts.report(cohort.name).identifying_attributes
    if sentence := attributes_sentence(attributes, with_numbers=shows_training_counts(cohort)):
        with st.expander("De-identification: identifying attributes in the imported files"):
            st.markdown(plain(sentence))


def show_samples(cohort: Cohort) -> None:
    """Some images of a synthetic cohort, which show no patient; of a volume, its middle slice."""
    words = IMAGE_WORDS[cohort.modality]
    st.header(f"Some of the synthetic {words.several}")
    if cohort.spacing_mm:
        st.caption(scan_caption(cohort.images.shape[1:], cohort.spacing_mm))
    step = max(1, len(cohort.images) // SAMPLE_IMAGES)
    cohort.check_images(range(len(cohort.images))[::step][:SAMPLE_IMAGES])
    samples = enumerate(cohort.images[::step][:SAMPLE_IMAGES], start=1)
    show_pictures(((picture_of(image), f"Synthetic {words.one}, sample {number}") for number, image in samples), width=SAMPLE_WIDTH)


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
            st.error(plain_with_commands(run.message), icon=":material/error:")

    live(cohort, states_of_runs)
