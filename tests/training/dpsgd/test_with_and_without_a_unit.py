"""A step of a whole network with a unit and with its record emptied, in two and three dimensions; and noise that never repeats."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dpmed_core.training.dpsgd import stepper as steps
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import make_stepper
from dpmed_core.training.loop import LoopSettings, TrainingData, take_step
from dpmed_core.training.networks.models import ResNet9, initial_weights

BOUND = 0.7
SETTINGS = LoopSettings(
    steps=1, sample_rate=1.0, expected_units=5.0, images_per_unit=4, max_grad_norm=BOUND, noise_multiplier=0.0, learning_rate=1.0
)
SIDES = {2: 16, 3: 8}
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def data_of(dimensions, n_images, *, emptied, loudness):
    """Six units of `n_images` each; of the last one, which is loud, the record may be emptied."""
    generator = torch.Generator().manual_seed(n_images)
    images = torch.randn(6 * n_images, 1, *(SIDES[dimensions],) * dimensions, generator=generator)
    labels = torch.randint(0, 2, (6 * n_images, 2), generator=generator).float()
    images[-n_images:] *= loudness
    if emptied:
        images[-n_images:], labels[-n_images:] = 0, torch.nan
    return TrainingData(images, labels, np.split(np.arange(6 * n_images), 6))


def sums(dimensions, data, settings=SETTINGS, n_steps=1):
    """What a step's noisy sum is, flat, from the update of plain descent at rate 1 times the divisor."""
    model = initial_weights(0, ResNet9, width=0.03, n_out=2, dimensions=dimensions)
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    stepper = make_stepper(
        model, descent, noise_multiplier=settings.noise_multiplier, max_grad_norm=BOUND, expected_units=settings.expected_units
    )
    random, before = SecureRandom(), flat(model)
    for _ in range(n_steps):
        take_step(stepper, data, settings, random)
    return (before - flat(model)) * settings.expected_units


def flat(model):
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("loudness", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("n_images", [1, 3])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_unit_moves_a_steps_sum_by_at_most_the_bound(dimensions, n_images, loudness):
    found = [sums(dimensions, data_of(dimensions, n_images, emptied=emptied, loudness=loudness)) for emptied in (False, True)]
    moved = float(torch.linalg.vector_norm(found[0] - found[1]))
    # Read off weights in single precision, whose rounding moves each of some thousand entries by up to a few 1e-7.
    assert 0.9 * BOUND < moved <= BOUND * (1 + 2e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_no_random_number_is_used_twice_over_the_steps_of_a_training(dimensions, monkeypatch):
    drawn = []

    class Recorded(SecureRandom):
        def uniform(self, shape):
            numbers = super().uniform(shape)
            drawn.append(numbers.copy().ravel())
            return numbers

    monkeypatch.setattr(steps, "SecureRandom", Recorded)
    data = data_of(dimensions, 1, emptied=False, loudness=1.0)
    sums(dimensions, data, replace(SETTINGS, noise_multiplier=1.0), n_steps=3)
    numbers = np.concatenate(drawn)
    n_parameters = sum(p.numel() for p in initial_weights(0, ResNet9, width=0.03, n_out=2, dimensions=dimensions).parameters())
    assert len(numbers) >= 3 * n_parameters  # of 53 bits each: two equal ones in a million are one in ten thousand trainings
    assert len(np.unique(numbers)) == len(numbers)
