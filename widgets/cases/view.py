"""One case: the patient, the scores of the models with and without privacy, and how they change with the privacy budget."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dpmed_core.cohort.display_names import attribute_phrase, finding_title
from dpmed_core.evaluation.cases.case_answers import answers_of_case
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Sex
from dpmed_core.reporting.figures.case_scores import case_figure
from dpmed_core.reporting.figures.style import Canvas
from dpmed_core.reporting.wording.cases import case_headline, case_sentence, case_spread, spread_sentence
from widgets.budget import show_guarantee
from widgets.budget_control.first_words import Line
from widgets.budget_control.following import show_plot
from widgets.cached import MOST_KEPT, key_of
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.shown_case import SelectedCase
from widgets.html_table import show_table
from widgets.lookup import canvas

CASE_TABLE = "Findings of this case"


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
        show_table(_labels(case), label=CASE_TABLE, marked=finding_title(case.finding))
        return
    headline, *more = answer_lines(case)
    st.markdown(f"## {plain(headline.text)}")
    for line in more:
        st.markdown(plain(line.text))
    show_table(_answers_of(case.key, case), label=CASE_TABLE, marked=finding_title(case.finding))
    st.popover("How to read this table", icon=":material/info:").caption(
        "Score: mean over the models with or without privacy; in brackets, how many of them call the finding present, each at its own "
        f"threshold, {plain(OperatingRule().sentence())}; the one threshold for all is that of the first model without privacy. "
        "Trainings that give the same scores count as one model."
    )


def answer_lines(case: SelectedCase) -> list[Line]:
    """Whether privacy would have changed the answer, and how; empty where no model has scored the case."""
    return _answer_lines(case.key, case)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _answer_lines(key: str, _case: SelectedCase) -> list[Line]:
    del key
    case, trainings = _case, _case.trainings
    if trainings is None:
        return []
    known = str(truth(case.labels[[case.finding]].to_numpy())[0])
    about = {"finding": case.finding, "truth": known, "epsilon": case.epsilon}
    headline, sentence = case_headline(trainings, **about), case_sentence(trainings, **about)
    return [Line(headline, "headline"), Line(sentence)] if headline else [Line(sentence, "headline")]


def show_budgets(case: SelectedCase) -> None:
    """The score of the shown finding by privacy budget, the guarantee, and how much of the spread is due to privacy noise."""
    trainings = case.trainings
    if trainings is None:
        return
    show_plot(
        figure_of(case, canvas()),
        key="figure-case",
        alternative=f"{finding_title(case.finding)}: the scores of this case by privacy budget.",
    )
    if case.epsilon is not None:
        if case.context.scores is not None:
            show_guarantee(case.context.scores.runs_at(case.epsilon))
        st.markdown(plain(spread_sentence(case_spread(trainings, finding=case.finding, epsilon=case.epsilon))))


def figure_of(case: SelectedCase, on: Canvas) -> go.Figure:
    """The scores of a case that a model has scored, by privacy budget."""
    return _figure(key_of(case.key, on), case, on)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _figure(key: str, _case: SelectedCase, _on: Canvas) -> go.Figure:
    del key
    assert _case.trainings is not None
    return case_figure(_case.trainings, _case.cohort, finding=_case.finding, epsilon=_case.epsilon, canvas=_on)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _answers_of(key: str, _case: SelectedCase) -> pd.DataFrame:
    del key
    assert _case.trainings is not None
    return _answer_table(_case.trainings, _case.labels, _case.epsilon)


def show_answer_table(trainings: pd.DataFrame, labels: pd.Series, *, finding: str, epsilon: float | None) -> None:
    """The scores and answers of all findings, `finding` in bold; arguments as `answers_of_case` has them."""
    show_table(_answer_table(trainings, labels, epsilon), label=CASE_TABLE, marked=finding_title(finding))


def _answer_table(trainings: pd.DataFrame, labels: pd.Series, epsilon: float | None) -> pd.DataFrame:
    table = answers_of_case(trainings, labels, epsilon)
    return pd.DataFrame(
        {
            "Finding": [finding_title(name) for name in table["finding"]],
            "Label": [TRUTH_TITLES[value] for value in truth(table["label"].to_numpy())],
            "Private score": _answers(table["score"], table["n_positive"], table["n_trainings"]),
            "Non-private score": _answers(table["score_without"], table["n_positive_without"], table["n_trainings_without"]),
            "Change": [value.replace("-", "−") for value in _digits(table["change"], "+.3f")],
        }
    )


def _labels(case: SelectedCase) -> pd.DataFrame:
    words = [TRUTH_TITLES[value] for value in truth(case.labels.to_numpy())]
    return pd.DataFrame({"Finding": [finding_title(name) for name in case.labels.index], "Label": words})


def _digits(values: pd.Series, form: str = ".3f") -> list[str]:
    return ["–" if pd.isna(value) else format(value, form) for value in values]


def _answers(score: pd.Series, n_positive: pd.Series, n_trainings: pd.Series) -> list[tuple[str, str]]:
    """Scores with the number of models that call the finding present, as in 0.344 (1 of 3); without it where there is no threshold."""
    calls = ["" if pd.isna(n) else f"({n:.0f} of {of:.0f})" for n, of in zip(n_positive, n_trainings, strict=True)]
    return list(zip(_digits(score), calls, strict=True))
