"""What a study with several readers and arms shows when it is over."""

from functools import partial

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain, plain_csv, plain_paragraphs
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.reader_study.arm_study.progress import StudyState
from dpmed_core.reader_study.arm_study.results import StudyResults, study_results
from dpmed_core.reader_study.arm_study.study import ArmStudy
from dpmed_core.reader_study.multi_reader.comparison import Comparison
from dpmed_core.reader_study.multi_reader.imrmc import imrmc_text
from dpmed_core.reporting.figures.arms import arms_figure
from dpmed_core.reporting.wording.arm_study import figure_facts, guarantee_sentences, result_sentences
from dpmed_core.reporting.wording.multi_reader import arms_in_words, comparison_sentences, pairs_in_words
from widgets.budget_control.following import show_plot
from widgets.cached import links_of
from widgets.lookup import asked_for_later, canvas, installation


def show_results(cohort: Cohort, study: ArmStudy, state: StudyState) -> None:
    """The arms compared, how the study ended, and its ratings as files."""
    table = installation().arm_studies.ratings(study)
    results = study_results(study, table)
    for sentence in result_sentences(study, state, results):
        st.markdown(plain_paragraphs(sentence))
    if results.comparison is not None:
        _show_comparison(cohort, study, results.comparison)
    with st.container(horizontal=True):
        _show_files(cohort, study, table, results)


def _show_comparison(cohort: Cohort, study: ArmStudy, comparison: Comparison) -> None:
    """The arms in a figure and in sentences, all tables a click away."""
    sentences = comparison_sentences(comparison)
    guarantees = guarantee_sentences(study)
    facts = [*figure_facts(study, comparison, f"{'Synthetic cohort' if cohort.synthetic else 'Cohort'} {cohort.name}"), *guarantees]
    figure = arms_figure(comparison, title=f"{finding_title(study.finding)}: readers by arm", facts=facts, canvas=canvas())
    show_plot(figure, key="figure-arms", alternative=" ".join(sentences))
    for sentence in sentences:
        st.markdown(plain(sentence))
    with st.expander("All tables"):
        st.dataframe(arms_in_words(comparison), hide_index=True)
        st.dataframe(pairs_in_words(comparison), hide_index=True)
        st.caption(
            "Mean AUROC over readers from answer and confidence, by Obuchowski & Rockette's analysis with Hillis' degrees of freedom; "
            "every two arms by their own ratings, p of all pairs by Holm's method. What holds for readers in general needs several readers."
        )


def _show_files(cohort: Cohort, study: ArmStudy, table: pd.DataFrame, results: StudyResults) -> None:
    """All ratings as `readers compare` reads them, and those that were analysed for iMRMC."""
    st.download_button(
        "Ratings (CSV)",
        asked_for_later(partial(_csv, cohort, table), Action.SEE_CASES, f"ratings of reader study {study.study_id}"),
        "ratings.csv",
        "text/csv",
        on_click="ignore",
    )
    if results.ratings is not None:
        text = imrmc_text(results.ratings)
        st.download_button(
            "Ratings for iMRMC",
            asked_for_later(lambda _: text, Action.SEE_CASES, f"iMRMC file of reader study {study.study_id}"),
            "study.imrmc",
            "text/plain",
            on_click="ignore",
        )


def _csv(cohort: Cohort, table: pd.DataFrame, here: Installation) -> str:
    """The ratings with the names that cases have in addresses."""
    del here
    return plain_csv(table.assign(case=[links_of(cohort).of_case[case_id] for case_id in table["case"]]))
