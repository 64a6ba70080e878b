"""Domain-randomised radiographs and their augmentation."""

import numpy as np
import pytest
import torch

from dpmed_core.training.encoders.augmentation import augment, augment_lightly
from dpmed_core.training.encoders.network_input import to_tensor
from dpmed_core.training.encoders.synthetic_radiographs import TARGETS, draw_randomised_radiographs


@pytest.fixture(scope="module")
def drawn():
    return draw_randomised_radiographs(12, size=32, seed=3, workers=1)


@pytest.mark.slow
def test_a_seed_gives_the_same_radiographs_again_and_another_seed_others(drawn):
    radiographs, targets = drawn
    again, _ = draw_randomised_radiographs(12, size=32, seed=3, workers=1)
    other, _ = draw_randomised_radiographs(12, size=32, seed=4, workers=1)
    assert radiographs.shape == (12, 32, 32) and targets.shape == (12, len(TARGETS))
    assert np.array_equal(radiographs, again) and not np.array_equal(radiographs, other)


def test_each_image_shows_another_chest(drawn):
    radiographs = drawn[0].reshape(12, -1).astype(float)
    distances = np.abs(radiographs[:, None] - radiographs[None]).mean(2)
    assert (distances[~np.eye(12, dtype=bool)] > 3).all()


@pytest.mark.parametrize("change", [augment, augment_lightly])
def test_augmentation_differs_each_time_and_keeps_shape_and_finiteness(drawn, change):
    torch.manual_seed(0)
    radiographs = to_tensor(drawn[0], size=32)
    once, again = change(radiographs), change(radiographs)
    assert once.shape == radiographs.shape and torch.isfinite(once).all()
    assert (once - again).abs().flatten(1).mean(1).min() > 0.02
