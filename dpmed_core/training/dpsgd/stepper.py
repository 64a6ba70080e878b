"""The step of a training, private or not: from images' losses to an update of the weights.

Private step (Abadi et al. 2016, "Deep learning with differential privacy", arXiv 1607.00133, with units in place of examples as in
McMahan et al. 2018, arXiv 1710.06963):

    ( sum over sampled units u of min(1, C / |g_u|) g_u  +  N(0, (s C)^2 I) ) / b

g_u is the gradient of the unit's loss (`loop.unit_losses`), over all findings and all parameters together, in one vector.

Sensitivity: a unit's record emptied changes the sum by its own clipped gradient and nothing else, a vector of norm at most C however many
images the unit has, in floating point too (`clipping_norms`). For this to hold, no layer may mix units (`refuse_mixing_layers`), and the
divisor b is a constant that does not follow the sample. A unit whose gradient is not finite contributes zero, which has norm 0 <= C.
Without sampled units the step is noise alone, and is taken.

The non-private reference model takes the same step without noise and clipping, by ordinary back-propagation.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from opacus.optimizers import DPOptimizer
from opacus.optimizers.ddpoptimizer import DistributedDPOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from dpmed_core.training.dpsgd.lattice_noise import add_gaussian_noise
from dpmed_core.training.dpsgd.ranks import process_group
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.models import refuse_mixing_layers


class Stepper(Protocol):
    """Accumulates the gradients of units over micro-batches, then takes one step."""

    model: nn.Module

    def forward(self, images: Tensor, units: Units) -> Tensor:
        """Logits `[n_images, n_findings]` of the images `[n_images, 1, *positions]` of whole units."""

    def accumulate(self, losses: Tensor, units: Units) -> None:
        """Add the gradients of the units of the last forward pass.

        Args:
            losses: `[n_images]`, weighted so that those of a unit's images add up to the unit's loss.
            units: the units of the images.
        """

    def finish(self) -> None:
        """Take the step, and clear the sums for the next one."""


def make_stepper(
    model: nn.Module, optimizer: Optimizer, *, noise_multiplier: float | None, max_grad_norm: float, expected_units: float
) -> Stepper:
    """The private stepper, or the non-private one where `noise_multiplier` is None.

    Args:
        model: the network.
        optimizer: of the network's parameters.
        noise_multiplier: standard deviation of the noise over the clipping bound.
        max_grad_norm: the clipping bound; the non-private step has none.
        expected_units: the constant that sums are divided by.

    Raises:
        SpecError: the model mixes units and cannot be trained privately.
    """
    if noise_multiplier is None:
        return NonPrivateStepper(model, optimizer, expected_units=expected_units)
    return PrivateStepper(model, optimizer, noise_multiplier=noise_multiplier, max_grad_norm=max_grad_norm, expected_units=expected_units)


class NonPrivateStepper:
    """The non-private reference model's step: the sum of the units' gradients over the same constant."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, *, expected_units: float) -> None:
        self.model = model
        self._optimizer = optimizer
        self._expected_units = expected_units
        self._group = process_group()
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
        # An empty sample steps with zeros, as the private step does with noise alone: NAdam's moments then decay alike in both.
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        self._group.reduce_to_first(gradients)
        self._group.broadcast_from_first(gradients)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)


class PrivateStepper:
    """The private step: unit gradients in one backward pass, and Opacus's optimizer."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, *, noise_multiplier: float, max_grad_norm: float, expected_units: float
    ) -> None:
        """Wrap `model` and `optimizer`; see `make_stepper` for the arguments."""
        refuse_mixing_layers(model)
        self.model = model
        self._gradients = UnitGradientModule(model)
        optimizer_class = UnitDPOptimizer if process_group().size == 1 else DistributedUnitDPOptimizer
        self._optimizer = optimizer_class(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=None,  # Opacus divides by nothing: `noisy_step` divides by the constant
            loss_reduction="sum",
        )
        self._parameters = dict(model.named_parameters())
        self._expected_units = expected_units

    def forward(self, images: Tensor, units: Units) -> Tensor:
        """See `Stepper.forward`."""
        return self._gradients(images, units)  # type: ignore[no-any-return]

    def accumulate(self, losses: Tensor, units: Units) -> None:
        """See `Stepper.accumulate`."""
        # The sum over images keeps units apart: each image's output gradients are those of its own loss.
        losses.sum().backward()  # type: ignore[no-untyped-call]
        sums = self._gradients.clipped_sums(units, lambda norms: clip_factors(norms, self._optimizer.max_grad_norm))
        self._optimizer.add_clipped({self._parameters[name]: total for name, total in sums.items()})

    def finish(self) -> None:
        """See `Stepper.finish`."""
        self._optimizer.noisy_step(self._expected_units)


class UnitDPOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus's optimizer over sums of units' clipped gradients, with noise keyed by the operating system's entropy."""

    _random: SecureRandom | None = None

    def add_clipped(self, sums: Mapping[Tensor, Tensor]) -> None:
        """Add a micro-batch's sums of clipped gradients, by parameter, to the running sums."""
        for parameter in self.params:
            total = sums[parameter]
            parameter.summed_grad = total if parameter.summed_grad is None else parameter.summed_grad + total

    def noisy_step(self, expected_units: float) -> None:
        """Add noise to the running sums, divide by the constant, update the weights, and clear the sums."""
        for parameter in self.params:
            # An empty sample: its sum is zero, and it gets its noise like any other.
            if parameter.summed_grad is None:
                parameter.summed_grad = torch.zeros_like(parameter)
        self.add_noise()
        for parameter in self.params:
            parameter.grad.div_(expected_units)
            parameter.summed_grad = None
        self.original_optimizer.step()
        self.original_optimizer.zero_grad(set_to_none=False)

    def add_noise(self) -> None:
        """Set each gradient to the running sum plus noise of standard deviation noise_multiplier * max_grad_norm.

        The sensitivity is the clipping bound: a unit moves the sums of all parameters, as one vector, by at most max_grad_norm. `n_entries`
        is the number of entries of all parameters, since the lattice's rounding error counts in that same norm.
        """
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


class DistributedUnitDPOptimizer(UnitDPOptimizer, DistributedDPOptimizer):  # type: ignore[misc]
    """The same over several ranks: the first rank adds up their sums, adds the noise, once, and sends the result to all."""

    def add_noise(self) -> None:
        """See `UnitDPOptimizer.add_noise`."""
        group = process_group()
        group.reduce_to_first([parameter.summed_grad for parameter in self.params])
        if group.is_first:
            super().add_noise()
        else:
            # The other ranks add no noise of their own, and what they hold is overwritten by the first rank's noised sum.
            for parameter in self.params:
                parameter.grad = torch.empty_like(parameter)
        self.reduce_gradients()

    def reduce_gradients(self) -> None:
        """Copy the first rank's noised sum to every rank."""
        process_group().broadcast_from_first([parameter.grad for parameter in self.params])


def clip_factors(norms: Tensor, max_grad_norm: float) -> Tensor:
    """The factor of each unit's gradient, `[n_units]`: min(1, C / norm), with the norm over all parameters; 0 where it is not finite.

    Source: Abadi et al. 2016, algorithm 1. With C = 1.5:

    >>> clip_factors(torch.tensor([0.5, 3.0, 0.0, float("nan"), float("inf")]), 1.5).tolist()
    [1.0, 0.5, 1.0, 0.0, 0.0]
    """
    factors = (max_grad_norm / norms.clamp(min=1e-12)).clamp(max=1.0)
    return torch.where(torch.isfinite(norms), factors, 0)
