"""The tables of a cohort's finished runs, kept between moves of a slider and shared by all readers."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.load_scores import Scores, read_scores
from dpmed_core.evaluation.scores.scored_runs import finished_runs
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from widgets.lookup import installation

MOST_KEPT, FEW_KEPT = 24, 2

Finished = tuple[tuple[str, float], ...]
"""Run and time of its last change, of every finished run: what names everything computed from them."""


def tables_of(
    cohort: Cohort, by: Sequence[str] = (), *, margin: float = DEFAULT_MARGIN, findings: Sequence[str] | None = None
) -> EvaluationTables:
    """The tables of the finished runs on `cohort`; not to be changed, since all sessions share them."""
    finished = tuple((s.run_id, s.progress.updated_at) for s in finished_runs(installation().runs, cohort))
    judged = None if findings is None else tuple(findings)
    return _tables(cohort.fingerprint, finished, tuple(by), margin, judged, _cohort=cohort)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _tables(
    fingerprint: str, finished: Finished, by: tuple[str, ...], margin: float, findings: tuple[str, ...] | None, _cohort: Cohort
) -> EvaluationTables:
    return EvaluationTables(partial(_scores, fingerprint, finished, _cohort), by, margin=margin, findings=findings)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _scores(fingerprint: str, finished: Finished, _cohort: Cohort) -> Scores:
    del fingerprint, finished  # they name what is kept
    return read_scores(installation().runs, _cohort)
