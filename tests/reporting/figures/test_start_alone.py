"""Epsilon 0 on a logarithmic axis: at its left edge, named as what it is, and in the guarantee's line."""

import numpy as np
import pytest

from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.facts import guarantee_phrases
from dpmed_core.reporting.figures.style import place_of_nothing
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "alone": 0.0, "one": 1.0, "two": 1.0, "high": 8.0}


@pytest.fixture
def tables(make_scored):
    return evaluation_tables(make_scored(RUNS).assign(start="elsewhere"), ["sex"])


@pytest.mark.parametrize("name", ["privacy-utility", "findings", "cost", "gap", "mean-and-worst"])
def test_the_start_alone_stands_left_of_all_budgets(tables, cohort, name):
    chosen = Choice(recipe="probe", unit="patient", finding="mass", epsilon=0.0 if name == "privacy-utility" else 1.0, attribute="sex")
    figure = draw(name, tables, chosen, cohort)
    place = place_of_nothing([0.0, 1.0, 8.0])
    assert place < 1 and figure.layout.xaxis.ticktext[0] == "0 (start alone)" and figure.layout.xaxis.tickvals[0] == pytest.approx(place)
    drawn = [trace for trace in figure.data if trace.x is not None and place in trace.x]
    assert drawn and not [trace for trace in figure.data if trace.x is not None and 0 in trace.x]
    for trace in drawn:
        assert "%{x:g}" not in str(trace.hovertemplate)
        assert trace.text[list(trace.x).index(place)] == "0"
    if name == "privacy-utility":
        assert (place, place) in [(shape.x0, shape.x1) for shape in figure.layout.shapes], "the chosen budget is marked"
    assert "elsewhere" in figure.layout.title.subtitle.text


def test_the_guarantee_of_the_start_alone_is_said_in_words(tables):
    said = guarantee_phrases(tables.runs)
    assert said.endswith("ε = 0 at δ = 0: the public start alone, nothing learnt from this cohort")
    assert "no-training" not in said and "δ = 1e-05" in said
