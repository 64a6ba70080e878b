"""Figures of the page *Privacy* draw the numbers they were given."""

import numpy as np
import pytest

from dpmed_core.privacy.meaning.attack_odds import gaussian_odds
from dpmed_core.reporting.figures.attack_odds import attack_curve_figure, guesses_figure
from dpmed_core.reporting.figures.exposure import MOST_DOTS, ExposureLine, drawn_dots, exposure_figure
from dpmed_core.reporting.figures.style import DARK, LIGHT


@pytest.mark.parametrize(("guess_right", "right"), [(50.0, 50), (55.33, 56), (79.8, 80), (100.0, 100), (56.0, 56)])
def test_a_hundred_guesses_are_rounded_up(guess_right, right):
    chance, through, wrong = guesses_figure(guess_right).data
    assert (len(chance.x), len(through.x), len(wrong.x)) == (50, right - 50, 100 - right)


@pytest.mark.parametrize("canvas", [LIGHT, DARK])
def test_a_row_draws_every_patient_and_the_bound_once(canvas):
    aucs = np.linspace(0.45, 0.9, 30)
    lines = [ExposureLine("without privacy", "non_private", aucs), ExposureLine("ε = 1, patient", "private", aucs - 0.1, 0.575, True)]
    figure = exposure_figure(lines, facts=["a fact"], canvas=canvas)
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert sorted(dots[1].x) == pytest.approx(list(aucs)) and sorted(dots[0].x) == pytest.approx(list(aucs - 0.1))
    (bound,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert set(bound.x) == {0.575} and min(bound.y) < dots[0].y.mean() < max(bound.y)
    assert list(figure.layout.yaxis.ticktext) == ["<b>ε = 1, patient</b>", "without privacy"]


def test_of_many_patients_the_most_exposed_are_all_drawn_and_the_figure_says_so():
    aucs = np.random.default_rng(0).normal(0.6, 0.05, 20_000)
    assert set(np.sort(aucs)[-50:]) <= set(drawn_dots(aucs)) and len(drawn_dots(aucs)) <= MOST_DOTS + 50
    assert np.median(drawn_dots(aucs)[:-50]) == pytest.approx(np.median(aucs), abs=0.002)
    figure = exposure_figure([ExposureLine("without privacy", "non_private", aucs)], facts=[])
    assert "Of 20,000 patients about 400 are drawn" in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_the_curve_is_that_of_the_odds():
    odds = gaussian_odds(1.0)
    curve, chance = attack_curve_figure([("one patient", odds.curve)], facts=[]).data
    assert [1 - missed for _, missed in odds.curve] == pytest.approx(list(curve.y)) and list(chance.x) == [0, 1]
