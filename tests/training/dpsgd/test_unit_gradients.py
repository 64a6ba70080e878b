"""Each unit's clipped gradient against an explicit loop in double precision: one unit at a time, ordinary back-propagation."""

import copy

import pytest
import torch
from torch import nn

from dpmed_core.errors import SpecError
from dpmed_core.training.dpsgd import convolution
from dpmed_core.training.dpsgd.contributions import FactoredGradients
from dpmed_core.training.dpsgd.stepper import clip_factors
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.layers import GroupNormMish
from dpmed_core.training.networks.models import BySlice, ConvBlock, ResNet9, SliceNet

TOLERANCE = 1e-5
"""Error of a clipped gradient, relative to the clipping bound."""
IMAGES_OF = (1, 4, 2, 1)
pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Twice(nn.Module):
    """A layer that is used twice in one pass."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.layer(torch.tanh(self.layer(x))).mean((2, 3)))


class Tokens(nn.Module):
    """Linear layers over several vectors per image, and a normalisation that only Opacus has a sampler for."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.norm(self.first(x)))).sum(1)


class ManyLayersBySlice(nn.Module):
    """Every type of layer, applied slice by slice: strides, groups, bias, and a normalisation that only Opacus has a sampler for."""

    def __init__(self):
        super().__init__()
        self.slices = BySlice(
            nn.Sequential(
                nn.Conv2d(1, 8, 3, stride=2, padding=1),
                GroupNormMish(2, 8),
                nn.Conv2d(8, 8, 3, padding="same", groups=2, padding_mode="circular"),
                nn.GroupNorm(2, 8),
                nn.Tanh(),
                nn.Conv2d(8, 64, 2),
                nn.Flatten(),
                nn.Linear(64 * 9, 3),
            )
        )
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.slices(x)).amax(1))


def flat_head(n_channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_channels, 2))


MODELS = {
    "resnet9 in 2D": (lambda: ResNet9(width=0.125, n_out=2), (1, 32, 32)),
    "resnet9 in 3D": (lambda: ResNet9(width=0.0625, n_out=2, dimensions=3), (1, 16, 16, 16)),
    "resnet9 over blocks of voxels": (lambda: ResNet9(width=0.0625, n_out=2, dimensions=3, block=2), (1, 16, 32, 32)),
    "slices under attention": (lambda: SliceNet(width=0.0625, n_out=2), (1, 5, 16, 16)),
    "slices through other layers": (ManyLayersBySlice, (1, 3, 8, 8)),
    "3D CNN": (
        lambda: nn.Sequential(
            ConvBlock(1, 4, dimensions=3, pool=True),
            ConvBlock(4, 8, dimensions=3, pool=True),
            ConvBlock(8, 16, dimensions=3),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        ),
        (1, 16, 16, 16),
    ),
    "strides, dilation, groups, bias": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 8, 3, stride=2, padding=1),
            GroupNormMish(2, 8),
            nn.Conv2d(8, 8, 3, dilation=2, groups=4),
            nn.Conv2d(8, 6, (1, 3), padding="same"),
            nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"),
            flat_head(6),
        ),
        (2, 15, 17),
    ),
    "one dimension": (
        lambda: nn.Sequential(nn.Conv1d(3, 40, 5, padding=2), nn.Conv1d(40, 40, 3), nn.Flatten(), nn.Linear(40 * 4, 2)),
        (3, 6),
    ),
    "a layer used twice": (Twice, (3, 6, 6)),
    "several vectors per image": (Tokens, (4, 5)),
}


def units_of(counts):
    return Units(torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)), len(counts))


def loss_of(outputs, units):
    """Each image's share of its unit's loss; losses differ widely in size."""
    shares = 1 / torch.bincount(units.of_image)[units.of_image]
    return (outputs.square().sum(1) + 3 * outputs[:, 0]) * shares.to(outputs.dtype)


def explicit_gradients(model, images, units):
    """Each unit's gradient, flat, in double precision."""
    model, images = copy.deepcopy(model).double(), images.double()
    gradients = []
    for unit in range(units.n_units):
        rows = units.of_image == unit
        model.zero_grad()
        loss_of(model(images[rows]), Units(torch.zeros(int(rows.sum()), dtype=torch.long), 1)).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    return torch.stack(gradients)


