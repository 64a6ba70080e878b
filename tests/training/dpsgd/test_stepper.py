import math

import numpy as np
import pytest
import torch
from torch import nn

from dpmed_core.errors import SpecError
from dpmed_core.training.dpsgd.stepper import NonPrivateStepper, PrivateStepper, make_stepper
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.loop import unit_losses
from dpmed_core.training.networks.models import ResNet9, initial_weights

UNIT_OF_IMAGE = torch.tensor([0, 0, 0, 1, 2, 2])
N_UNITS = 3
BOUND = 0.3
B = 2.5


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([[1, 0], [0, float("nan")], [1, 1], [0, 1], [float("nan"), float("nan")], [1, 0]])
    return torch.randn(6, 1, 16, 16, generator=generator), labels


def network() -> nn.Module:
    return initial_weights(3, ResNet9, width=0.0625, n_out=2)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=1.0)


def unit_gradients(images, labels):
    """By the definition: one unit at a time, its loss in explicit loops, ordinary back-propagation."""
    gradients = []
    for unit in range(N_UNITS):
        model = network()
        rows = torch.nonzero(unit == UNIT_OF_IMAGE).flatten()
        logits = model(images[rows])
        loss = logits.sum() * 0
        for finding in range(labels.shape[1]):
            known = [k for k, row in enumerate(rows) if not torch.isnan(labels[row, finding])]
            for k in known:
                loss = loss + nn.functional.binary_cross_entropy_with_logits(logits[k, finding], labels[rows[k], finding]) / len(known)
        loss.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    return gradients


def step_taken(stepper, before, images, labels, batches=((0, 3), (3, 6))):
    """The update divided by minus the learning rate, after micro-batches of images `batches`."""
    for start, end in batches:
        present, numbers = torch.unique(UNIT_OF_IMAGE[start:end], return_inverse=True)
        units = Units(numbers, len(present))
        stepper.accumulate(unit_losses(stepper.forward(images[start:end], units), labels[start:end], units), units)
    stepper.finish()
    return before - flat(stepper.model)


def flat(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def private(noise_multiplier=0.0, max_grad_norm=BOUND):
    model = network()
    return PrivateStepper(model, sgd(model), noise_multiplier=noise_multiplier, max_grad_norm=max_grad_norm, expected_units=B)


@pytest.mark.parametrize("batches", [[(0, 6)], [(0, 3), (3, 6)], [(0, 3), (3, 4), (4, 6)]])
@pytest.mark.parametrize("bound", [0.05, 0.3, 50.0])
def test_a_units_images_are_averaged_before_it_is_clipped_once(batch, bound, batches):
    gradients = unit_gradients(*batch)
    assert min(map(torch.linalg.norm, gradients)) < 50
    expected = sum(g * min(1, bound / float(torch.linalg.norm(g))) for g in gradients) / B
    stepper = private(max_grad_norm=bound)
    assert torch.allclose(step_taken(stepper, flat(stepper.model), *batch, batches), expected, atol=2e-6)


def test_the_non_private_step_is_the_sum_over_the_same_constant(batch):
    model = network()
    stepper = NonPrivateStepper(model, sgd(model), expected_units=B)
    assert torch.allclose(step_taken(stepper, flat(model), *batch), sum(unit_gradients(*batch)) / B, atol=2e-6)


def test_without_a_binding_bound_and_without_noise_private_and_non_private_steps_agree(batch):
    model = network()
    plain = NonPrivateStepper(model, sgd(model), expected_units=B)
    one, other = private(max_grad_norm=1e9), plain
    assert torch.allclose(step_taken(one, flat(one.model), *batch), step_taken(other, flat(model), *batch), atol=2e-6)


def test_a_unit_with_an_image_that_is_not_finite_contributes_nothing(batch):
    images, labels = batch
    gradients = unit_gradients(*batch)
    expected = sum(g * min(1, BOUND / float(torch.linalg.norm(g))) for g in gradients[1:]) / B
    images = images.clone()
    images[1, 0, 0, 0] = float("nan")
    stepper = private()
    assert torch.allclose(step_taken(stepper, flat(stepper.model), images, labels), expected, atol=2e-6)


def test_an_empty_sample_takes_a_step_of_noise_alone():
    stepper = private(noise_multiplier=4.0)
    before = flat(stepper.model)
    stepper.finish()
    step = (before - flat(stepper.model)).numpy()
    n = step.size
    expected = 4.0 * BOUND / B
    assert abs(step.std() / expected - 1) < 7 / math.sqrt(2 * n)
    assert abs(step.mean()) < 7 * expected / math.sqrt(n)


def test_noise_is_fresh_at_every_step_and_in_every_stepper():
    steps = []
    for stepper in (private(noise_multiplier=1.0), private(noise_multiplier=1.0)):
        for _ in range(2):
            before = flat(stepper.model)
            stepper.finish()
            steps.append((before - flat(stepper.model)).numpy())
    for i, one in enumerate(steps):
        for other in steps[i + 1 :]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 7 / math.sqrt(one.size)


def test_one_sum_does_not_leak_into_the_next(batch):
    stepper = private()
    step_taken(stepper, flat(stepper.model), *batch)
    before = flat(stepper.model)
    stepper.finish()
    assert torch.equal(flat(stepper.model), before)


def test_a_model_that_mixes_patients_cannot_be_trained_privately():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(SpecError, match="Batch normalisation"):
        make_stepper(model, sgd(model), noise_multiplier=1.0, max_grad_norm=1.0, expected_units=1.0)
