from dataclasses import replace

import numpy as np
import pytest
import torch

from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.loop import LoopSettings, TrainingData, predict, take_step, train_model
from dpmed_core.training.networks.models import ResNet9, initial_weights
from dpmed_core.training.session import Cancelled

SETTINGS = LoopSettings(
    steps=6, sample_rate=0.5, expected_units=2, images_per_unit=2, max_grad_norm=1.0, noise_multiplier=1.0, learning_rate=1e-3
)
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def network():
    return initial_weights(0, ResNet9, width=0.0625, n_out=2)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    images_of = [np.array([0]), np.array([1, 2]), np.array([3, 4, 5]), np.array([6])]
    labels = torch.randint(0, 2, (7, 2), generator=generator).float()
    return TrainingData(torch.randn(7, 1, 16, 16, generator=generator), labels, images_of)


def test_a_run_takes_the_planned_steps_and_ends_with_a_checkpoint(data, new_session):
    session = new_session()
    train_model(network(), data, SETTINGS, session=session)
    assert session.steps == [0, 1, 2, 3, 4, 5, 6]
    assert session.events[-2:] == ["save", "step"], "the last step is saved before it is reported"
    assert session.saved[-1].step == 6


def test_a_resumed_run_takes_only_the_steps_that_are_left(data, new_session):
    first = new_session()
    train_model(network(), data, replace(SETTINGS, steps=4), session=first)
    second = new_session(checkpoint=first.saved[-1])
    train_model(network(), data, SETTINGS, session=second)
    assert second.steps == [4, 5, 6]
    assert second.saved[-1].elapsed_seconds > first.saved[-1].elapsed_seconds


def test_a_resumed_reference_continues_exactly_where_it_stopped(data, new_session):
    """With every unit in every step a non-private run is deterministic, so that an interruption must change nothing."""
    settings = replace(SETTINGS, sample_rate=1.0, images_per_unit=9, noise_multiplier=None)
    whole, half, rest = network(), network(), network()
    train_model(whole, data, settings, session=new_session())
    session = new_session()
    train_model(half, data, replace(settings, steps=3), session=session)
    train_model(rest, data, settings, session=new_session(checkpoint=session.saved[-1]))
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))


def test_a_resumed_private_run_draws_other_noise(data, new_session):
    session = new_session()
    train_model(network(), data, replace(SETTINGS, steps=2), session=session)
    results = []
    for _ in range(2):
        model = network()
        train_model(model, data, replace(SETTINGS, steps=3), session=new_session(checkpoint=session.saved[-1]))
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert not torch.equal(*results)


def test_a_finished_checkpoint_takes_no_further_step(data, new_session):
    session = new_session()
    train_model(network(), data, SETTINGS, session=session)
    model = network()
    again = new_session(checkpoint=session.saved[-1])
    train_model(model, data, SETTINGS, session=again)
    assert again.steps == [6] and not again.saved
    assert torch.equal(next(model.parameters()), torch.from_numpy(session.saved[-1].tensors["model." + next(iter(model.state_dict()))]))


def test_a_checkpoint_holds_weights_and_optimizer_state_and_no_gradient(data, new_session):
    session = new_session()
    train_model(network(), data, SETTINGS, session=session)
    names = {name.split(".", 1)[0] for name in session.saved[-1].tensors}
    assert names == {"model", "optimizer"}
    states = {name.rsplit(".", 1)[1] for name in session.saved[-1].tensors if name.startswith("optimizer")}
    assert states == {"step", "mu_product", "exp_avg", "exp_avg_sq"}


def test_a_cancelled_run_stops_before_its_next_step(data, new_session):
    session = new_session(cancel_at=2)
    with pytest.raises(Cancelled):
        train_model(network(), data, SETTINGS, session=session)
    assert session.steps == [0, 1, 2]


class Recorder:
    """A stepper that records the images of its micro-batches."""

    def __init__(self, n_images):
        self.batches, self.finished, self.n_images = [], 0, n_images

    def forward(self, images, units):
        del units
        self.seen = images[:, 0, 0, 0].long()
        return torch.zeros(len(images), 1)

    def accumulate(self, losses, units):
        self.batches.append((self.seen.tolist(), units.of_image.tolist(), units.n_units))

    def finish(self):
        self.finished += 1


def test_units_enter_with_all_of_their_images_or_a_random_sample_of_them():
    numbers = torch.arange(12.0).view(12, 1, 1, 1).expand(12, 1, 2, 2)
    data = TrainingData(numbers, torch.zeros(12, 1), [np.arange(0, 2), np.arange(2, 8), np.arange(8, 12)])
    settings = replace(SETTINGS, sample_rate=1.0, images_per_unit=4, images_at_once=6)
    chosen = set()
    for _ in range(40):
        stepper = Recorder(12)
        take_step(stepper, data, settings, SecureRandom())
        assert [batch[1:] for batch in stepper.batches] == [([0, 0, 1, 1, 1, 1], 2), ([0, 0, 0, 0], 1)]
        assert stepper.batches[0][0][:2] == [0, 1] and sorted(stepper.batches[1][0]) == [8, 9, 10, 11]
        chosen |= set(stepper.batches[0][0][2:])
        assert len(set(stepper.batches[0][0][2:])) == 4
    assert chosen == {2, 3, 4, 5, 6, 7}


def test_sampling_is_poisson_and_an_empty_sample_is_a_step_too():
    n = 50
    data = TrainingData(torch.arange(float(n)).view(n, 1, 1, 1), torch.zeros(n, 1), [np.array([i]) for i in range(n)])
    sizes = []
    for _ in range(400):
        stepper = Recorder(n)
        take_step(stepper, data, replace(SETTINGS, sample_rate=0.03), SecureRandom())
        assert stepper.finished == 1
        sizes.append(sum(batch[2] for batch in stepper.batches))
    assert 0 in sizes
    assert np.mean(sizes) == pytest.approx(n * 0.03, abs=7 * (n * 0.03 * 0.97 / 400) ** 0.5)
    assert np.var(sizes) == pytest.approx(n * 0.03 * 0.97, rel=0.6)


def test_a_reloaded_model_gives_the_same_bits(data):
    model, images = network(), data.images
    again = network()
    again.load_state_dict({name: torch.from_numpy(tensor.numpy().copy()) for name, tensor in model.state_dict().items()})
    assert np.array_equal(predict(model, images), predict(again, images))
