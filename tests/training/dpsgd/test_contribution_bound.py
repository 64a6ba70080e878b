"""What one unit adds to a step's sum is at most the clipping bound, rounding included, whatever its images are."""

import pytest
import torch
from torch import nn

from benchmarks.contributions import LAYERS, head_contributions, layer_contribution
from dpmed_core.training.dpsgd import linear
from dpmed_core.training.dpsgd.contributions import PartlyWrittenOut
from dpmed_core.training.dpsgd.stepper import clip_factors
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units

UNITS = 40
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def units_of(*counts):
    return Units(torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)), len(counts))


def norms_and_sum(layer, images, gradients, units, bound=1.0):
    """The norms that units are clipped by, and the clipped sum, flat, where the layer's outputs have `gradients`."""
    module, seen = UnitGradientModule(layer), []
    (module(images, units) * gradients).sum().backward()
    sums = module.clipped_sums(units, lambda norms: seen.append(norms) or clip_factors(norms, bound))
    return seen[0], torch.cat([sums[name].flatten() for name, _ in layer.named_parameters()]).double()


def opposite(off, n=512):
    """Two images alike but for a share `off` of their output gradients."""
    x, g = torch.randn(1, n).expand(2, n), torch.randn(1, n)
    return x.clone(), torch.cat([g, -g * (1 + off)])


@pytest.mark.parametrize("name", LAYERS)
def test_no_unit_contributes_more_than_the_bound(name):
    shares = [layer_contribution(name, seed) for seed in range(UNITS)]
    assert max(shares) <= 1 and max(shares) > 0.99


def test_no_unit_contributes_more_than_the_bound_to_a_head():
    shares = [share for seed in range(UNITS // 4) for share in head_contributions(seed)]
    assert max(shares) <= 1 and max(shares) > 0.99


@pytest.mark.parametrize("off", [0.0, 1e-3, 1e-5, 1e-7])
def test_two_opposite_images_contribute_their_difference_clipped(off):
    torch.manual_seed(0)
    images, gradients = opposite(off)
    layer = nn.Linear(512, 512, bias=False)
    images, gradients = images * 1e4, gradients * 1e4
    _, total = norms_and_sum(layer, images, gradients, units_of(2))
    exact = (gradients.double().T @ images.double()).flatten()
    norm = float(torch.linalg.vector_norm(exact))
    assert float(torch.linalg.vector_norm(total)) <= 1
    if off >= 1e-5:  # closer to each other, the images' difference is itself rounding
        assert torch.linalg.vector_norm(total - exact / norm) < 0.05


def test_a_units_norm_does_not_depend_on_other_units():
    torch.manual_seed(1)
    images, gradients = torch.randn(5, 64), torch.randn(5, 48)
    images[1], gradients[1] = images[0], -gradients[0]
    layer = nn.Linear(64, 48)
    together, _ = norms_and_sum(layer, images, gradients, units_of(2, 2, 1))
    alone = [norms_and_sum(layer, images[part], gradients[part], units_of(n))[0] for part, n in ((slice(2), 2), (slice(2, 4), 2))]
    assert torch.allclose(together[:2], torch.cat(alone), rtol=1e-12, atol=1e-12)


def test_norms_are_no_smaller_than_the_true_ones_and_larger_by_a_hundred_thousandth_at_most():
    torch.manual_seed(2)
    counts = (1, 3, 0, 70)
    images, gradients, layer = torch.randn(74, 60), torch.randn(74, 50), nn.Linear(60, 50, bias=False)
    norms, _ = norms_and_sum(layer, images, gradients, units_of(*counts), bound=1e-3)
    parts = zip(gradients.double().split(counts), images.double().split(counts), strict=True)
    true = torch.stack([torch.linalg.vector_norm(g.T @ x) for g, x in parts])
    assert (norms >= true).all() and (norms <= true * (1 + 1e-5)).all()


def test_only_units_that_need_it_are_written_out():
    torch.manual_seed(3)
    x, g = torch.randn(150, 40), torch.randn(150, 40)
    found = linear.contributions(nn.Linear(40, 40), x, g, units_of(1, 149))["weight"]
    assert isinstance(found, PartlyWrittenOut) and found.which.tolist() == [False, True]


def test_inputs_too_large_for_scaled_gradients_are_clipped_all_the_same():
    images, gradients = torch.full((1, 8), 2.0**110), torch.full((1, 8), 2.0**-100)
    _, total = norms_and_sum(nn.Linear(8, 8, bias=False), images, gradients, units_of(1))
    assert 1 - 1e-5 < float(torch.linalg.vector_norm(total)) <= 1


def test_a_factor_too_small_to_be_rounded_drops_its_unit():
    images, gradients = torch.full((1, 4), 1e18), torch.full((1, 4), 1e19)
    _, total = norms_and_sum(nn.Linear(4, 4, bias=False), images, gradients, units_of(1), bound=1e-3)
    assert not total.any()
