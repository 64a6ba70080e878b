"""The same step by others: plain PyTorch, Opacus with hooks, Opacus with ghost clipping, per-image gradients by torch.func."""

import copy
from collections.abc import Callable

import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer
from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from dpmed_core.training.networks.layers import GroupNormMish, HalvingMaxPool
from dpmed_core.training.networks.models import SliceNet, space_to_depth

Step = Callable[[], None]
POOLS: dict[type[nn.Module], type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {nn.Conv2d: nn.MaxPool2d, nn.Conv3d: nn.MaxPool3d}
IMAGES_AT_ONCE_BY_FUNC = 16


def plain_layers(model: nn.Module) -> nn.Module:
    """A copy of `model` in PyTorch's own layers, with the same weights."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, GroupNormMish):
                norm = nn.GroupNorm(layer.num_groups, layer.num_channels, eps=layer.eps)
                norm.load_state_dict(layer.state_dict())
                setattr(parent, name, nn.Sequential(norm, nn.Mish()))
            elif isinstance(layer, HalvingMaxPool):
                setattr(parent, name, POOLS[type(parent.get_submodule("0"))](2))
    return model


class SlicesForOpacus(nn.Module):
    """The layers of a `SliceNet` for tools that require each case to be one row of every layer: kernels of 1 x 3 x 3 over whole volumes.

    The amount of work is the same; normalisation is over all slices of a volume, so that outputs differ slightly.
    """

    def __init__(self, model: SliceNet) -> None:
        super().__init__()
        plain = plain_layers(model)
        encoder = plain.get_submodule("slices.network")
        self.block = model.slices.network.block
        self.stages, self.features = _over_volumes(encoder.get_submodule("stages")), encoder.get_submodule("head")
        self.attention, self.head = plain.get_submodule("attention"), plain.get_submodule("head")

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of volumes `x` `[n, 1, depth, height, width]`."""
        n, _, depth, *plane = x.shape
        planes = space_to_depth(x.reshape(n * depth, 1, *plane), self.block)
        x = planes.view(n, depth, *planes.shape[1:]).transpose(1, 2).contiguous()
        for stage in self.stages:
            x = stage(x)
        return self.head(self.attention(self.features(x.amax(dim=(3, 4)).transpose(1, 2).contiguous())))


def _over_volumes(model: nn.Module) -> nn.Module:
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d):
                flat = nn.Conv3d(layer.in_channels, layer.out_channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
                flat.load_state_dict({"weight": layer.weight.detach().unsqueeze(2)})
                setattr(parent, name, flat)
            elif isinstance(layer, nn.MaxPool2d):
                setattr(parent, name, nn.MaxPool3d((1, 2, 2)))
    return model


def loss_by_image(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy summed over findings, `[n_images]`."""
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1)


def eager_step(model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer) -> Step:
    """Non-private, as one would write it in plain PyTorch."""

    def step() -> None:
        optimizer.zero_grad()
        loss_by_image(model(images), labels).sum().backward()
        optimizer.step()

    return step


def opacus_hooks_step(
    model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, *, noise_multiplier: float, max_grad_norm: float
) -> Step:
    """Opacus's standard engine: per-image gradients, written out by hooks."""
    sampled = GradSampleModule(model, loss_reduction="sum")
    private = DPOptimizer(
        optimizer,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        expected_batch_size=len(images),
        loss_reduction="sum",
    )

    def step() -> None:
        private.zero_grad()
        loss_by_image(sampled(images), labels).sum().backward()
        private.step()

    return step


def opacus_ghost_step(
    model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, *, noise_multiplier: float, max_grad_norm: float
) -> Step:
    """Opacus's fast gradient clipping: two backward passes, norms by ghost clipping where it has a sampler."""
    sampled = GradSampleModuleFastGradientClipping(model, loss_reduction="sum", max_grad_norm=max_grad_norm, use_ghost_clipping=True)
    private = DPOptimizerFastGradientClipping(
        optimizer,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        expected_batch_size=len(images),
        loss_reduction="sum",
    )
    criterion = DPLossFastGradientClipping(sampled, private, _Criterion(), "sum")

    def step() -> None:
        private.zero_grad()
        criterion(sampled(images), labels).backward()
        private.step()

    return step


def func_step(
    model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, *, noise_multiplier: float, max_grad_norm: float
) -> Step:
    """Per-image gradients by vmap over grad, a few images at a time."""
    parameters = dict(model.named_parameters())

    def loss_of_one(given: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return loss_by_image(functional_call(model, given, (image[None],)), label[None]).sum()

    by_image = vmap(grad(loss_of_one), in_dims=(None, 0, 0))

    def step() -> None:
        sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
        constants = {name: p.detach() for name, p in parameters.items()}
        for start in range(0, len(images), IMAGES_AT_ONCE_BY_FUNC):
            part = slice(start, start + IMAGES_AT_ONCE_BY_FUNC)
            gradients = by_image(constants, images[part], labels[part])
            norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()
            factors = (max_grad_norm / norms).clamp(max=1)
            for name, g in gradients.items():
                sums[name] += torch.einsum("n,n...->...", factors, g)
        for name, p in parameters.items():
            p.grad = (sums[name] + noise_multiplier * max_grad_norm * torch.randn_like(p)) / len(images)
        optimizer.step()

    return step


class _Criterion(nn.Module):
    """The loss as Opacus's fast gradient clipping requires it: one number per image where it sets `reduction` to "none"."""

    reduction = "sum"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = loss_by_image(logits, labels)
        return losses if self.reduction == "none" else losses.sum()
