"""What the page Cases looks up, kept between moves and shared by all readers: scores, worklists, links and parts."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.cases.case_scores import CaseScores, case_scores
from dpmed_core.evaluation.cases.worklist import unscored_worklist, worklist
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from widgets.cached import MOST_KEPT, split_of
from widgets.cases.shown_case import Light


def scores_of(tables: EvaluationTables, *, recipe: str, unit: str, part: Part) -> CaseScores | None:
    """The trainings of `recipe` and `unit` and what they say of the cases of `part`; None where they scored none."""
    return _scores(tables.token, recipe, unit, part, _tables=tables)


def worklist_of(light: Light, *, attribute: str | None) -> pd.DataFrame:
    """Every case of the part with what the trainings say of it; not to be changed, since all sessions share it.

    Args:
        light: what is asked of the cases.
        attribute: that they are grouped by.
    """
    return _worklist(
        (light.cohort.fingerprint, light.token, light.part, light.finding, light.recipe, light.unit, light.epsilon), attribute, light
    )


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _scores(token: str, recipe: str, unit: str, part: Part, _tables: EvaluationTables) -> CaseScores | None:
    del token
    held_out = {Part.TEST: _tables.scores.test, Part.VALIDATION: _tables.scores.validation}
    return case_scores(held_out.get(part, ()), _tables.scores.validation, recipe=recipe, unit=unit)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _worklist(name: tuple[object, ...], attribute: str | None, _light: Light) -> pd.DataFrame:
    del name  # of what is kept
    if _light.scores is not None:
        return worklist(_light.scores, finding=_light.finding, epsilon=_light.epsilon, attribute=attribute)
    cohort = _light.cohort
    cases = cohort.cases.iloc[split_of(cohort).rows(_light.part)].reset_index(drop=True)
    return unscored_worklist(cases, cohort.findings, finding=_light.finding, attribute=attribute)
