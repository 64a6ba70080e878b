"""Each unit's clipped gradient against an explicit loop over units: by how much it differs, and whether it stays within the bound."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.peers import loss_by_image
from dpmed_core.training.dpsgd.stepper import clip_factors
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units


@dataclass(frozen=True)
class UnitErrors:
    """Over all units, as shares of the clipping bound.

    Attributes:
        largest: norm of the difference from the explicit clipped gradient, of the unit where it is largest.
        median: the same of the middle unit; a max pool that selects another of two nearly equal positions spoils few units.
        largest_norm: norm of what a unit contributes; at most 1.
    """

    largest: float
    median: float
    largest_norm: float


def unit_errors(
    model: nn.Module, images: Tensor, labels: Tensor, units: Units, *, max_grad_norm: float, explicit_dtype: torch.dtype | None = None
) -> UnitErrors:
    """The errors of `model`'s unit gradients on `images` `[n_images, 1, *positions]`, all on one device.

    Args:
        model: the network, in the type of the images.
        images: of all units.
        labels: `[n_images, n_findings]`.
        units: the units of the images.
        max_grad_norm: the clipping bound.
        explicit_dtype: of the explicit loop; None for that of the images.
    """
    dtype = explicit_dtype or images.dtype
    explicit = copy.deepcopy(model).to(dtype)
    module, differences, norms = UnitGradientModule(model), [], []
    for unit in range(units.n_units):
        own = units.of_image == unit
        explicit.zero_grad()
        loss_by_image(explicit(images[own].to(dtype)), labels[own].to(dtype)).sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in explicit.parameters() if p.grad is not None]).double()
        expected = gradient * min(1.0, max_grad_norm / float(gradient.norm()))
        loss_by_image(module(images, units), labels).sum().backward()
        only = (torch.arange(units.n_units, device=images.device) == unit).double()
        sums = module.clipped_sums(units, lambda norms, only=only: clip_factors(norms, max_grad_norm) * only)
        found = torch.cat([sums[name].flatten() for name, _ in model.named_parameters()]).double()
        differences.append(float((found - expected).norm()) / max_grad_norm)
        norms.append(float(found.norm()) / max_grad_norm)
    return UnitErrors(max(differences), sorted(differences)[len(differences) // 2], max(norms))
