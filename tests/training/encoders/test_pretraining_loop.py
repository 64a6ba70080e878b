"""What reduces an encoder's features: directions that tell something first, then components."""

import pytest
import torch

from dpmed_core.training.encoders import pretraining_loop as pretraining
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.pretraining_loop import directions_to, reduction_of
from dpmed_core.training.encoders.radiograph_encoder import reduce_by


@pytest.fixture
def raw():
    """Features of 400 images of which the last, the faintest, alone tells something."""
    torch.manual_seed(0)
    features = torch.randn(400, 60) * torch.linspace(3, 0.3, 60)
    return features, (features[:, -1:] > 0).float()


def test_a_direction_finds_what_tells(raw):
    features, told = raw
    direction = directions_to((features - features.mean(0)) / features.std(0), told)[:, 0]
    assert int(direction.abs().argmax()) == 59 and direction[59] > 3 * direction[:59].abs().max()


def test_what_is_told_comes_before_the_components_and_weighs_as_it_says(raw):
    features, told = raw
    reduced = reduce_by(reduction_of("narrow", features, told), "narrow", features)
    assert reduced.shape == (400, COMPONENTS["narrow"])
    means = [float(reduced[told[:, 0] == label, 0].mean()) for label in (0, 1)]
    assert means[1] - means[0] > pretraining.TOLD_WEIGHT
    assert float(reduced[:, 0].std()) == pytest.approx(pretraining.TOLD_WEIGHT, rel=0.1)


def test_without_anything_told_there_are_components_alone_the_widest_first(raw):
    features, _ = raw
    spread = reduce_by(reduction_of("narrow", features), "narrow", features).std(0)
    assert float(spread[0]) > float(spread[-1])
