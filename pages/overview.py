"""Overview: what DPMed does, the cohort's images and patients, the import report, and the state of its training runs."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, attribute_title, spelled_out, subgroup_title, version_alias
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.summary import counts_table
from dpmed_core.imaging.header_warnings import attributes_sentence
from dpmed_core.imaging.stored_format import picture_of, scan_caption
from dpmed_core.runs.status import RunState
from widgets.cohort import chosen_cohort
from widgets.lookup import installation, live, runs_of
from widgets.report import show_report

SAMPLE_IMAGES, SAMPLE_PIXELS = 8, 105


def show_numbers(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of images and patients in each part."""
    words = IMAGE_WORDS[cohort.modality]
    whole = counts[counts["attribute"] == "all"].set_index("part")
    for column, part in zip(st.columns(4), ("all", "train", "validation", "test"), strict=True):
        row = whole.loc[part]
        column.metric(
            "All" if part == "all" else part.capitalize(),
            f"{row['n_patients']:,} patients" if cohort.patients_known else words.counted(row["n_cases"]),
            words.counted(row["n_cases"]) if cohort.patients_known else "patients not known",
            delta_color="off",
            delta_arrow="off",
        )
    split = "the source's own split" if cohort.has_own_split else "patients assigned to the parts by a keyed hash"
    st.caption(
        f"Cohort {cohort.name}, version {version_alias(cohort)}; {split}. Validation and test patients are outside the privacy guarantee."
    )


def show_findings(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of positive images of each finding in each part."""
    images = IMAGE_WORDS[cohort.modality].several
    st.subheader(f"Findings: {images} in which each is present")
    if not cohort.findings:
        st.info("This cohort has no findings, so no model can be trained on it. Import it again with a table of labels.")
        return
    whole = counts[counts["attribute"] == "all"].set_index("part")[list(cohort.findings)].T
    table = whole.rename(index=spelled_out, columns=lambda part: f"{part} {images}".capitalize())
    table[f"Share of all {images}"] = (cohort.labels == 1).mean(axis=0) * 100
    st.dataframe(table, column_config={f"Share of all {images}": st.column_config.NumberColumn(format="%.0f %%"), "_index": "Finding"})


def show_patients(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of images and patients by sex, age and co-morbidity."""
    images = IMAGE_WORDS[cohort.modality].several
    st.subheader("Patients")
    groups = counts[(counts["attribute"] != "all")]
    whole = groups[groups["part"] == "all"]
    table = pd.DataFrame(
        {
            "Attribute": whole["attribute"].map(attribute_title),
            "Subgroup": [subgroup_title(a, s) for a, s in zip(whole["attribute"], whole["subgroup"], strict=True)],
            images.capitalize(): whole["n_cases"],
            "Patients": whole["n_patients"],
            f"Test {images}": groups[groups["part"] == "test"]["n_cases"].to_numpy(),
            "Test patients": groups[groups["part"] == "test"]["n_patients"].to_numpy(),
        }
    )
    st.dataframe(table, hide_index=True, height="content")


def show_import(cohort: Cohort) -> None:
    """The validation report of the import, where there is something to report."""
    report = installation().cohorts.report(cohort.name)
    if report.checks or report.problems:
        show_report(report, name=cohort.name)


def show_identifying(cohort: Cohort) -> None:
    """The identifying attributes that the imported files contained."""
    if sentence := attributes_sentence(installation().cohorts.report(cohort.name).identifying_attributes):
        with st.expander("De-identification: identifying attributes in the imported files"):
            st.markdown(sentence)


def show_samples(cohort: Cohort) -> None:
    """Some images of a synthetic cohort, which show no patient; of a volume, its middle slice."""
    images = IMAGE_WORDS[cohort.modality].several
    st.subheader(f"Some of the synthetic {images}")
    if cohort.spacing_mm:
        st.caption(scan_caption(cohort.images.shape[1:], cohort.spacing_mm))
    step = max(1, len(cohort.images) // SAMPLE_IMAGES)
    with st.container(horizontal=True):
        for image in cohort.images[::step][:SAMPLE_IMAGES]:
            st.image(picture_of(image), width=SAMPLE_PIXELS)


def show_queue(cohort: Cohort) -> None:
    """The number of runs in each state; refreshes itself."""

    def states_of_runs() -> None:
        states = pd.Series([s.state.value for s in runs_of(cohort)], dtype=object).value_counts()
        if states.empty:
            st.info("No training run on this cohort yet: plan some on the page *Train*.")
            return
        words = ", ".join(f"{states[state.value]} {state.value}" for state in RunState if state.value in states)
        st.markdown(f"**Training runs on this cohort:** {words}.")

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
        st.error(f"**Training is not possible.** {reason}", icon=":material/block:")
    show_numbers(chosen, table)
    if chosen.synthetic:
        show_samples(chosen)
    show_findings(chosen, table)
    show_patients(chosen, table)
    show_import(chosen)
    show_identifying(chosen)
