"""The module around a model that leaves, after one backward pass, what each unit's gradient is made of.

Ordinary back-propagation also sums every weight's gradient over the batch, which private training cannot use. Here weights enter the
graph as constants, so that work is not done; inputs and output gradients of layers are caught instead. Normalisations get a copy of
their parameters for each image, whose gradients back-propagation leaves for each image by itself. A layer of another kind is served by the
grad sampler that is registered for it with Opacus, or by Opacus's functorch.

A layer may see an image as several rows, one image's after another's (the slices of a volume, `models.BySlice`); each row then belongs to
its image's unit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient, prepare_layer
from opacus.grad_sample.gsm_base import AbstractGradSampleModule
from torch import Tensor, nn
from torch.func import functional_call

from dpmed_core.training.dpsgd import convolution, linear
from dpmed_core.training.dpsgd.contributions import Contribution, KeptGradients
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.layers import GroupNormMish

Sampler = Callable[[Any, Tensor, Tensor, Units], dict[str, Contribution]]
SAMPLERS: Mapping[type[nn.Module], Sampler] = {
    nn.Conv1d: convolution.contributions,
    nn.Conv2d: convolution.contributions,
    nn.Conv3d: convolution.contributions,
    nn.Linear: linear.contributions,
}
IMAGE_BY_IMAGE = (GroupNormMish,)
"""Layers that take their parameters for each image by itself."""


class UnitGradientModule(AbstractGradSampleModule):  # type: ignore[misc]
    """A model whose backward pass leaves its units' gradients; use it for one micro-batch after another.

    Forward with the images' units, backward of a loss that sums over images, then `clipped_sums`. Parameters that need no gradient are left
    alone.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, batch_first=True, loss_reduction="sum")
        self._units: Units | None = None
        self._copies: dict[str, Tensor] = {}
        self._found: defaultdict[str, list[Contribution]] = defaultdict(list)
        self._handles = [layer.register_forward_hook(self._catch(name)) for name, layer in _caught_layers(model)]

    def forward(self, x: Tensor, units: Units) -> Tensor:
        """The model's output for `x` `[n_images, ...]`, whose images belong to `units`."""
        self._units = units
        self._found.clear()
        constants = {name: parameter.detach() for name, parameter in self._module.named_parameters()}
        self._copies = {
            name: constants[name].expand(len(x), -1).clone().requires_grad_() for name in _image_by_image_parameters(self._module)
        }
        output: Tensor = functional_call(self._module, constants | self._copies, (x,))
        self._units = None
        return output

    @torch.no_grad()
    def clipped_sums(self, units: Units, factors: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """For each trainable parameter the sum over units of their clipped gradients.

        Args:
            units: who the images of the last pass belong to.
            factors: from the units' gradient norms over all parameters together, `[n_units]`, the factor of each; 0 drops a unit.
        """
        for name, copy in self._copies.items():
            if copy.grad is not None:
                self._found[name].append(KeptGradients.of_images(copy.grad, units))
        contributions = {name: parts[0] if len(parts) == 1 else _added(parts, units) for name, parts in self._found.items()}
        squares = torch.stack([c.squared_norms(units).double() for c in contributions.values()]).sum(0)
        of_unit = factors(squares.sqrt())
        sums = {}
        for name, contribution in contributions.items():
            parameter = self._module.get_parameter(name)
            sums[name] = contribution.clipped_sum(units, of_unit.to(parameter.dtype)).view_as(parameter)
        self._found.clear()
        self._copies = {}
        return sums

    def remove_hooks(self) -> None:
        """Stop catching."""
        for handle in self._handles:
            handle.remove()

    def _catch(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def hook(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
            units = self._units
            if units is None:
                return output
            inputs = given[0].detach()

            def take(gradient: Tensor) -> None:
                for own, contribution in _sampler(layer)(layer, inputs, gradient.detach(), units).items():
                    self._found[f"{name}.{own}" if name else own].append(contribution)

            traced = output if output.requires_grad else output.detach().requires_grad_()
            traced.register_hook(take)  # type: ignore[no-untyped-call]
            return traced

        return hook


def _image_by_image_parameters(model: nn.Module) -> list[str]:
    return [
        f"{name}.{own}" if name else own
        for name, layer in model.named_modules()
        if isinstance(layer, IMAGE_BY_IMAGE)
        for own, parameter in layer.named_parameters(recurse=False)
        if parameter.requires_grad
    ]


def _caught_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in model.named_modules():
        trainable = any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        if not trainable or isinstance(layer, IMAGE_BY_IMAGE):
            continue
        if type(layer) not in SAMPLERS and type(layer) not in GradSampleModule.GRAD_SAMPLERS:
            prepare_layer(layer)
        yield name, layer


def _sampler(layer: nn.Module) -> Sampler:
    return SAMPLERS.get(type(layer), _by_opacus)


def _by_opacus(layer: nn.Module, inputs: Tensor, gradients: Tensor, units: Units) -> dict[str, Contribution]:
    """What a layer contributes that only Opacus knows."""
    sampler = GradSampleModule.GRAD_SAMPLERS.get(type(layer), ft_compute_per_sample_gradient)
    names = {parameter: name for name, parameter in layer.named_parameters(recurse=False) if parameter.requires_grad}
    sampled = sampler(layer, [inputs], gradients)
    return {names[parameter]: KeptGradients.of_images(units.sums_of_rows(by_row), units) for parameter, by_row in sampled.items()}


def _added(parts: list[Contribution], units: Units) -> KeptGradients:
    total = parts[0].kept(units)
    for part in parts[1:]:
        total = total.plus(part.kept(units))
    return total
