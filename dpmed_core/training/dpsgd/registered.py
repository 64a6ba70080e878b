"""Samplers for Opacus's own modules: importing this registers a grad sampler for `GroupNormMish` and norm samplers for convolutions.

Opacus's `GradSampleModule` then trains networks with `GroupNormMish`, and its ghost clipping no longer writes out the gradients of
convolutions.
"""

from collections.abc import Sequence

import torch
from opacus.grad_sample.utils import register_grad_sampler, register_norm_sampler
from torch import Tensor, nn

from dpmed_core.training.dpsgd.convolution import Convolution, contributions
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.layers import GroupNormMish, group_norm_mish


@register_grad_sampler(GroupNormMish)  # type: ignore[untyped-decorator]
def group_norm_mish_gradients(layer: GroupNormMish, activations: Sequence[Tensor], backprops: Tensor) -> dict[nn.Parameter, Tensor]:
    """Each image's gradient of weight and bias, `[n_images, n_channels]`, from the layer's input and the gradient of its output."""
    shape = (len(backprops), layer.num_channels)
    copies = {name: parameter.detach().expand(shape).clone().requires_grad_() for name, parameter in layer.named_parameters()}
    with torch.enable_grad():  # Opacus calls samplers from hooks, in which no graph is recorded
        output = group_norm_mish(activations[0], copies["weight"], copies["bias"], layer.num_groups, layer.eps)
    gradients = torch.autograd.grad(output, list(copies.values()), backprops)
    return {layer.get_parameter(name): gradient for name, gradient in zip(copies, gradients, strict=True)}


@register_norm_sampler([nn.Conv1d, nn.Conv2d, nn.Conv3d])  # type: ignore[untyped-decorator]
def convolution_norms(layer: Convolution, activations: Sequence[Tensor], backprops: Tensor) -> dict[nn.Parameter, Tensor]:
    """The norm of each image's gradient of weight and bias, `[n_images]`, from the layer's input and the gradient of its output."""
    units = Units(torch.arange(len(backprops), device=backprops.device), len(backprops))
    found = contributions(layer, activations[0], backprops, units)
    return {layer.get_parameter(name): contribution.squared_norms(units).sqrt().to(backprops.dtype) for name, contribution in found.items()}
