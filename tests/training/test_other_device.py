"""Training on a device other than the CPU: nothing mixes tensors of both, and the step is the same."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.training import loop
from dpmed_core.training.dpsgd import convolution, lattice_noise, ranks
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.network_input import to_tensor, windowed
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.loop import LoopSettings, TrainingData, predict, train_model
from dpmed_core.training.networks.models import initial_weights
from dpmed_core.training.recipes.networks import NETWORKS, positions_read
from tests.training.other_device import DEVICE, Elsewhere, other_device

ENCODERS = Path(__file__).parents[2] / "data" / "encoders"
pytestmark = pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter:UserWarning")  # `DEVICE` bears that name
SIDES = {Modality.RADIOGRAPH: (16, 16), Modality.CT: (16, 16, 16)}


class Memory:
    """A session that keeps its last checkpoint."""

    kept = None

    def latest(self):
        return self.kept

    def save(self, checkpoint):
        self.kept = checkpoint

    def step(self, done, total):
        pass


def trained(recipe, *, noise, steps=(2,)):
    """Weights, flat, and predictions after trainings to each of `steps`, resumed from one another; patients have one to three images."""
    card = NETWORKS[recipe]
    build = partial(card.build_small or card.build, n_out=2)
    shape = positions_read(build(), SIDES[card.card.modalities[0]])
    images = torch.randn(9, 1, *shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(18).view(-1, 2).remainder(3).float().clamp(max=1)
    labels[0, 0] = torch.nan
    data = TrainingData(images, labels, np.array_split(np.arange(9), [1, 3, 6, 8]))
    session = Memory()
    for total in steps:
        model = initial_weights(0, build)
        train_model(model, data, LoopSettings(total, 1.0, 5.0, 4, 0.5, noise, 1e-2, images_at_once=4), session=session)
    weights = torch.cat([p.detach().cpu().flatten() for p in model.parameters()])
    return weights, predict(model, images, images_at_once=4), model


@pytest.fixture
def elsewhere(monkeypatch):
    """The training device is the other one, within the test."""
    with other_device() as device:
        monkeypatch.setattr(loop, "training_device", lambda: device)
        yield


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "noise"), [*((name, 0.0) for name in sorted(NETWORKS)), ("paper", None)])
def test_a_training_elsewhere_is_that_on_the_cpu(recipe, noise, request):
    expected, predicted, _ = trained(recipe, noise=noise)
    request.getfixturevalue("elsewhere")
    weights, scores, model = trained(recipe, noise=noise)
    assert all(isinstance(p.data, Elsewhere) or isinstance(p, Elsewhere) for p in model.parameters()), "it was trained elsewhere"
    assert torch.allclose(weights, expected, atol=2e-5)
    assert np.allclose(scores, predicted, atol=2e-5)


@pytest.mark.slow
def test_a_training_elsewhere_resumes_from_its_checkpoint(elsewhere):
    once, _, _ = trained("paper", noise=0.0, steps=(2,))
    resumed, _, _ = trained("paper", noise=0.0, steps=(1, 2))
    assert torch.equal(once, resumed)


@pytest.mark.slow
def test_numbers_that_the_optimizer_reads_on_the_cpu_are_there_after_a_resumption(elsewhere, monkeypatch):
    seen = []
    resume = loop._resume

    def watched(model, optimizer, checkpoint):
        done = resume(model, optimizer, checkpoint)
        seen.extend((name, value.device.type) for state in optimizer.state.values() for name, value in state.items())
        return done

    monkeypatch.setattr(loop, "_resume", watched)
    trained("paper", noise=0.0, steps=(1, 2))
    assert set(seen) == {("step", "cpu"), ("mu_product", "cpu"), ("exp_avg", DEVICE.type), ("exp_avg_sq", DEVICE.type)}


def test_noise_reaches_the_device_of_the_sum_and_is_made_there(elsewhere):
    total = torch.zeros(20_001).to(DEVICE)
    noised = lattice_noise.add_gaussian_noise(total, noise_multiplier=2.0, sensitivity=1.5, n_entries=20_001, random=SecureRandom())
    assert isinstance(noised, Elsewhere)
    assert abs(float(noised.cpu().std()) / 3.0 - 1) < 7 / (2 * 20_001) ** 0.5
    assert isinstance(lattice_noise.gaussian(5, SecureRandom(), DEVICE), Elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "shape"), [(Modality.RADIOGRAPH, (2, 64, 64)), (Modality.CT, (1, *SHAPE))])
def test_public_features_can_be_computed_elsewhere(modality, shape, elsewhere):
    encoder = load_encoder(ENCODERS, modality)
    if modality is Modality.CT:
        inputs = windowed(np.random.default_rng(0).integers(-200, 300, shape).astype(np.int16))
    else:
        inputs = to_tensor(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), size=64)
    with torch.no_grad():
        expected = encoder.of_inputs(inputs)
        for network in encoder.networks.values():
            network.to(DEVICE)
        there = replace(encoder, reduction={name: value.to(DEVICE) for name, value in encoder.reduction.items()})
        found = there.of_inputs(inputs.to(DEVICE))
    assert isinstance(found, Elsewhere)
    assert torch.allclose(found.cpu(), expected, atol=1e-4)


def test_the_other_device_refuses_what_a_gpu_refuses():
    with other_device() as device:
        there = torch.ones(3).to(device)
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises(TypeError, match="cpu"):
            np.asarray(there)
        assert (there + torch.tensor(1.0)).cpu().tolist() == [2.0, 2.0, 2.0]
        assert torch.ones(3).copy_(there).tolist() == [1.0, 1.0, 1.0]
        assert bool((torch.arange(3, device=device) == 1).any())


@pytest.mark.parametrize(("kind", "shape"), [(torch.nn.Conv1d, (7,)), (torch.nn.Conv2d, (5, 6)), (torch.nn.Conv3d, (3, 4, 5))])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_product_over_patches_is_the_weight_gradient(kind, shape, padding):
    layer = kind(3, 4, 3, padding=padding, bias=False).double()
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    out = layer(x)
    g = torch.randn_like(out)
    out.backward(g)
    assert torch.allclose(convolution._product_over_patches(layer, x, g), layer.weight.grad, atol=1e-12)


def test_sums_of_several_ranks_travel_through_the_cpu(monkeypatch):
    sent = []

    def add_one(tensor, **_):
        sent.append(tensor.device.type)
        tensor += 1

    for name in ("reduce", "broadcast"):
        monkeypatch.setattr(ranks.distributed, name, add_one)
    with other_device() as device:
        there = torch.zeros(3).to(device)
        group = ranks.ProcessGroup(0, 2)
        group.reduce_to_first([there])
        group.broadcast_from_first([there])
        assert there.cpu().tolist() == [2.0, 2.0, 2.0] and isinstance(there, Elsewhere)
    assert sent == ["cpu", "cpu"]
