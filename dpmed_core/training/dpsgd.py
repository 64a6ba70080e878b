"""The step of a training, private or not: from films' losses to an update of the weights.

Private step (Abadi et al. 2016, "Deep learning with differential privacy", at the level of units as in McMahan et al. 2018):

    ( sum over sampled units u of min(1, C / |g_u|) g_u  +  N(0, (s C)^2 I) ) / b

with g_u the mean, over the unit's films, of the gradient of the loss over all findings and all parameters together. One unit added or
removed changes the sum by a vector of norm at most C, however many films it has; b is a constant, whatever was sampled. A unit whose
gradient is not finite contributes zero, which has norm 0 <= C. Without sampled units the step is noise alone, and is taken.

The non-private twin takes the same step with s = 0 and no bound, by ordinary back-propagation.
"""

from typing import Protocol

import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from dpmed_core.training.entropy import SecureRandom
from dpmed_core.training.models import refuse_mixing_layers


class Stepper(Protocol):
    """Accumulates units' gradients over micro-batches, then takes one step."""

    model: nn.Module

    def accumulate(self, losses: Tensor, unit_of_film: Tensor, n_units: int) -> None:
        """Add the gradients of whole units.

        Args:
            losses: `[n_films]`, weighted so that a unit's films sum to the unit's mean loss.
            unit_of_film: `[n_films]`, number of the film's unit in this micro-batch.
            n_units: units in this micro-batch.
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
        optimizer.zero_grad(set_to_none=False)

    def accumulate(self, losses: Tensor, unit_of_film: Tensor, n_units: int) -> None:
        """See `Stepper.accumulate`."""
        del unit_of_film, n_units
        (losses.sum() / self._expected_units).backward()  # type: ignore[no-untyped-call]

    def finish(self) -> None:
        """See `Stepper.finish`."""
        for parameter in self.model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)


class PrivateStepper:
    """The private step, through Opacus's per-film gradients and optimizer."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, *, noise_multiplier: float, max_grad_norm: float, expected_units: float
    ) -> None:
        refuse_mixing_layers(model)
        self.model = GradSampleModule(model, loss_reduction="sum")
        self._optimizer = UnitDPOptimizer(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=None,
            loss_reduction="sum",
        )
        self._expected_units = expected_units

    def accumulate(self, losses: Tensor, unit_of_film: Tensor, n_units: int) -> None:
        """See `Stepper.accumulate`."""
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.accumulate_units(unit_of_film, n_units)

    def finish(self) -> None:
        """See `Stepper.finish`."""
        self._optimizer.noisy_step(self._expected_units)


class UnitDPOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus's optimizer with units instead of films, and noise from the operating system's entropy."""

    _random: SecureRandom | None = None

    def accumulate_units(self, unit_of_film: Tensor, n_units: int) -> None:
        """Sum the films' gradients by unit, clip each unit once over all parameters, add them to the running sum."""
        by_unit = [_sum_by_unit(self._get_flat_grad_sample(p), unit_of_film, n_units) for p in self.params]
        factors = clip_factors(by_unit, self.max_grad_norm)
        for parameter, gradients in zip(self.params, by_unit, strict=True):
            clipped = torch.where(factors.view(-1, *[1] * (gradients.ndim - 1)) > 0, gradients, 0)
            total = torch.einsum("u,u...->...", factors, clipped)
            parameter.summed_grad = total if parameter.summed_grad is None else parameter.summed_grad + total
            parameter.grad_sample = None

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
        """Make each gradient the sum plus N(0, (noise_multiplier * max_grad_norm)^2), added in float64 and then rounded."""
        self._random = self._random or SecureRandom()
        scale = self.noise_multiplier * self.max_grad_norm
        for parameter in self.params:
            noise = torch.from_numpy(scale * self._random.normal(tuple(parameter.shape))).to(parameter.device)
            parameter.grad = (parameter.summed_grad.double() + noise).to(parameter.dtype)


def clip_factors(by_unit: list[Tensor], max_grad_norm: float) -> Tensor:
    """What each unit's gradient is multiplied by, `[n_units]`: min(1, C / norm over all parameters), 0 where it is not finite."""
    squares = torch.stack([gradients.flatten(1).double().square().sum(1) for gradients in by_unit]).sum(0)
    factors = (max_grad_norm / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    return torch.where(torch.isfinite(squares), factors, 0).to(by_unit[0].dtype)


def _sum_by_unit(films: Tensor, unit_of_film: Tensor, n_units: int) -> Tensor:
    return films.new_zeros(n_units, *films.shape[1:]).index_add_(0, unit_of_film, films)
