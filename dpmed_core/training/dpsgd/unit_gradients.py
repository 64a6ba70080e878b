"""A wrapper around a model that, after one backward pass, gives each unit's gradient norm and the sum of clipped gradients.

Ordinary back-propagation sums every weight's gradient over the batch, which private training cannot use. Here weights enter the graph as
constants, so that no such sum is ever computed; hooks record the inputs and output gradients of layers instead, from which norms and
clipped sums follow (`convolution`, `linear`). Normalisation layers get a copy of their parameters for each image, so that back-propagation
gives their gradient image by image. Any other layer uses the grad sampler that is registered for it with Opacus, or Opacus's functorch.

A layer may see an image as several rows, those of one image one after another (the slices of a volume, `models.BySlice`); each row belongs
to its image's unit.
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

from dpmed_core.errors import SpecError
from dpmed_core.training.dpsgd import convolution, linear
from dpmed_core.training.dpsgd.clipping_norms import LARGEST_LOSS, norms_and_rounding
from dpmed_core.training.dpsgd.contributions import Contribution, ExplicitGradients
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.layers import GroupNormMish

Sampler = Callable[[Any, Tensor, Tensor, Units], dict[str, Contribution]]
SAMPLERS: Mapping[type[nn.Module], Sampler] = {
    nn.Conv1d: convolution.contributions,
    nn.Conv2d: convolution.contributions,
    nn.Conv3d: convolution.contributions,
    nn.Linear: linear.contributions,
}
PER_IMAGE_PARAMETERS = (GroupNormMish,)
"""Layers that accept parameters with a leading axis over images."""


class UnitGradientModule(AbstractGradSampleModule):  # type: ignore[misc]
    """A model whose backward pass gives the gradients of units, for one micro-batch after another.

    In this order: forward with the images' units, backward of a loss that is summed over images, `clipped_sums`. Frozen parameters are
    left alone.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, batch_first=True, loss_reduction="sum")
        self._units: Units | None = None
        self._copies: dict[str, Tensor] = {}
        self._contributions: defaultdict[str, list[Contribution]] = defaultdict(list)
        self._handles = [layer.register_forward_hook(self._recording_hook(name)) for name, layer in _hooked_layers(model)]

    def forward(self, x: Tensor, units: Units) -> Tensor:
        """The model's output for the images `x` `[n_images, ...]` of `units`."""
        self._units = units
        self._contributions.clear()
        constants = {name: parameter.detach() for name, parameter in self._module.named_parameters()}
        self._copies = {name: constants[name].expand(len(x), -1).clone().requires_grad_() for name in _copied_parameters(self._module)}
        output: Tensor = functional_call(self._module, constants | self._copies, (x,))
        self._units = None  # hooks record nothing outside of this pass
        return output

    @torch.no_grad()
    def clipped_sums(self, units: Units, factors: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """For each trainable parameter the sum over units of their clipped gradients.

        A unit is clipped once, by the norm of its whole gradient: squared norms are added over all parameters before a factor is computed.

        Args:
            units: the units of the last pass.
            factors: gives each unit's factor from the norms of their gradients over all parameters together, `[n_units]`, in double
                precision; 0 drops a unit. The norms are rounded up, so that a factor of at most C / norm keeps what is added here, rounding
                included, within C (`clipping_norms`). They are not finite where a gradient is not.
        """
        for name, copy in self._copies.items():
            if copy.grad is not None:
                self._contributions[name].append(ExplicitGradients.of_images(copy.grad, units))
        # A parameter that was used twice has two contributions; the norm is that of their sum, not of each.
        contributions = {name: parts[0] if len(parts) == 1 else _sum(parts, units) for name, parts in self._contributions.items()}
        bounded, norms = _bounded(contributions, units)
        of_unit = factors(norms)
        sums = {}
        for name, contribution in bounded.items():
            parameter = self._module.get_parameter(name)
            # Below the smallest normal number, rounding to the parameter's type could enlarge a factor by more than its last bit.
            rounded = torch.where(of_unit < torch.finfo(parameter.dtype).tiny, 0, of_unit).to(parameter.dtype)
            sums[name] = contribution.clipped_sum(units, rounded).view_as(parameter)
        self._contributions.clear()
        self._copies = {}
        return sums

    def remove_hooks(self) -> None:
        """Stop recording; an abstract method of Opacus's base class, which its clean-up calls."""
        for handle in self._handles:
            handle.remove()

    def _recording_hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        """A forward hook of the layer called `name` that has its contributions recorded in the backward pass."""

        def hook(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
            units = self._units
            if units is None:
                return output
            inputs = given[0].detach()

            def record(gradient: Tensor) -> None:
                _refuse_other_types(layer, inputs, gradient)
                for own, contribution in _sampler(layer)(layer, inputs, gradient.detach(), units).items():
                    self._contributions[f"{name}.{own}" if name else own].append(contribution)

            # With constant weights the output of the first layer needs no gradient, and back-propagation would not reach it.
            traced = output if output.requires_grad else output.detach().requires_grad_()
            traced.register_hook(record)  # type: ignore[no-untyped-call]
            return traced

        return hook


def _refuse_other_types(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> None:
    """Refuse a pass in another type than the weights', as under autocast.

    Raises:
        SpecError: norms and sums would be of numbers that were rounded differently, and the clipping bound would not hold.
    """
    types = {inputs.dtype, gradient.dtype, *(parameter.dtype for parameter in layer.parameters(recurse=False))}
    if len(types) > 1:
        names = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in types))
        raise SpecError(
            f"A private step mixes {names}: a gradient's norm would not be that of what is summed, and no patient's influence would be "
            "bounded. Train in float32, without autocast."
        )


def _copied_parameters(model: nn.Module) -> list[str]:
    """The names of the trainable parameters that every image gets a copy of."""
    return [
        f"{name}.{own}" if name else own
        for name, layer in model.named_modules()
        if isinstance(layer, PER_IMAGE_PARAMETERS)
        for own, parameter in layer.named_parameters(recurse=False)
        if parameter.requires_grad
    ]


def _hooked_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers with trainable parameters of their own whose inputs and output gradients are recorded."""
    for name, layer in model.named_modules():
        trainable = any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        if not trainable or isinstance(layer, PER_IMAGE_PARAMETERS):
            continue
        if type(layer) not in SAMPLERS and type(layer) not in GradSampleModule.GRAD_SAMPLERS:
            prepare_layer(layer)
        yield name, layer


def _sampler(layer: nn.Module) -> Sampler:
    return SAMPLERS.get(type(layer), _by_opacus)


def _by_opacus(layer: nn.Module, inputs: Tensor, gradients: Tensor, units: Units) -> dict[str, Contribution]:
    """The contributions of a layer that only Opacus has a sampler for."""
    sampler = GradSampleModule.GRAD_SAMPLERS.get(type(layer), ft_compute_per_sample_gradient)
    names = {parameter: name for name, parameter in layer.named_parameters(recurse=False) if parameter.requires_grad}
    sampled = sampler(layer, [inputs], gradients)
    return {names[parameter]: ExplicitGradients.of_images(units.sums_of_rows(by_row), units) for parameter, by_row in sampled.items()}


def _sum(parts: list[Contribution], units: Units) -> ExplicitGradients:
    total = parts[0].explicit(units)
    for part in parts[1:]:
        total = total.plus(part.explicit(units))
    return total


def _bounded(contributions: Mapping[str, Contribution], units: Units) -> tuple[Mapping[str, Contribution], Tensor]:
    """The same contributions, written out where a unit's rounding could be large, and the norms to clip by, `[n_units]`.

    The norms are N + E of `clipping_norms`. What is written out of a unit depends on that unit alone.
    """
    bounds = {name: contribution.norm_bounds(units) for name, contribution in contributions.items()}
    norms, rounding = norms_and_rounding(list(bounds.values()))
    uncertain = rounding > LARGEST_LOSS * norms
    if uncertain.any():
        # What is left factored then adds up to no more than LARGEST_LOSS over all parameters.
        share = LARGEST_LOSS * norms / len(contributions) ** 0.5
        contributions = {name: c.written_out(units, uncertain & (bounds[name].rounding > share)) for name, c in contributions.items()}
        norms, rounding = norms_and_rounding([contribution.norm_bounds(units) for contribution in contributions.values()])
    return contributions, norms + rounding
