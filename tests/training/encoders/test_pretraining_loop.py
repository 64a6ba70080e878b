"""The reduction of an encoder's features: directions that predict a target first, then principal components."""

import pytest
import torch

from dpmed_core.training.encoders import pretraining_loop as pretraining
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.pretraining_loop import reduction_of, ridge_directions
from dpmed_core.training.encoders.radiograph_encoder import reduce_by


@pytest.fixture
def raw():
    """Features of 400 images, of which the last, with the smallest variance, alone predicts the target."""
    torch.manual_seed(0)
    features = torch.randn(400, 60) * torch.linspace(3, 0.3, 60)
    return features, (features[:, -1:] > 0).float()


def test_a_direction_finds_the_feature_that_predicts(raw):
    features, target = raw
    direction = ridge_directions((features - features.mean(0)) / features.std(0), target)[:, 0]
    assert int(direction.abs().argmax()) == 59 and direction[59] > 3 * direction[:59].abs().max()


def test_predictive_directions_come_before_the_components_and_have_the_stated_spread(raw):
    features, target = raw
    reduced = reduce_by(reduction_of("narrow", features, target), "narrow", features)
    assert reduced.shape == (400, COMPONENTS["narrow"])
    means = [float(reduced[target[:, 0] == label, 0].mean()) for label in (0, 1)]
    assert means[1] - means[0] > pretraining.TARGET_SPREAD
    assert float(reduced[:, 0].std()) == pytest.approx(pretraining.TARGET_SPREAD, rel=0.1)


def test_without_targets_there_are_components_alone_the_widest_first(raw):
    features, _ = raw
    spread = reduce_by(reduction_of("narrow", features), "narrow", features).std(0)
    assert float(spread[0]) > float(spread[-1])
