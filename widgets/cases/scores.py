"""Scores and worklists of the page Cases, cached for all readers."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.cases.case_scores import CaseScores, case_scores
from dpmed_core.evaluation.cases.worklist import unscored_worklist, worklist
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from widgets.cached import MOST_KEPT, split_of
from widgets.cases.shown_case import ModelContext

WorklistKey = tuple[str, str, Part, str, str, str, float | None]


def scores_of(tables: EvaluationTables, *, recipe: str, unit: str, part: Part) -> CaseScores | None:
    """The scores of the training runs of `recipe` and `unit` for the cases of `part`; None where there are none."""
    return _scores(tables.token, recipe, unit, part, _tables=tables)


def worklist_of(context: ModelContext, *, attribute: str | None) -> pd.DataFrame:
    """The worklist of all cases of the part; must not be changed, because all sessions share it.

    Args:
        context: the models.
        attribute: groups the cases; None for no groups.
    """
    return _worklist(worklist_key(context), attribute, context)


def worklist_key(context: ModelContext) -> WorklistKey:
    """What a worklist depends on besides its groups."""
    here = context
    return here.cohort.fingerprint, here.token, here.part, here.finding, here.recipe, here.unit, here.epsilon


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _scores(token: str, recipe: str, unit: str, part: Part, _tables: EvaluationTables) -> CaseScores | None:
    del token  # key of the cache
    # Scores of training cases are not stored: they would flatter the models, and say who was trained on.
    held_out = {Part.TEST: _tables.scores.test, Part.VALIDATION: _tables.scores.validation}
    return case_scores(held_out.get(part, ()), _tables.scores.validation, recipe=recipe, unit=unit)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _worklist(key: WorklistKey, attribute: str | None, _context: ModelContext) -> pd.DataFrame:
    del key
    if _context.scores is not None:
        return worklist(_context.scores, finding=_context.finding, epsilon=_context.epsilon, attribute=attribute)
    cohort = _context.cohort
    cases = cohort.cases.iloc[split_of(cohort).rows(_context.part)].reset_index(drop=True)
    return unscored_worklist(cases, cohort.findings, finding=_context.finding, attribute=attribute)
