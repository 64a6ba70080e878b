"""One case: the patient, the scores of the models with and without privacy, and how they change with the privacy budget."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import attribute_phrase, finding_title
from dpmed_core.evaluation.cases.case_answers import answers_of_case
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Sex
from dpmed_core.reporting.figures.case_scores import case_figure
from dpmed_core.reporting.wording.cases import case_headline, case_sentence, case_spread, spread_sentence
from widgets.budget import show_guarantee
from widgets.budget_control.following import show_plot
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.shown_case import SelectedCase
from widgets.lookup import canvas

NO_BREAK = "\N{NO-BREAK SPACE}"


def show_patient(case: SelectedCase) -> None:
    """Age, sex and co-morbidities of the patient, in one line."""
    who = case.cohort.cases.iloc[case.row]
    age = f"{who['age']:.0f} years" if pd.notna(who["age"]) else "Age unknown"
    sex = str(who["sex"]) if who["sex"] != Sex.UNKNOWN else "sex unknown"
    comorbidities = [f"with {attribute_phrase(name)}" for name in case.cohort.comorbidities if who[name] == 1]
    st.markdown(f"**{plain(', '.join([age, sex, *comorbidities]))}**")


def show_answers(case: SelectedCase) -> None:
    """The sentence on the shown finding, and the table of all findings."""
    trainings = case.trainings
    if trainings is None:
        st.info("No model has scored this case: scores are stored for validation and test cases of finished models.")
        st.table(_labels(case))
        return
    known = str(truth(case.labels[[case.finding]].to_numpy())[0])
    about = {"finding": case.finding, "truth": known, "epsilon": case.epsilon}
    sentence = case_sentence(trainings, **about)
    headline = case_headline(trainings, **about)
    st.markdown(f"## {plain(headline or sentence)}")
    if headline:
        st.markdown(plain(sentence))
    st.table(answers_in_words(answers_of_case(trainings, case.labels, case.epsilon), case.finding))
    st.popover("How to read this table", icon=":material/info:").caption(
        "Score: mean over the models with or without privacy; in brackets, how many of them call the finding present, each at its own "
        f"threshold, {plain(OperatingRule().sentence())}; the one threshold for all is that of the first model without privacy. "
        "Trainings that give the same scores count as one model."
    )


def show_budgets(case: SelectedCase) -> None:
    """The score of the shown finding by privacy budget, the guarantee, and how much of the spread is due to privacy noise."""
    trainings = case.trainings
    if trainings is None:
        return
    figure = case_figure(trainings, case.cohort, finding=case.finding, epsilon=case.epsilon, canvas=canvas())
    show_plot(figure, key="figure-case", alternative=f"{finding_title(case.finding)}: the scores of this case by privacy budget.")
    if case.epsilon is not None:
        if case.context.scores is not None:
            show_guarantee(case.context.scores.runs_at(case.epsilon))
        st.markdown(plain(spread_sentence(case_spread(trainings, finding=case.finding, epsilon=case.epsilon))))


def answers_in_words(table: pd.DataFrame, finding: str) -> pd.DataFrame:
    """The rows of `answers_of_case` for display, with `finding` in bold."""
    # A table's cells are Markdown.
    titles = {name: plain(finding_title(name)) for name in table["finding"]}
    names = [f"**{title}**" if name == finding else title for name, title in titles.items()]
    return pd.DataFrame(
        {
            "Label": [TRUTH_TITLES[value] for value in truth(table["label"].to_numpy())],
            "Private score": _answers(table["score"], table["n_positive"], table["n_trainings"]),
            "Non-private score": _answers(table["score_without"], table["n_positive_without"], table["n_trainings_without"]),
            "Change": [value.replace("-", "−") for value in _digits(table["change"], "+.3f")],
        },
        index=pd.Index(names, name="Finding"),
    )


def _labels(case: SelectedCase) -> pd.DataFrame:
    words = [TRUTH_TITLES[value] for value in truth(case.labels.to_numpy())]
    return pd.DataFrame({"Label": words}, index=pd.Index([plain(finding_title(name)) for name in case.labels.index], name="Finding"))


def _digits(values: pd.Series, form: str = ".3f") -> list[str]:
    return ["–" if pd.isna(value) else format(value, form) for value in values]


def _answers(score: pd.Series, n_positive: pd.Series, n_trainings: pd.Series) -> list[str]:
    """Scores with the number of models that call the finding present, "0.344 (1 of 3)"; without it where there is no threshold."""
    calls = ["" if pd.isna(n) else f" ({n:.0f}{NO_BREAK}of{NO_BREAK}{of:.0f})" for n, of in zip(n_positive, n_trainings, strict=True)]
    return [f"{digits}{call}" for digits, call in zip(_digits(score), calls, strict=True)]
