import pytest
import torch
from torch import nn

from dpmed_core.training.networks.layers import GroupNormMish, HalvingMaxPool

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("shape", [(3, 8, 5, 7), (2, 12, 4, 6, 5), (1, 4, 300, 400)])
def test_normalisation_with_mish_is_that_of_pytorch_forward_and_backward(shape):
    torch.manual_seed(0)
    ours, theirs = GroupNormMish(4, shape[1]), nn.Sequential(nn.GroupNorm(4, shape[1]), nn.Mish())
    nn.init.normal_(ours.weight), nn.init.normal_(ours.bias)
    theirs[0].load_state_dict(ours.state_dict())
    x, upstream = torch.randn(shape, requires_grad=True), torch.randn(shape)
    found, expected = ours(x), theirs(x)
    assert torch.allclose(found, expected, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(found, [x, *ours.parameters()], upstream),
        torch.autograd.grad(expected, [x, *theirs.parameters()], upstream),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_normalisation_with_mish_passes_a_numerical_check_of_its_gradients():
    torch.manual_seed(0)
    layer = GroupNormMish(2, 4).double()
    assert torch.autograd.gradcheck(layer, torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True))


def test_mish_stands_large_values_of_both_signs():
    layer, x = GroupNormMish(1, 2), torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]])
    with torch.no_grad():
        layer.weight.fill_(1e4)
    assert torch.equal(layer(x).round(), torch.tensor([[[1e4, 1e4], [0.0, 0.0]]]).round())


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (2, 3, 7, 9), (2, 3, 4, 6, 5)])
def test_pooling_is_that_of_pytorch_forward_and_backward(shape):
    peer = nn.MaxPool2d(2) if len(shape) == 4 else nn.MaxPool3d(2)
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    found, expected = HalvingMaxPool()(x), peer(x)
    assert torch.equal(found, expected)
    upstream = torch.randn(found.shape)
    assert torch.equal(torch.autograd.grad(found, x, upstream)[0], torch.autograd.grad(expected, x, upstream)[0])


def test_where_the_largest_value_stands_twice_one_place_gets_the_gradient():
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(HalvingMaxPool()(x).sum(), x)
    assert sorted(gradient.flatten().tolist()) == [0, 0, 0, 1]
