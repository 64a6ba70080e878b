"""One case: who the patient is, what the models say with and without privacy, and how that moves with the budget."""

import pandas as pd
import streamlit as st

from dpmed_core.evaluation.case_answers import answers_of_case
from dpmed_core.evaluation.case_wording import case_sentence, case_spread, spread_sentence
from dpmed_core.evaluation.worklist import truth
from dpmed_core.figures.case_scores import case_figure
from dpmed_core.naming import attribute_title, finding_title
from widgets.case_words import TRUTH_TITLES
from widgets.exhibit import PLOTLY_SETTINGS
from widgets.lookup import canvas
from widgets.shown_case import ShownCase


def show_patient(case: ShownCase) -> None:
    """Age, sex and co-morbidities, in one line."""
    who = case.cohort.cases.iloc[case.row]
    said = [
        f"{who['age']:.0f} years" if pd.notna(who["age"]) else "age not known",
        str(who["sex"]) if who["sex"] != "unknown" else "sex not known",
    ]
    for name in case.cohort.comorbidities:
        if who[name] == 1:
            said.append(f"with {attribute_title(name)}" if attribute_title(name).isupper() else f"with {attribute_title(name).lower()}")
    st.markdown(f"**{', '.join(said).capitalize()}**")


def show_answers(case: ShownCase) -> None:
    """The sentence on the chosen finding and the table of all of them."""
    trainings = case.trainings
    if trainings is None:
        st.info("No model has scored this case: scores are stored for validation and test cases of finished models.")
        st.table(_labels(case))
        return
    known = str(truth(case.labels[[case.finding]].to_numpy())[0])
    st.markdown(f"##### {case_sentence(trainings, finding=case.finding, truth=known, epsilon=case.epsilon)}")
    st.table(_answers(answers_of_case(trainings, case.labels, case.epsilon), case.finding))


def show_budgets(case: ShownCase) -> None:
    """How the score of the chosen finding moves with the budget, and how much of the spread is the privacy noise's."""
    trainings = case.trainings
    if trainings is None:
        return
    figure = case_figure(trainings, case.cohort, finding=case.finding, epsilon=case.epsilon, canvas=canvas())
    st.plotly_chart(figure, theme=None, key="figure-case", config=PLOTLY_SETTINGS)
    if case.epsilon is not None:
        st.markdown(spread_sentence(case_spread(trainings, finding=case.finding, epsilon=case.epsilon)))


def _labels(case: ShownCase) -> pd.DataFrame:
    words = [TRUTH_TITLES[value] for value in truth(case.labels.to_numpy())]
    return pd.DataFrame({"Truth": words}, index=pd.Index([finding_title(name) for name in case.labels.index], name="Finding"))


def _answers(table: pd.DataFrame, finding: str) -> pd.DataFrame:
    names = [f"**{finding_title(name)}**" if name == finding else finding_title(name) for name in table["finding"]]
    return pd.DataFrame(
        {
            "Truth": [TRUTH_TITLES[value] for value in truth(table["label"].to_numpy())],
            "Private": [_score(*row) for row in table[["score", "score_low", "score_high"]].itertuples(index=False)],
            "Called": [_called(*row) for row in table[["n_positive", "n_trainings"]].itertuples(index=False)],
            "Without privacy": [
                _score(*row) for row in table[["score_without", "score_low_without", "score_high_without"]].itertuples(index=False)
            ],
            "Called ": [_called(*row) for row in table[["n_positive_without", "n_trainings_without"]].itertuples(index=False)],
            "Change": [f"{value:+.3f}".replace("-", "−") if pd.notna(value) else "–" for value in table["change"]],
        },
        index=pd.Index(names, name="Finding"),
    )


def _score(mean: float, low: float, high: float) -> str:
    if pd.isna(mean):
        return "–"
    return f"{mean:.3f}" if low == high else f"{mean:.3f} ({low:.3f}–{high:.3f})"


def _called(n_positive: float, n_trainings: float) -> str:
    return "–" if pd.isna(n_positive) else f"positive by {n_positive:.0f} of {n_trainings:.0f}"
