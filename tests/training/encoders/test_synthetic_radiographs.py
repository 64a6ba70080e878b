"""Radiographs that the wide network learns from."""

import numpy as np
import pytest
import torch

from dpmed_core.training.encoders.augmentation import lightly_varied, varied
from dpmed_core.training.encoders.network_input import to_tensor
from dpmed_core.training.encoders.synthetic_radiographs import TARGETS, draw_worlds


@pytest.fixture(scope="module")
def drawn():
    return draw_worlds(12, size=32, seed=3, workers=1)


def test_worlds_are_the_same_for_the_same_seed_and_others_for_another(drawn):
    radiographs, targets = drawn
    again, _ = draw_worlds(12, size=32, seed=3, workers=1)
    other, _ = draw_worlds(12, size=32, seed=4, workers=1)
    assert radiographs.shape == (12, 32, 32) and targets.shape == (12, len(TARGETS))
    assert np.array_equal(radiographs, again) and not np.array_equal(radiographs, other)


def test_each_image_shows_another_chest(drawn):
    radiographs = drawn[0].reshape(12, -1).astype(float)
    distances = np.abs(radiographs[:, None] - radiographs[None]).mean(2)
    assert (distances[~np.eye(12, dtype=bool)] > 3).all()


@pytest.mark.parametrize("change", [varied, lightly_varied])
def test_an_image_is_shown_otherwise_each_time_and_stays_an_image(drawn, change):
    torch.manual_seed(0)
    radiographs = to_tensor(drawn[0], size=32)
    once, again = change(radiographs), change(radiographs)
    assert once.shape == radiographs.shape and torch.isfinite(once).all()
    assert (once - again).abs().flatten(1).mean(1).min() > 0.02
