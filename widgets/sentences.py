"""The sentences of a page at every trained budget, kept by all sessions: they follow the axis, and a gesture makes none of them anew."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.fairness import fairness_sentence
from dpmed_core.reporting.wording.fairness_headline import verdict_headline
from dpmed_core.reporting.wording.utility import added_sentence, utility_sentence
from widgets.budget_control.first_words import Line

MOST_KEPT = 300
"""Sets of sentences in the cache, each of a few kilobytes."""


def utility_lines(tables: EvaluationTables, shown: Choice, trained: list[float]) -> dict[float, list[Line]]:
    """What privacy costs at each of `trained`, and what it adds to a public start where there is one."""
    about = replace(shown, epsilon=None, published=None)
    return _utility(tables.token, about, tuple(trained), with_start=tables.start is not None, _tables=tables.of(shown.measured))


def verdict_headlines(of_plan: EvaluationTables, shown: Choice, trained: list[float], *, reference: str) -> dict[float, str]:
    """The verdict on the groups at each of `trained`, from the tables of the analysis plan and against its reference."""
    return _headlines(of_plan.token, replace(shown, epsilon=None, reference=reference), tuple(trained), _of_plan=of_plan)


def fairness_lines(headlines: Mapping[float, str], sentences: Mapping[float, str]) -> dict[float, list[Line]]:
    """The verdict at each budget, and under it what privacy costs the groups."""
    return {epsilon: [Line(headlines[epsilon], "headline"), Line(sentence)] for epsilon, sentence in sentences.items()}


def fairness_sentences(tables: EvaluationTables, shown: Choice, trained: list[float]) -> dict[float, str]:
    """What privacy costs the groups at each of `trained`."""
    return _fairness(tables.token, replace(shown, epsilon=None), tuple(trained), _tables=tables.of(shown.measured))


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _utility(token: str, shown: Choice, trained: tuple[float, ...], with_start: bool, _tables: MetricTables) -> dict[float, list[Line]]:
    del token  # the key of the cache, which stands for the tables
    about = {"recipe": str(shown.recipe), "unit": str(shown.unit), "finding": str(shown.finding)}
    said = {}
    for epsilon in trained:
        cost = utility_sentence(_tables.overall, metric=_tables.metric, epsilon=epsilon, **about)
        added = added_sentence(_tables.added, metric=_tables.metric, epsilon=epsilon, **about) if with_start else ""
        said[epsilon] = [Line(cost, "headline"), *([Line(added)] if added else [])]
    return said


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _fairness(token: str, shown: Choice, trained: tuple[float, ...], _tables: MetricTables) -> dict[float, str]:
    del token
    return {epsilon: fairness_sentence(_tables.costs, **replace(shown, epsilon=epsilon).of_subgroups()) for epsilon in trained}


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _headlines(token: str, shown: Choice, trained: tuple[float, ...], _of_plan: EvaluationTables) -> dict[float, str]:
    del token
    rows = Choice(recipe=shown.recipe, unit=shown.unit).rows(_of_plan.verdicts)
    rows = rows[rows["reference"] == shown.reference]
    about = {"attribute": str(shown.attribute), "finding": str(shown.finding)}
    return {epsilon: verdict_headline(rows[rows["epsilon"] == epsilon], epsilon=epsilon, **about) for epsilon in trained}
