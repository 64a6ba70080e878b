"""Films that the wide network learns from."""

import numpy as np
import pytest
import torch

from dpmed_core.training.pixels import to_tensor
from dpmed_core.training.varied import lightly_varied, varied
from dpmed_core.training.worlds import TARGETS, draw_worlds


@pytest.fixture(scope="module")
def drawn():
    return draw_worlds(12, size=32, seed=3, workers=1)


def test_worlds_are_the_same_for_the_same_seed_and_others_for_another(drawn):
    films, targets = drawn
    again, _ = draw_worlds(12, size=32, seed=3, workers=1)
    other, _ = draw_worlds(12, size=32, seed=4, workers=1)
    assert films.shape == (12, 32, 32) and targets.shape == (12, len(TARGETS))
    assert np.array_equal(films, again) and not np.array_equal(films, other)


def test_each_film_shows_another_chest(drawn):
    films = drawn[0].reshape(12, -1).astype(float)
    distances = np.abs(films[:, None] - films[None]).mean(2)
    assert (distances[~np.eye(12, dtype=bool)] > 3).all()


@pytest.mark.parametrize("change", [varied, lightly_varied])
def test_a_film_is_shown_otherwise_each_time_and_stays_a_film(drawn, change):
    torch.manual_seed(0)
    films = to_tensor(drawn[0], size=32)
    once, again = change(films), change(films)
    assert once.shape == films.shape and torch.isfinite(once).all()
    assert (once - again).abs().flatten(1).mean(1).min() > 0.02
