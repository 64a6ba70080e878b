"""Broken versions of the private step of networks, each as a context in which the product's own code is wrong in one place."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dpmed_core.training import loop
from dpmed_core.training.dpsgd import stepper
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import PrivateStepper, UnitDPOptimizer
from dpmed_core.training.dpsgd.unit_index import Units


class AlwaysSampled(SecureRandom):
    """Every unit is in every sample."""

    def bernoulli(self, probability: float, n: int) -> NDArray[np.bool_]:
        del probability
        return np.ones(n, dtype=bool)


def no_clipping() -> AbstractContextManager[object]:
    """No unit is clipped."""
    return patch.object(stepper, "clip_factors", lambda norms, bound: torch.ones_like(norms))


@contextmanager
def smaller_noise(fraction: float) -> Iterator[None]:
    """Noise of a fraction of its size."""
    original = stepper.add_gaussian_noise

    def add(total: Tensor, *, noise_multiplier: float, **others: Any) -> Tensor:
        return original(total, noise_multiplier=fraction * noise_multiplier, **others)

    with patch.object(stepper, "add_gaussian_noise", add):
        yield


@contextmanager
def image_clipping() -> Iterator[None]:
    """Each image is clipped by itself, and a unit adds up its images."""
    forward, accumulate = PrivateStepper.forward, PrivateStepper.accumulate

    def alone(units: Units) -> Units:
        return Units(torch.arange(len(units.of_image)), len(units.of_image))

    def each_forward(self: PrivateStepper, images: Tensor, units: Units) -> Tensor:
        return forward(self, images, alone(units))

    def each_accumulate(self: PrivateStepper, losses: Tensor, units: Units) -> None:
        accumulate(self, losses * units.n_images[units.of_image], alone(units))

    with patch.object(PrivateStepper, "forward", each_forward), patch.object(PrivateStepper, "accumulate", each_accumulate):
        yield


@contextmanager
def exact_normalisation() -> Iterator[None]:
    """The sums of the normalisation layers' shifts and scales are released exactly: the step's counterpart of exact means."""
    original = UnitDPOptimizer.add_noise

    def add_noise(self: UnitDPOptimizer) -> None:
        original(self)
        for parameter in self.params:
            if parameter.ndim == 1:  # in these networks, those of the normalisation layers and the head's few offsets
                parameter.grad = parameter.summed_grad.clone()

    with patch.object(UnitDPOptimizer, "add_noise", add_noise):
        yield


@contextmanager
def noise_of_one_draw() -> Iterator[None]:
    """The noise of the first step is used at every step."""
    original, drawn = UnitDPOptimizer.add_noise, {}

    def add_noise(self: UnitDPOptimizer) -> None:
        original(self)
        noise = [parameter.grad - parameter.summed_grad for parameter in self.params]
        for parameter, first in zip(self.params, drawn.setdefault(id(self), noise), strict=True):
            parameter.grad = parameter.summed_grad + first

    with patch.object(UnitDPOptimizer, "add_noise", add_noise):
        yield


@contextmanager
def moving_divisor() -> Iterator[None]:
    """Sums are divided by the number of units in the sample."""
    accumulate, finish = PrivateStepper.accumulate, PrivateStepper.finish
    counts: dict[int, int] = {}

    def counted(self: PrivateStepper, losses: Tensor, units: Units) -> None:
        counts[id(self)] = counts.get(id(self), 0) + units.n_units
        accumulate(self, losses, units)

    def divided(self: PrivateStepper) -> None:
        with patch.object(self, "_expected_units", max(counts.pop(id(self), 0), 1)):
            finish(self)

    with patch.object(PrivateStepper, "accumulate", counted), patch.object(PrivateStepper, "finish", divided):
        yield


MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no clipping": no_clipping,
    "half noise": partial(smaller_noise, 0.5),
    "noise / 1.25": partial(smaller_noise, 1 / 1.25),
    "images clipped one by one": image_clipping,
    "normalisation without noise": exact_normalisation,
    "noise reused at every step": noise_of_one_draw,
    "divisor follows the sample": moving_divisor,
    "units always sampled": lambda: patch.object(loop, "SecureRandom", AlwaysSampled),
}
"""Each broken step by name."""
