"""Blind reading: the reader answers first; labels and scores come afterwards, and reader and models are compared at the end."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.statistics.auroc_panel import MACRO
from dpmed_core.reader_study.case_selection import cases_to_read
from dpmed_core.reader_study.reader_vs_model import READER, model_raters, pair_table, rater_table, reader_rater
from dpmed_core.reader_study.store import CONFIDENCES, Reading
from dpmed_core.reporting.figures.readers import readers_figure
from dpmed_core.reporting.wording.reader_study import comparison_sentence, pairs_in_words, raters_in_words
from widgets.cached import links_of, split_of
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.shown_case import Light
from widgets.figure import PLOTLY_SETTINGS
from widgets.lookup import canvas, installation
from widgets.viewer.component import show_case_image

ADDRESS = "reading"
SIZES = (10, 20, 40, 60, 100)
SHOWN_AT, TOLD = "reading-shown-at", "reading-told"
LightOf = Callable[[str], Light | None]
"""Asks for recipe, unit and budget, and gives in their light what the models say of a finding; only called when the reader may know."""


def show_reader_study(cohort: Cohort, finding: str, light_of: LightOf) -> None:
    """The entry: begin, go on, or see the comparison."""
    reading = _current(cohort)
    if reading is None:
        _begin(cohort, finding)
        return
    rows = _rows(cohort, reading)
    answers = installation().reader_study.answers(reading)
    n_read, told = len(answers), st.session_state.get(TOLD)
    st.markdown(f"**{finding_title(reading.finding)}**, read by {reading.reader}: {n_read} of {len(rows)} cases answered")
    st.progress(n_read / len(rows))
    if told == (reading.reading_id, n_read - 1):
        _tell(cohort, reading, rows, answers, light_of)
    elif n_read < len(rows):
        _ask(cohort, reading, rows, n_read)
    else:
        _compare(cohort, reading, rows, answers, light_of)
    if st.button("Another reading", icon=":material/restart_alt:"):
        _go_to(None)


def _current(cohort: Cohort) -> Reading | None:
    asked = st.query_params.get(ADDRESS)
    if asked is None:
        return None
    reading = installation().reader_study.reading(asked)
    if reading is None or reading.fingerprint != cohort.fingerprint:
        st.error("The reading that the address names does not exist for this cohort: begin one.", icon=":material/link_off:")
        return None
    return reading


def _go_to(reading: Reading | None) -> None:
    st.session_state.pop(TOLD, None)
    if reading is None:
        st.query_params.pop(ADDRESS, None)
    else:
        st.query_params[ADDRESS] = reading.reading_id
    st.rerun()


def _begin(cohort: Cohort, finding: str) -> None:
    """The form that begins a reading, or goes on with one."""
    findings = list(cohort.findings)
    with st.form("begin-reading", border=True):
        st.markdown("Read test cases without labels or scores, as in a reader study; the models are compared with you at the end.")
        reader = st.text_input("Your name or a pseudonym", help="Under the same name you go on later, in any browser.")
        left, right = st.columns(2)
        chosen = left.selectbox("Finding", findings, findings.index(finding) if finding != MACRO else 0, format_func=finding_title)
        n_cases = right.selectbox("Cases", SIZES, SIZES.index(20))
        balanced = left.checkbox("Half with the finding, half without", True, help="As far as there are; else as many as come.")
        told = right.checkbox(
            "Show label and scores after each answer", False, help="Off, as in most reader studies: you learn nothing meanwhile."
        )
        begun = st.form_submit_button("Begin, or go on", type="primary", icon=":material/visibility_off:")
    if begun:
        asked = {"finding": chosen, "n_cases": n_cases, "balanced": balanced}
        asked["n_cases"] = len(
            cases_to_read(cohort, split_of(cohort), **asked, reading_id="", key=installation().key)
        )  # there may be fewer
        _go_to(installation().reader_study.begin(reader=reader, fingerprint=cohort.fingerprint, told_after_each=told, **asked))


def _rows(cohort: Cohort, reading: Reading) -> np.ndarray:
    asked = {"finding": reading.finding, "n_cases": reading.n_cases, "balanced": reading.balanced, "reading_id": reading.reading_id}
    return cases_to_read(cohort, split_of(cohort), **asked, key=installation().key)


def _ask(cohort: Cohort, reading: Reading, rows: np.ndarray, place: int) -> None:
    """One case, and the reader's answer to it."""
    links = links_of(cohort).links
    image, answer = st.columns([3, 2])
    with image:
        around = [links[row] for row in rows[place + 1 : place + 2]]
        show_case_image(
            cohort, Part.TEST, links[rows[place]], around=around, caption=f"Case {place + 1} of {len(rows)}", key="blind-viewer"
        )
    shown = st.session_state.get(SHOWN_AT)
    if shown is None or shown[0] != (reading.reading_id, place):
        shown = st.session_state[SHOWN_AT] = ((reading.reading_id, place), time.time())
    with answer, st.form(f"answer-{reading.reading_id}-{place}", border=True):
        who = cohort.cases.iloc[rows[place]]
        age = f"{who['age']:.0f} years" if pd.notna(who["age"]) else "Age not known"
        st.markdown(f"{age}, {who['sex'] if who['sex'] != 'unknown' else 'sex not known'}")
        said = st.radio(f"{finding_title(reading.finding)}?", ["Present", "Absent"], index=None, horizontal=True)
        sure = st.radio("How sure are you?", list(CONFIDENCES), index=None, format_func=CONFIDENCES.__getitem__)
        # The case's number stands on the form's last element: who sees it sees a form that is wholly this case's.
        if st.form_submit_button(f"Record answer {place + 1} of {len(rows)}", type="primary", icon=":material/check:"):
            if said is None or sure is None:
                st.error("Give both: the answer, and how sure you are.")
            else:
                _record(cohort, reading, rows, place, present=said == "Present", confidence=sure, seconds=time.time() - shown[1])


