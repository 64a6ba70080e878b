"""The pointing game on maps that point where they should, and on the phantoms' own marks."""

import numpy as np
import pytest

from benchmarks.lesions import LOCALISED_FINDINGS, lesion_mask, thorax_mask, widened
from benchmarks.pointing_game import point, pointing
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph

SIDE = 64


@pytest.fixture(scope="module")
def population():
    return draw_population(60, seed=4)


def first_with(population, finding):
    shown = population[(population[finding] == 1) & (population[f"severity_{finding}"] > 0.5)]
    return shown.iloc[0], int(shown.index[0])


@pytest.mark.parametrize("finding", LOCALISED_FINDINGS)
def test_the_mark_lies_where_the_image_changes_and_on_the_named_side(population, finding):
    image, index = first_with(population, finding)
    mask = lesion_mask(image, index, finding=finding, size=SIDE, seed=4)
    healthy = image.copy()
    healthy[f"severity_{finding}"] = 0.0
    change = np.abs(
        render_radiograph(image, index, size=SIDE, seed=4, variant="demo")
        - render_radiograph(healthy, index, size=SIDE, seed=4, variant="demo")
    )
    assert 0.001 < mask.mean() < 0.3
    assert change[widened(mask)].mean() > 3 * change[~widened(mask)].mean()
    if finding.endswith(("right", "left")):
        columns = np.flatnonzero(mask.any(axis=0))
        on_image_left = columns.mean() < SIDE / 2
        assert on_image_left == finding.endswith("right")  # an image shows the patient's right on the left


def test_an_absent_finding_has_no_mark_and_the_thorax_holds_most_of_any(population):
    image, index = first_with(population, "pleural_effusion_right")
    without = image.copy()
    without["severity_pleural_effusion_right"] = 0.0
    assert not lesion_mask(without, index, finding="pleural_effusion_right", size=SIDE, seed=4).any()
    thorax = thorax_mask(image, index, size=SIDE, seed=4)
    mask = lesion_mask(image, index, finding="pleural_effusion_right", size=SIDE, seed=4)
    assert 0.2 < thorax.mean() < 0.6 and (mask & thorax).sum() > 0.6 * mask.sum()


def test_a_map_that_knows_hits_and_one_that_does_not_hits_by_chance():
    rng = np.random.default_rng(0)
    lesions = np.zeros((300, 32, 32), bool)
    for lesion, (row, column) in zip(lesions, rng.integers(2, 28, (300, 2)), strict=True):
        lesion[row : row + 4, column : column + 4] = True
    fields = np.ones_like(lesions)
    knows, guesses = pointing(lesions.astype(float), lesions, fields), pointing(rng.normal(size=lesions.shape), lesions, fields)
    assert knows.rate == 1 and knows.is_above_chance
    assert knows.chance == pytest.approx(16 / 1024)
    assert not guesses.is_above_chance and guesses.low <= guesses.chance <= guesses.high
    assert knows.best_fixed == pytest.approx(lesions.mean(axis=0).max())


def test_single_pixels_do_not_point():
    one = np.zeros((64, 64))
    one[5, 5] = 3.0
    one[40:48, 40:48] = 1.0
    row, column = point(one)
    assert 40 <= row < 48 and 40 <= column < 48