def each_clipped(model, images, units, bound):
    """Each unit's clipped gradient, flat, as the module gives it: all units but one are dropped, in turn."""
    module = UnitGradientModule(model)
    gradients = []
    for unit in range(units.n_units):
        loss_of(module(images, units), units).sum().backward()
        only = (torch.arange(units.n_units) == unit).double()
        sums = module.clipped_sums(units, lambda norms, only=only: clip_factors(norms, bound) * only)
        gradients.append(torch.cat([sums[name].flatten() for name, _ in model.named_parameters()]))
    return torch.stack(gradients).double()


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), IMAGES_OF], ids=["one image each", "unequal numbers of images"])
@pytest.mark.parametrize("name", MODELS)
def test_every_units_clipped_gradient_is_that_of_an_explicit_loop(name, counts):
    build, shape = MODELS[name]
    torch.manual_seed(0)
    model, units = build(), units_of(counts)
    images = torch.randn(sum(counts), *shape)
    expected = explicit_gradients(model, images, units)
    norms = torch.linalg.vector_norm(expected, dim=1)
    bound = float(norms.median())
    clipped = expected * (bound / norms).clamp(max=1)[:, None]
    assert (norms > bound).any() and (norms <= bound).any()
    found = each_clipped(model, images, units, bound)
    assert float(torch.linalg.vector_norm(found - clipped, dim=1).max()) <= TOLERANCE * bound


@pytest.mark.parametrize("gram_cost", [0.0, float("inf")], ids=["factored everywhere", "written out everywhere"])
def test_both_ways_of_a_convolution_give_the_same_gradients(gram_cost, monkeypatch):
    monkeypatch.setattr(convolution, "GRAM_COST", gram_cost)
    torch.manual_seed(1)
    model, units = ResNet9(width=0.125, n_out=3), units_of(IMAGES_OF)
    images = torch.randn(sum(IMAGES_OF), 1, 16, 16)
    expected = explicit_gradients(model, images, units)
    bound = 0.5 * float(torch.linalg.vector_norm(expected, dim=1).min())
    clipped = expected * (bound / torch.linalg.vector_norm(expected, dim=1))[:, None]
    assert float(torch.linalg.vector_norm(each_clipped(model, images, units, bound) - clipped, dim=1).max()) <= TOLERANCE * bound


def test_gradients_of_large_parameters_over_small_maps_stay_factored():
    layer = nn.Conv2d(64, 64, 3, padding=1)
    small, large = (convolution.contributions(layer, torch.randn(1, 64, s, s), torch.randn(1, 64, s, s), units_of((1,))) for s in (4, 32))
    assert isinstance(small["weight"], FactoredGradients) and not isinstance(large["weight"], FactoredGradients)


def test_a_dropped_unit_adds_nothing_even_if_it_is_not_finite():
    torch.manual_seed(2)
    model, units = ResNet9(width=0.125, n_out=2), units_of((2, 2, 1))
    images = torch.randn(5, 1, 16, 16)
    whole = UnitGradientModule(model)
    images[1, 0, 0, 0] = float("nan")
    loss_of(whole(images, units), units).sum().backward()
    sums = whole.clipped_sums(units, lambda norms: clip_factors(norms, 1.0))
    rest = units_of((2, 1))
    expected = each_clipped(model, images[2:], rest, 1.0).sum(0)
    found = torch.cat([sums[name].flatten() for name, _ in model.named_parameters()])
    assert torch.allclose(found.double(), expected, atol=1e-5)


def test_parameters_that_need_no_gradient_are_left_alone():
    model = ResNet9(width=0.125, n_out=2)
    for parameter in model.stages.parameters():
        parameter.requires_grad_(False)
    module, units = UnitGradientModule(model), units_of((1, 1))
    loss_of(module(torch.randn(2, 1, 16, 16), units), units).sum().backward()
    assert set(module.clipped_sums(units, torch.ones_like)) == {"head.weight", "head.bias"}


def test_a_private_pass_computes_no_gradient_that_sums_over_units():
    model, units = ResNet9(width=0.0625, n_out=2), units_of((1, 2))
    module = UnitGradientModule(model)
    loss_of(module(torch.randn(3, 1, 16, 16), units), units).sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    module.clipped_sums(units, torch.ones_like)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_private_step_under_autocast_is_refused():
    model = ResNet9(width=0.0625, n_out=2)
    module, units = UnitGradientModule(model), Units(torch.arange(2), 2)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(SpecError, match="bfloat16, float32"):
        module(torch.randn(2, 1, 16, 16), units).float().sum().backward()
