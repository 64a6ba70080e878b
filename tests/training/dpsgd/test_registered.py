import pytest
import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from torch import nn

from dpmed_core.training.dpsgd import registered
from dpmed_core.training.networks.models import ResNet9

pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook is firing")


def explicit_gradients(model, images):
    gradients = []
    for image in images:
        model.zero_grad()
        model(image[None]).square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    return gradients


def test_opacus_grad_sample_module_gives_each_images_gradient_of_our_layers():
    torch.manual_seed(0)
    model, images = ResNet9(width=0.125, n_out=2), torch.randn(3, 1, 16, 16)
    expected = explicit_gradients(model, images)
    sampled = GradSampleModule(model, loss_reduction="sum")
    sampled(images).square().sum().backward()
    assert registered.GroupNormMish in GradSampleModule.GRAD_SAMPLERS
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad_sample, torch.stack([g[name] for g in expected]), rtol=1e-4, atol=1e-4), name


def test_opacus_ghost_clipping_gets_the_norms_of_convolutions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 40, 3), nn.Tanh(), nn.Conv2d(40, 40, 3, padding=1), nn.Flatten(), nn.Linear(40 * 4 * 4, 2))
    images = torch.randn(3, 1, 6, 6)
    norms = [torch.sqrt(sum(g.square().sum() for g in gradients.values())) for gradients in explicit_gradients(model, images)]
    ghost = GradSampleModuleFastGradientClipping(model, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=True)
    ghost(images).square().sum().backward()
    assert torch.allclose(ghost.get_norm_sample(), torch.stack(norms), rtol=1e-4)
