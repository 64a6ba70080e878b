"""The tables of a cohort's finished runs, kept between moves of a slider and shared by all readers."""

from collections.abc import Iterable, Sequence
from typing import NewType

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.load_scores import Scores, read_scores
from dpmed_core.evaluation.scores.scored_runs import finished_runs
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.runs.status import RunStatus
from widgets.choices import chosen_delta, current_choices
from widgets.lookup import installation

MOST_KEPT, FEW_KEPT = 24, 2
"""Sets of tables, and sets of scores, in the cache: tables are small, scores are arrays of every run and case."""

Finished = NewType("Finished", str)
"""Run and time of its last change, of every finished run: a cache key of everything computed from them, new when a run is finished. A text,
since Streamlit looks at each part of a key that has parts, in some .02 ms."""


def tables_of(
    cohort: Cohort,
    by: Sequence[str] = (),
    *,
    margin: float = DEFAULT_MARGIN,
    findings: Sequence[str] | None = None,
    epsilons: Sequence[float] | None = None,
) -> EvaluationTables:
    """The tables of the finished runs on `cohort`, from the chosen start and at the chosen delta.

    No caller may change a row: all sessions share them.

    Args:
        cohort: whose runs.
        by: attributes of the subgroups.
        margin: acceptable loss, for costs and verdicts.
        findings: those of the verdicts; None for all.
        epsilons: budgets whose verdicts are judged together; None for all.
    """
    start, delta = current_choices().start, chosen_delta()
    return tables_from(cohort, by, margin=margin, findings=findings, epsilons=epsilons, start=start, delta=delta)


def tables_from(
    cohort: Cohort,
    by: Sequence[str] = (),
    *,
    margin: float = DEFAULT_MARGIN,
    findings: Sequence[str] | None = None,
    epsilons: Sequence[float] | None = None,
    start: str | None = None,
    delta: float | None = None,
) -> EvaluationTables:
    """As `tables_of`, of runs from one public start, at the delta that is chosen where budgets were trained at several; in no session."""
    finished = key_of_runs(finished_runs(installation().runs, cohort, start=start))
    judged, budgets = (None if names is None else tuple(names) for names in (findings, epsilons))
    return _tables(cohort.fingerprint, finished, start, tuple(by), margin, judged, budgets, delta, _cohort=cohort)


def key_of_runs(finished: Iterable[RunStatus]) -> Finished:
    """The key of caches that stands for these finished runs."""
    return Finished(" ".join(f"{status.run_id} {status.progress.updated_at!r}" for status in finished))


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _tables(
    fingerprint: str,
    finished: Finished,
    start: str | None,
    by: tuple[str, ...],
    margin: float,
    findings: tuple[str, ...] | None,
    epsilons: tuple[float, ...] | None,
    delta: float | None,
    _cohort: Cohort,
) -> EvaluationTables:
    """The tables; the arguments are the key of the cache."""

    # The scores are read when a table first needs them, and once for all attributes and margins.
    def read() -> Scores:
        return _scores(fingerprint, finished, start, _cohort).at_one_delta(delta)

    return EvaluationTables(read, by, margin=margin, findings=findings, epsilons=epsilons)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _scores(fingerprint: str, finished: Finished, start: str | None, _cohort: Cohort) -> Scores:
    del fingerprint, finished  # they are the cache key: Streamlit leaves out arguments with an underscore
    return read_scores(installation().runs, _cohort, start=start)