def _record(cohort: Cohort, reading: Reading, rows: np.ndarray, place: int, **answer: "bool | int | float") -> None:
    case_id = str(cohort.cases["case_id"].iloc[rows[place]])
    installation().reader_study.record(reading, place=place, case_id=case_id, **answer)  # type: ignore[arg-type]
    if reading.told_after_each:
        st.session_state[TOLD] = (reading.reading_id, place)
    st.rerun()


def _tell(cohort: Cohort, reading: Reading, rows: np.ndarray, answers: pd.DataFrame, light_of: LightOf) -> None:
    """After an answer, where the reader wished it: the label, and what the models say."""
    row, last = int(rows[len(answers) - 1]), answers.iloc[-1]
    label = str(truth(np.array([cohort.labels[row, cohort.findings.index(reading.finding)]], dtype=float))[0])
    said = "present" if last["present"] else "absent"
    image, words = st.columns([3, 2])
    with image:
        show_case_image(cohort, Part.TEST, links_of(cohort).links[row], key="told-viewer", caption=f"Case {len(answers)} of {len(rows)}")
    with words:
        st.markdown(
            f"You said **{said}** ({CONFIDENCES[int(last['confidence'])].lower()}). The label says **{TRUTH_TITLES[label].lower()}**."
        )
        light = light_of(reading.finding)
        if light is not None and light.scores is not None:
            raters = model_raters(light.scores, [str(last["case_id"])], finding=reading.finding, epsilon=light.epsilon)
            for name, rater in raters.items():
                st.markdown(f"Score {'with privacy' if name == 'private' else name}: {rater.score[0]:.3f}")
        if st.button("Next", type="primary", icon=":material/chevron_right:"):
            st.session_state.pop(TOLD, None)
            st.rerun()


def _compare(cohort: Cohort, reading: Reading, rows: np.ndarray, answers: pd.DataFrame, light_of: LightOf) -> None:
    """The end: reader, private and non-private models on the cases that were read."""
    st.subheader("You and the models, on the cases you read")
    light = light_of(reading.finding)
    if light is None:
        return
    labels = cohort.labels[rows, cohort.findings.index(reading.finding)].astype(float)
    raters = {READER: reader_rater(answers)}
    if light.scores is not None:
        raters |= model_raters(light.scores, list(answers["case_id"]), finding=reading.finding, epsilon=light.epsilon)
    table, pairs = rater_table(raters, labels), pair_table(raters, labels)
    st.markdown(f"##### {comparison_sentence(table, pairs, finding=reading.finding)}")
    facts = [_how_read(cohort, reading, labels), *_promise(light), "Lines: 95 % intervals."]
    figure = readers_figure(table, title=f"{finding_title(reading.finding)}: reader and models", facts=facts, canvas=canvas())
    st.plotly_chart(figure, theme=None, key="figure-readers", config=PLOTLY_SETTINGS)
    st.dataframe(raters_in_words(table), hide_index=True)
    if len(pairs):
        st.dataframe(pairs_in_words(pairs), hide_index=True)
    st.caption(
        "AUROC: score intervals (Newcombe 2006), differences by DeLong's method; the reader's from answer and confidence. Sensitivity and "
        "specificity: exact intervals; a model's at its threshold from validation patients, its scores averaged over trainings. Kappa: "
        "agreement beyond chance (Cohen 1960; Fleiss, Cohen & Everitt 1969)."
    )
    st.download_button("Answers (CSV)", partial(_csv, cohort, answers, labels), "reading.csv", "text/csv", on_click="ignore")


def _promise(light: Light) -> list[str]:
    if light.scores is None or light.epsilon is None:
        return []
    guarantee = installation().runs.result(light.scores.run_at(light.epsilon)).guarantee
    return [f"Private: {guarantee.sentence()}."] if guarantee is not None else []


def _how_read(cohort: Cohort, reading: Reading, labels: np.ndarray) -> str:
    kind = "synthetic cohort" if cohort.synthetic else "cohort"
    mixed = "chosen to be balanced, so shares of positives say nothing of the ward" if reading.balanced else "as they came"
    told = "; label and scores were shown after each answer" if reading.told_after_each else ""
    n_present = int(np.nansum(labels))
    return f"{kind.capitalize()} {cohort.name}: {len(labels)} test patients, one image each, {n_present} with the finding, {mixed}{told}."


def _csv(cohort: Cohort, answers: pd.DataFrame, labels: np.ndarray) -> str:
    named = answers.assign(case=[links_of(cohort).of_case[case_id] for case_id in answers["case_id"]], label=labels)
    return named.drop(columns="case_id").to_csv(index=False)
