"""The reader study: the reader answers before labels and scores are shown, and is compared with the models at the end.

While a reading is open, its session shows nothing else of the page *Cases*: a look at the worklist would show labels and scores.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain, plain_csv
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted
from dpmed_core.reader_study.case_selection import cases_to_read
from dpmed_core.reader_study.reader_vs_model import PRIVATE, READER, model_raters, pair_table, rater_table, reader_rater
from dpmed_core.reader_study.store import CONFIDENCES, Reading
from dpmed_core.reporting.figures.readers import readers_figure
from dpmed_core.reporting.wording.reader_study import comparison_sentence, pairs_in_words, raters_in_words, readings_so_far
from widgets.address.session import go, in_address
from widgets.budget_control.following import show_plot
from widgets.cached import links_of, split_of
from widgets.cases.answer_form import ask_about_case
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.model_context import first_private_run
from widgets.cases.shown_case import ModelContext
from widgets.lookup import asked_for_later, canvas, installation
from widgets.people.sign_on import name_input
from widgets.viewer.component import show_case_image

ADDRESS, OPEN = "reading", "open-reading"
TRIAL, STUDY = 5, 20
SIZES = (TRIAL, 10, STUDY, 40, 60, 100)
SIZE_TITLES = {TRIAL: f"{TRIAL}: a trial", STUDY: f"{STUDY}: a study"}
LABEL_SHOWN = "reading-label-shown"
ContextOf = Callable[[str], ModelContext | None]
"""Gives the models for a finding, with controls and guarantee; called only once the reader may see scores."""


def has_open_reading(cohort: Cohort) -> bool:
    """Whether this session reads test cases of `cohort` at present."""
    here = installation().reader_study
    known = (here.reading(name) for name in (in_address(ADDRESS), st.session_state.get(OPEN)) if name)
    return any(reading is not None and reading.fingerprint == cohort.fingerprint and here.is_open(reading) for reading in known)


def show_reader_study(cohort: Cohort, finding: str, context_of: ContextOf) -> None:
    """A reading to begin or continue, or the comparison at its end."""
    reading = _current(cohort)
    if reading is None:
        _show_form(cohort, finding)
        return
    rows = _rows(cohort, reading)
    answers = installation().reader_study.answers(reading)
    # Where the reading is follows from the stored answers alone, so a reload or another browser continues at the same case.
    n_read, label_shown = len(answers), st.session_state.get(LABEL_SHOWN)
    st.markdown(f"**{plain(finding_title(reading.finding))}**, read by {plain(reading.reader)}: {n_read} of {len(rows)} cases answered")
    st.progress(n_read / len(rows))
    if label_shown == (reading.reading_id, n_read - 1):
        _show_label(cohort, reading, rows, answers, context_of)
    elif n_read < len(rows):
        _show_case(cohort, reading, rows, n_read)
    else:
        _show_comparison(cohort, reading, rows, answers, context_of)
    if installation().reader_study.is_open(reading):
        st.session_state[OPEN] = reading.reading_id
        _show_way_out(reading, n_left=len(rows) - n_read)
    elif st.button("Another reading", icon=":material/restart_alt:"):
        _go_to(None)


def _show_way_out(reading: Reading, *, n_left: int) -> None:
    """How a reading ends before its last case, which is recorded."""
    st.caption("The worklist and uploads stay closed until this reading ends. You can also leave now, and continue with the same name.")
    with st.popover("Give up this reading", icon=":material/cancel:"):
        st.markdown(f"It ends for good, with {counted(n_left, 'case', 'cases')} not read, and is kept as given up.")
        if st.button("Give up for good"):
            installation().reader_study.give_up(reading)
            _go_to(None)


def _current(cohort: Cohort) -> Reading | None:
    """The reading that the address names, or the open one of this session; None where there is none of this cohort."""
    asked = in_address(ADDRESS) or (st.session_state.get(OPEN) if has_open_reading(cohort) else None)
    if asked is None:
        return None
    reading = installation().reader_study.reading(asked)
    if reading is None or reading.fingerprint != cohort.fingerprint:
        st.error("The reading in this address does not exist for this cohort: start a new one.", icon=":material/link_off:")
        return None
    if installation().reader_study.was_given_up(reading):
        st.info("The reading in this address was given up: start a new one.", icon=":material/cancel:")
        return None
    return reading


def _go_to(reading: Reading | None) -> None:
    for kept in (LABEL_SHOWN, OPEN):
        st.session_state.pop(kept, None)
    go(ADDRESS, reading.reading_id if reading else None)
    st.rerun()


def _show_form(cohort: Cohort, finding: str) -> None:
    """The form that begins a reading, or continues an unfinished one."""
    findings = list(cohort.findings)
    with st.form("begin-reading", border=True):
        st.markdown("Read test cases without labels and scores; at the end you are compared with the models on the same cases.")
        reader = name_input("Your name or a pseudonym", about="With the same name you can continue later, in any browser.")
        left, right = st.columns(2)
        chosen = left.selectbox("Finding", findings, findings.index(finding) if finding != MACRO else 0, format_func=finding_title)
        n_cases = right.selectbox("Cases", SIZES, format_func=lambda n: SIZE_TITLES.get(n, str(n)))
        balanced = left.checkbox(
            "Half with the finding, half without", True, help="As far as possible. Off: in the proportion of the cohort."
        )
        told = right.checkbox(
            "Show label and scores after each answer",
            False,
            help="Off in most reader studies, so that readers do not learn from the labels.",
        )
        begun = st.form_submit_button("Start or continue", type="primary", icon=":material/visibility_off:")
    if so_far := readings_so_far(*_ends(cohort)):
        st.caption(plain(so_far))
    if begun:
        asked = {"finding": chosen, "n_cases": n_cases, "balanced": balanced}
        # There may be fewer cases; how many does not depend on the reading's name, which is not known yet.
        asked["n_cases"] = len(cases_to_read(cohort, split_of(cohort), **asked, reading_id="", key=installation().key))
        _go_to(installation().reader_study.begin(reader=reader, fingerprint=cohort.fingerprint, told_after_each=told, **asked))


def _ends(cohort: Cohort) -> tuple[int, int, int]:
    """How many readings of this cohort are finished, open and given up."""
    here = installation().reader_study
    readings = here.of(cohort.fingerprint)
    n_open, n_given_up = sum(map(here.is_open, readings)), sum(map(here.was_given_up, readings))
    return len(readings) - n_open - n_given_up, n_open, n_given_up


def _rows(cohort: Cohort, reading: Reading) -> np.ndarray:
    """The rows of the reading's cases in the cohort, in the order of reading."""
    asked = {"finding": reading.finding, "n_cases": reading.n_cases, "balanced": reading.balanced, "reading_id": reading.reading_id}
    return cases_to_read(cohort, split_of(cohort), **asked, key=installation().key)


