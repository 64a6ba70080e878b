import pytest
import torch
from torch import nn

from dpmed_core.errors import SpecError
from dpmed_core.training.networks.models import ResNet9, initial_weights, n_groups, refuse_mixing_layers


def test_one_images_output_does_not_depend_on_the_others():
    model = ResNet9(width=0.125, n_out=3)
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    others = torch.cat([images[:1], 100 * images[1:]])
    assert torch.allclose(model(images)[0], model(others)[0], atol=1e-5)


@pytest.mark.parametrize("n_channels", [4, 6, 7, 8, 10, 16, 64, 512])
def test_groups_divide_the_channels_whatever_the_width(n_channels):
    assert n_channels % n_groups(n_channels) == 0
    assert 1 <= n_groups(n_channels) <= 32
    nn.GroupNorm(n_groups(n_channels), n_channels)


def test_odd_widths_can_be_built_and_applied():
    assert ResNet9(width=0.11, n_out=2)(torch.zeros(1, 1, 8, 8)).shape == (1, 2)


def test_batch_normalisation_is_refused_naming_layers_reason_and_substitute():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(4))
    with pytest.raises(SpecError, match=r"\(1, 3\).*mixes the patients.*nn\.GroupNorm"):
        refuse_mixing_layers(model)


def test_group_normalisation_is_not_refused():
    refuse_mixing_layers(ResNet9(width=0.125, n_out=1))


def test_initial_weights_are_fixed_by_their_seed_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    one, same, other = (initial_weights(seed, ResNet9, width=0.125, n_out=2).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert torch.equal(before, torch.get_rng_state())
