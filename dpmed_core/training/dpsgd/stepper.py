"""The step of a training, private or not: from images' losses to an update of the weights.

Private step (Abadi et al. 2016, "Deep learning with differential privacy", at the level of units as in McMahan et al. 2018):

    ( sum over sampled units u of min(1, C / |g_u|) g_u  +  N(0, (s C)^2 I) ) / b

with g_u the mean, over the unit's images, of the gradient of the loss over all findings and all parameters together. One unit added or
removed changes the sum by a vector of norm at most C, however many images it has; b is a constant, whatever was sampled. A unit whose
gradient is not finite contributes zero, which has norm 0 <= C. Without sampled units the step is noise alone, and is taken.

The non-private twin takes the same step with s = 0 and no bound, by ordinary back-propagation.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from opacus.optimizers import DPOptimizer
from opacus.optimizers.ddpoptimizer import DistributedDPOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from dpmed_core.training.dpsgd.lattice_noise import add_gaussian_noise
from dpmed_core.training.dpsgd.ranks import ranks_here
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.models import refuse_mixing_layers


class Stepper(Protocol):
    """Accumulates units' gradients over micro-batches, then takes one step."""

    model: nn.Module

    def forward(self, images: Tensor, units: Units) -> Tensor:
        """Logits `[n_images, n_findings]` of the images `[n_images, 1, *positions]` of whole units."""

    def accumulate(self, losses: Tensor, units: Units) -> None:
        """Add the gradients of the units that went forward last.

        Args:
            losses: `[n_images]`, weighted so that a unit's images sum to the unit's mean loss.
            units: who the images belong to.
        """

    def finish(self) -> None:
        """Take the step and start the next one."""


def make_stepper(
    model: nn.Module, optimizer: Optimizer, *, noise_multiplier: float | None, max_grad_norm: float, expected_units: float
) -> Stepper:
    """The private stepper, or the plain one where `noise_multiplier` is None.

    Raises:
        SpecError: the model mixes patients and cannot be trained privately.
    """
    if noise_multiplier is None:
        return PlainStepper(model, optimizer, expected_units=expected_units)
    return PrivateStepper(model, optimizer, noise_multiplier=noise_multiplier, max_grad_norm=max_grad_norm, expected_units=expected_units)


class PlainStepper:
    """The twin's step: the sum of the units' gradients over the same constant."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, *, expected_units: float) -> None:
        self.model = model
        self._optimizer = optimizer
        self._expected_units = expected_units
        self._ranks = ranks_here()
        optimizer.zero_grad(set_to_none=False)

    def forward(self, images: Tensor, units: Units) -> Tensor:
        """See `Stepper.forward`."""
        del units
        return self.model(images)  # type: ignore[no-any-return]

    def accumulate(self, losses: Tensor, units: Units) -> None:
        """See `Stepper.accumulate`."""
        del units
        (losses.sum() / self._expected_units).backward()  # type: ignore[no-untyped-call]

    def finish(self) -> None:
        """See `Stepper.finish`."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        self._ranks.sum_on_first(gradients)
        self._ranks.spread_from_first(gradients)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)


class PrivateStepper:
    """The private step: unit gradients in one backward pass, and Opacus's optimizer."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, *, noise_multiplier: float, max_grad_norm: float, expected_units: float
    ) -> None:
        refuse_mixing_layers(model)
        self.model = model
        self._gradients = UnitGradientModule(model)
        kind = UnitDPOptimizer if ranks_here().size == 1 else RankedUnitDPOptimizer
        self._optimizer = kind(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=None,
            loss_reduction="sum",
        )
        self._parameters = dict(model.named_parameters())
        self._expected_units = expected_units

    def forward(self, images: Tensor, units: Units) -> Tensor:
        """See `Stepper.forward`."""
        return self._gradients(images, units)  # type: ignore[no-any-return]

    def accumulate(self, losses: Tensor, units: Units) -> None:
        """See `Stepper.accumulate`."""
        losses.sum().backward()  # type: ignore[no-untyped-call]
        sums = self._gradients.clipped_sums(units, lambda norms: clip_factors(norms, self._optimizer.max_grad_norm))
        self._optimizer.add_clipped({self._parameters[name]: total for name, total in sums.items()})

    def finish(self) -> None:
        """See `Stepper.finish`."""
        self._optimizer.noisy_step(self._expected_units)


class UnitDPOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus's optimizer over sums of units' clipped gradients, with noise from the operating system's entropy."""

    _random: SecureRandom | None = None

    def add_clipped(self, sums: Mapping[Tensor, Tensor]) -> None:
        """Add a micro-batch's sums of clipped gradients, by parameter, to the running ones."""
        for parameter in self.params:
            total = sums[parameter]
            parameter.summed_grad = total if parameter.summed_grad is None else parameter.summed_grad + total

    def noisy_step(self, expected_units: float) -> None:
        """Add noise to the running sum, divide by the constant, update, and start the next sum."""
        for parameter in self.params:
            if parameter.summed_grad is None:
                parameter.summed_grad = torch.zeros_like(parameter)
        self.add_noise()
        for parameter in self.params:
            parameter.grad.div_(expected_units)
            parameter.summed_grad = None
        self.original_optimizer.step()
        self.original_optimizer.zero_grad(set_to_none=False)

    def add_noise(self) -> None:
        """Make each gradient the sum plus N(0, (noise_multiplier * max_grad_norm)^2)."""
        self._random = self._random or SecureRandom()
        n_entries = sum(parameter.numel() for parameter in self.params)
        for parameter in self.params:
            parameter.grad = add_gaussian_noise(
                parameter.summed_grad,
                noise_multiplier=self.noise_multiplier,
                sensitivity=self.max_grad_norm,
                n_entries=n_entries,
                random=self._random,
            )


class RankedUnitDPOptimizer(UnitDPOptimizer, DistributedDPOptimizer):  # type: ignore[misc]
    """The same over several ranks: sums come together on the first rank, which adds the noise, once, and sends the result to all."""

    def add_noise(self) -> None:
        """See `UnitDPOptimizer.add_noise`."""
        ranks = ranks_here()
        ranks.sum_on_first([parameter.summed_grad for parameter in self.params])
        if ranks.is_first:
            super().add_noise()
        else:
            for parameter in self.params:
                parameter.grad = torch.empty_like(parameter)
        self.reduce_gradients()

    def reduce_gradients(self) -> None:
        """Give every rank the first one's noised sum."""
        ranks_here().spread_from_first([parameter.grad for parameter in self.params])


def clip_factors(norms: Tensor, max_grad_norm: float) -> Tensor:
    """What each unit's gradient is multiplied by, `[n_units]`: min(1, C / norm over all parameters), 0 where that is not finite."""
    factors = (max_grad_norm / norms.clamp(min=1e-12)).clamp(max=1.0)
    return torch.where(torch.isfinite(norms), factors, 0)