def _show_case(cohort: Cohort, reading: Reading, rows: np.ndarray, place: int) -> None:
    """One case, and what becomes of the reader's answer; a second one for the same case, from another tab, changes nothing."""
    given = ask_about_case(cohort, rows.tolist(), place, finding=reading.finding, name=reading.reading_id)
    if given is not None:
        case_id = str(cohort.cases["case_id"].iloc[rows[place]])
        installation().reader_study.record(reading, place=place, case_id=case_id, **given._asdict())
        if reading.told_after_each:
            st.session_state[LABEL_SHOWN] = (reading.reading_id, place)
        st.rerun()


def _show_label(cohort: Cohort, reading: Reading, rows: np.ndarray, answers: pd.DataFrame, context_of: ContextOf) -> None:
    """The label and the models' scores after an answer, where the reader chose to see them."""
    row, last = int(rows[len(answers) - 1]), answers.iloc[-1]
    label = str(truth(np.array([cohort.labels[row, cohort.findings.index(reading.finding)]], dtype=float))[0])
    said = "present" if last["present"] else "absent"
    image, words = st.columns([3, 2])
    with image:
        show_case_image(cohort, Part.TEST, links_of(cohort).links[row], key="label-viewer", caption=f"Case {len(answers)} of {len(rows)}")
    with words:
        st.markdown(
            f"Your answer: **{said}** (confidence: {CONFIDENCES[int(last['confidence'])].lower()}). "
            f"Label: **{TRUTH_TITLES[label].lower()}**."
        )
        context = context_of(reading.finding)
        if context is not None and context.scores is not None:
            raters = model_raters(context.scores, [str(last["case_id"])], finding=reading.finding, epsilon=context.epsilon)
            for name, rater in raters.items():
                st.markdown(f"Score {plain('with privacy' if name == PRIVATE else name)}: {rater.score[0]:.3f}")
        if st.button("Next", type="primary", icon=":material/chevron_right:"):
            st.session_state.pop(LABEL_SHOWN, None)
            st.rerun()


