"""A study with several readers and arms, in sentences and tables for people. The sentences hold foreign text: titles and names."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase, sentence_start
from dpmed_core.phrases import counted
from dpmed_core.reader_study.arm_study.progress import ReaderProgress, StudyState, utc_text, utc_text_from
from dpmed_core.reader_study.arm_study.results import StudyResults
from dpmed_core.reader_study.arm_study.study import Aid, ArmStudy
from dpmed_core.reader_study.multi_reader.comparison import Comparison
from dpmed_core.reader_study.reader_vs_model import PRIVATE
from dpmed_core.reporting.wording.multi_reader import phrase_of


def study_sentences(study: ArmStudy) -> list[str]:
    """What a study is: who reads how many cases for which finding in which arms, and what lies between sessions."""
    *others, last = (phrase_of(arm) for arm in study.arms)
    arms = f"{', '.join(others)} and {last}"
    readers = counted(len(study.readers), "reader", "readers")
    mixed = "half with the finding as far as possible" if study.balanced else "in the cohort's proportion"
    between = (
        f"{counted(study.wash_out_days, 'day', 'days')} of wash-out between two sessions"
        if study.wash_out_days
        else "no wash-out, so that readers may remember cases: a trial"
    )
    return [
        f"{sentence_start(finding_phrase(study.finding))}: {readers}, {len(study.cases)} test patients with one image each, {mixed}.",
        f"Everybody reads every case in {study.n_sessions} sessions, once {arms}; {between}.",
    ]


def guarantee_sentences(study: ArmStudy) -> list[str]:
    """The guarantee of the private model of a study, as it was when the study was planned; none where no arm has it."""
    model = study.models.get(PRIVATE)
    if model is None or not model.guarantee:
        return []
    return [
        f"Private model: one training run, {model.guarantee}. The guarantee is about patients who trained it, not about those whose cases "
        "are read."
    ]


def figure_facts(study: ArmStudy, comparison: Comparison, cohort: str) -> list[str]:
    """What must be known to read the figure of the arms alone.

    Args:
        study: the study.
        comparison: of its arms.
        cohort: the cohort in words.
    """
    counts = comparison.arms.iloc[0]
    what = "this reader on cases like these" if counts["n_readers"] == 1 else "readers and cases like these"
    mixed = "balanced by choice, so not at the prevalence of the cohort" if study.balanced else "chosen at random"
    wash_out = f"{counted(study.wash_out_days, 'day', 'days')} of wash-out" if study.wash_out_days else "no wash-out"
    return [
        f"{cohort}: {counted(int(counts['n_readers']), 'reader', 'readers')}, {int(counts['n_cases'])} test patients, "
        f"{int(counts['n_positive'])} with the finding, {mixed}; {wash_out}.",
        f"Large marks: mean over readers, lines: 95 % intervals for {what}; small marks: each reader.",
    ]


def turn_sentence(study: ArmStudy, mine: ReaderProgress, now: float) -> str:
    """Which session is a reader's now, or when it will be.

    Args:
        study: the study.
        mine: how far the reader is.
        now: UTC seconds since the epoch.
    """
    which = f"Session {mine.session} of {study.n_sessions}"
    if mine.is_done:
        return "You have read all your sessions. Results are shown here when all readers have, or when the study is ended."
    if mine.is_open:
        return f"{which}: {mine.n_answered} of {len(study.cases)} cases answered."
    if now < mine.opens_at:
        return (
            f"{which} may begin on {utc_text_from(mine.opens_at)}: {counted(study.wash_out_days, 'day', 'days')} after your last answer, "
            "so that the cases are forgotten."
        )
    forgot = " It follows at once, because this study has no wash-out." if mine.session > 1 and not study.wash_out_days else ""
    return f"{which} is yours now: {counted(len(study.cases), 'case', 'cases')}.{forgot}"


def aid_sentence(aid: Aid) -> str:
    """What an aided reader sees of the model.

    >>> aid_sentence(Aid(0.4123, 0.25))
    'Score of a model: 0.412, positive at its threshold of 0.250'
    >>> aid_sentence(Aid(0.4123, None))
    'Score of a model: 0.412; it has no threshold, and so no answer'
    """
    if aid.threshold is None:
        return f"Score of a model: {aid.score:.3f}; it has no threshold, and so no answer"
    return f"Score of a model: {aid.score:.3f}, {'positive' if aid.is_positive else 'negative'} at its threshold of {aid.threshold:.3f}"


def progress_in_words(study: ArmStudy, state: StudyState, now: float) -> pd.DataFrame:
    """How far each reader is; nothing of what they answered."""
    return pd.DataFrame(
        {
            "Reader": [one.reader for one in state.readers],
            "Session": [f"{one.session} of {study.n_sessions}" for one in state.readers],
            "Cases answered in it": [f"{one.n_answered} of {len(study.cases)}" for one in state.readers],
            "State": [_state_of(one, now) for one in state.readers],
        }
    )


def _state_of(one: ReaderProgress, now: float) -> str:
    if one.is_done:
        return "all read"
    if one.is_open:
        return "reading"
    return f"wash-out until {utc_text_from(one.opens_at)}" if now < one.opens_at else "may begin"


def study_state_phrase(study: ArmStudy, state: StudyState) -> str:
    """How far a study is, in a few words for a list."""
    if state.ended is not None:
        return f"ended early with {state.ended.n_answers:,} of {study.n_readings:,} answers"
    n_given = sum(one.n_in_all for one in state.readers)
    return "all read" if state.is_over else f"{n_given:,} of {study.n_readings:,} answers"


def result_sentences(study: ArmStudy, state: StudyState, results: StudyResults) -> list[str]:
    """How a study ended, and whose ratings are analysed; what they show say `multi_reader.comparison_sentences`."""
    said = []
    if state.ended is not None:
        end = state.ended
        said.append(
            f"Ended early on {utc_text(end.at)} by {end.by}, with {end.n_answers:,} of {study.n_readings:,} answers. Reason: {end.reason}"
        )
    if results.comparison is None:
        said.append("No reader read every case in every arm, so the arms are not compared.")
    elif results.incomplete:
        said.append(
            f"Left out, because they did not read every case in every arm: {', '.join(results.incomplete)}. Readers who stop may differ "
            "from those who go on."
        )
    if results.comparison is not None and not study.wash_out_days:
        said.append("There was no wash-out: readers may have remembered cases, which can make arms look more alike than they are.")
    return said
