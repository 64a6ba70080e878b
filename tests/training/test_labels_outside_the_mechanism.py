"""Nothing but clipped, noised sums carries training labels into a private model or into what is shown while it trains."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from dpmed_core.runs.status import Progress
from dpmed_core.training.dpsgd import stepper
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.loop import LoopSettings, TrainingData, train_model, unit_losses
from dpmed_core.training.networks.models import ResNet9, initial_weights
from dpmed_core.training.recipes import linear_head
from dpmed_core.training.recipes.linear_head import CentredFeatures, head_data, train_heads
from dpmed_core.training.recipes.probe_settings import HeadSettings

SETTINGS = LoopSettings(
    steps=5, sample_rate=0.6, expected_units=2, images_per_unit=2, max_grad_norm=1.0, noise_multiplier=1.0, learning_rate=1e-2
)
IMAGES_OF = [np.array([0]), np.array([1, 2]), np.array([3, 4, 5])]
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def labels_of(kind):
    """Labels `[6, 2]`: none has the findings, all have, or they are unknown but for two images."""
    labels = np.full((6, 2), {"none": 0.0, "all": 1.0, "few known": np.nan}[kind])
    labels[:2] = [[0, 1], [1, 0]]
    return labels


def images(seed=0):
    return torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def trained(labels, session, pictures=None):
    model = initial_weights(0, ResNet9, width=0.0625, n_out=2)
    given = images() if pictures is None else pictures
    train_model(model, TrainingData(given, torch.from_numpy(labels).float(), IMAGES_OF), SETTINGS, session=session)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_with_its_noised_sums_held_fixed_a_network_does_not_depend_on_labels(new_session, monkeypatch):
    whole = UnitGradientModule.clipped_sums
    monkeypatch.setattr(UnitGradientModule, "clipped_sums", lambda *of: {name: total * 0 for name, total in whole(*of).items()})
    monkeypatch.setattr(stepper, "add_gaussian_noise", lambda total, **_: torch.ones_like(total))
    weights = [trained(labels_of(kind), new_session()) for kind in ("none", "all", "few known")]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], torch.cat([p.flatten() for p in initial_weights(0, ResNet9, width=0.0625, n_out=2).parameters()]))


def test_with_its_noised_sums_held_fixed_a_head_does_not_depend_on_labels(monkeypatch):
    released = np.zeros((4, 1)), np.array([[0.2], [0.4]])
    monkeypatch.setattr(linear_head, "release_means", lambda *_: released)
    monkeypatch.setattr(CentredFeatures, "clipped_sum", lambda _, residuals, __: np.ones((5, *residuals.shape[1:])))
    monkeypatch.setattr(SecureRandom, "normal", lambda _, shape: np.ones(shape))
    settings = HeadSettings(steps=5, learning_rate=1.0, max_grad_norm=0.2, mean_release_steps=2, bias=0.1)
    features = np.random.default_rng(0).normal(size=(6, 4))
    heads = [train_heads(head_data(features, labels_of(kind), IMAGES_OF), settings, [3.0], SecureRandom())[0] for kind in ("none", "all")]
    assert np.array_equal(heads[0].weights, heads[1].weights) and np.array_equal(heads[0].offset, heads[1].offset)
    assert np.abs(heads[0].weights).min() > 0


def test_a_units_loss_does_not_depend_on_the_labels_of_others():
    """A class weight from the training labels would change it."""
    units = Units(torch.tensor([0, 1, 1, 2, 2, 2]), 3)
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    losses = [unit_losses(logits, torch.from_numpy(labels_of(kind)), units)[0] for kind in ("none", "all", "few known")]
    assert losses[0] == losses[1] == losses[2]


def test_what_a_private_training_reports_is_the_same_for_other_images_and_labels(new_session):
    sessions = [new_session() for _ in range(3)]
    trained(labels_of("none"), sessions[0])
    trained(labels_of("all"), sessions[1], images(seed=7) * 100)
    trained(labels_of("few known"), sessions[2], torch.full_like(images(), float("nan")))
    assert sessions[0].steps == sessions[1].steps == sessions[2].steps == list(range(SETTINGS.steps + 1))


def test_the_status_of_a_run_has_step_time_and_planned_spend_and_nothing_from_the_data():
    known = {"state", "step", "total_steps", "seconds_left", "attempt", "message", "updated_at", "planned"}
    assert {field.name for field in fields(Progress)} == known | {"recorded_events"}  # of the record's file, and never shown