def _show_comparison(cohort: Cohort, reading: Reading, rows: np.ndarray, answers: pd.DataFrame, context_of: ContextOf) -> None:
    """Reader, a private and a non-private model compared on the cases that were read."""
    st.header("You and one model of each kind on the cases you read")
    context = context_of(reading.finding)
    if context is None:
        return
    labels = cohort.labels[rows, cohort.findings.index(reading.finding)].astype(float)
    raters = {READER: reader_rater(answers)}
    if context.scores is not None:
        raters |= model_raters(context.scores, list(answers["case_id"]), finding=reading.finding, epsilon=context.epsilon)
    table, pairs = rater_table(raters, labels), pair_table(raters, labels)
    sentence = comparison_sentence(table, pairs, finding=reading.finding)
    st.markdown(f"## {plain(sentence)}")
    facts = [_how_read(cohort, reading, labels), *_guarantee(context), "Lines: 95 % intervals."]
    figure = readers_figure(table, title=f"{finding_title(reading.finding)}: reader and models", facts=facts, canvas=canvas())
    show_plot(figure, key="figure-readers", alternative=sentence)
    st.dataframe(raters_in_words(table), hide_index=True)
    if len(pairs):
        st.dataframe(pairs_in_words(pairs), hide_index=True)
    st.caption(
        "AUROC: score intervals (Newcombe 2006), differences by DeLong's method; the reader's AUROC from answer and confidence. "
        "Sensitivity and specificity: exact intervals; a model is one training run, the one with the smallest seed, at its own "
        "threshold from validation patients. Kappa: agreement beyond chance (Cohen 1960; Fleiss, Cohen & Everitt 1969)."
    )
    st.download_button(
        "Answers (CSV)",
        asked_for_later(partial(_csv, cohort, answers, labels), Action.READ_CASES, "answers"),
        "reading.csv",
        "text/csv",
        on_click="ignore",
    )


def _guarantee(context: ModelContext) -> list[str]:
    if (found := first_private_run(context)) is None:
        return []
    run, guarantee, n_runs = found
    first = f", training run {int(run['seed']) + 1} of {n_runs}" if n_runs > 1 else ""
    return [f"Private: one model{first}, {guarantee.sentence()}."]


def _how_read(cohort: Cohort, reading: Reading, labels: np.ndarray) -> str:
    """How the cases were chosen and read, for the figure."""
    kind = "synthetic cohort" if cohort.synthetic else "cohort"
    mixed = "balanced by choice, so not at the prevalence of the cohort" if reading.balanced else "chosen at random"
    told = "; label and scores were shown after each answer" if reading.told_after_each else ""
    n_present = int(np.nansum(labels))
    return f"{kind.capitalize()} {cohort.name}: {len(labels)} test patients, one image each, {n_present} with the finding, {mixed}{told}."


def _csv(cohort: Cohort, answers: pd.DataFrame, labels: np.ndarray, here: Installation) -> str:
    named = answers.assign(case=[links_of(cohort).of_case[case_id] for case_id in answers["case_id"]], label=labels)
    return plain_csv(named.drop(columns="case_id"))
