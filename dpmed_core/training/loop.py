"""One loop for private and non-private training: settings first, then the steps."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.errors import RunError
from dpmed_core.training.device import training_device
from dpmed_core.training.dpsgd.ranks import ranks_here
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import Stepper, make_stepper
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.session import Cancelled, Checkpoint, TrainingSession

CHECKPOINT_SECONDS = 3.0


@dataclass(frozen=True)
class LoopSettings:
    """What can change a result or its guarantee, and `films_at_once`, which cannot.

    Attributes:
        steps: noisy steps.
        sample_rate: probability with which a unit enters a step.
        expected_units: the constant that the sum is divided by.
        films_per_unit: at most so many randomly chosen images of a unit enter a step.
        max_grad_norm: the clipping bound.
        noise_multiplier: None trains the non-private twin.
        learning_rate: of NAdam.
        films_at_once: images in a micro-batch, to bound memory.
    """

    steps: int
    sample_rate: float
    expected_units: float
    images_per_unit: int
    max_grad_norm: float
    noise_multiplier: float | None
    learning_rate: float
    images_at_once: int = 32


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training images (or volumes) and who they belong to.

    Attributes:
        images: `[n_images, 1, *positions]`.
        labels: `[n_images, n_findings]`, NaN = unknown.
        films_of: for each unit, the rows of its images.
    """

    images: Tensor
    labels: Tensor
    images_of: list[NDArray[np.intp]]


def train_model(model: nn.Module, data: TrainingData, settings: LoopSettings, *, session: TrainingSession) -> float:
    """Train `model` in place from its last checkpoint on; seconds spent training, over all attempts.

    Raises:
        Cancelled: the session was asked to stop.
    """
    model.to(training_device())
    optimizer = torch.optim.NAdam([p for p in model.parameters() if p.requires_grad], lr=settings.learning_rate)
    done, elapsed = _resume(model, optimizer, session.latest())
    stepper = make_stepper(
        model,
        optimizer,
        noise_multiplier=settings.noise_multiplier,
        max_grad_norm=settings.max_grad_norm,
        expected_units=settings.expected_units,
    )
    random = SecureRandom()  # a resumed run draws afresh; steps that are taken again were shown to nobody
    began = saved = time.monotonic()
    _refuse_disagreement(done)
    while done < settings.steps:
        _step_of_all_ranks(session, done, settings.steps)
        take_step(stepper, data, settings, random)
        done += 1
        if time.monotonic() - saved >= CHECKPOINT_SECONDS or done == settings.steps:
            session.save(_checkpoint(model, optimizer, done, elapsed + time.monotonic() - began))
            saved = time.monotonic()
    session.step(done, settings.steps)
    return elapsed + time.monotonic() - began


def _refuse_disagreement(done: int) -> None:
    if ranks_here().agreed(done) != done:
        raise RunError("The processes of this training read different checkpoints: put the data folder on a disk that all of them see.")


def _step_of_all_ranks(session: TrainingSession, done: int, total: int) -> None:
    """Report to the first rank's session; where that asks to stop, every rank stops."""
    stop = False
    try:
        session.step(done, total)
    except Cancelled:
        stop = True
    if ranks_here().agreed(stop):
        raise Cancelled


def take_step(stepper: Stepper, data: TrainingData, settings: LoopSettings, random: SecureRandom) -> None:
    """Sample units, accumulate their gradients in micro-batches of whole units, and take one step; an empty sample too."""
    device = training_device()
    own = ranks_here().own(len(data.images_of))
    sampled = own[random.bernoulli(settings.sample_rate, len(own))]
    chosen = [_chosen_images(data.images_of[unit], settings.images_per_unit, random) for unit in sampled]
    for rows_by_unit in _micro_batches(chosen, settings.images_at_once):
        rows = torch.from_numpy(np.concatenate(rows_by_unit))
        of_image = torch.from_numpy(np.repeat(np.arange(len(rows_by_unit)), [len(r) for r in rows_by_unit]))
        units = Units(of_image.to(device), len(rows_by_unit))
        losses = unit_losses(stepper.forward(data.images[rows].to(device), units), data.labels[rows].to(device), units)
        stepper.accumulate(losses, units)
    stepper.finish()


def unit_losses(logits: Tensor, labels: Tensor, units: Units) -> Tensor:
    """Each image's share `[n_images]` of its unit's loss.

    The loss of a unit is the sum over findings of the mean binary cross-entropy over its images whose label is known; what is unknown
    counts nothing, and nothing depends on other units.

    Args:
        logits: `[n_images, n_findings]`.
        labels: `[n_images, n_findings]`, NaN = unknown.
        units: who the images belong to.
    """
    known = (~torch.isnan(labels)).to(logits.dtype)
    weights = known / units.sums(known)[units.of_image].clamp(min=1)
    return (functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(labels), reduction="none") * weights).sum(1)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, *, images_at_once: int = 64) -> NDArray[np.float64]:
    """Probabilities `[n_images, n_findings]`; in batches of one size, so that a reloaded model gives the same bits.

    Logits become probabilities one by one: `torch.sigmoid` may differ in the last bit with an element's place in its array.
    """
    model.eval().to(device := training_device())
    logits = [model(images[i : i + images_at_once].to(device)).cpu() for i in range(0, len(images), images_at_once)]
    return np.asarray(expit(torch.cat(logits).double().numpy()))


def _chosen_images(rows: NDArray[np.intp], at_most: int, random: SecureRandom) -> NDArray[np.intp]:
    return rows if len(rows) <= at_most else rows[random.choice(len(rows), at_most)]


def _micro_batches(chosen: list[NDArray[np.intp]], images_at_once: int) -> Iterator[list[NDArray[np.intp]]]:
    batch: list[NDArray[np.intp]] = []
    n_images = 0
    for rows in chosen:
        if batch and n_images + len(rows) > images_at_once:
            yield batch
            batch, n_images = [], 0
        batch.append(rows)
        n_images += len(rows)
    if batch:
        yield batch


def _checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer, step: int, elapsed_seconds: float) -> Checkpoint:
    """Weights and optimizer state at a step boundary; both are functions of noised sums only."""
    tensors = {f"model.{name}": tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value).cpu().numpy().copy() for name, value in state.items()}
    return Checkpoint(step=step, tensors=tensors, elapsed_seconds=elapsed_seconds)


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint | None) -> tuple[int, float]:
    """Put `checkpoint` into model and optimizer; the steps and seconds that it stands for."""
    if checkpoint is None:
        return 0, 0.0
    model.load_state_dict(_tensors_under("model.", checkpoint.tensors))
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _tensors_under("optimizer.", checkpoint.tensors).items():
        index, _, key = name.partition(".")
        states.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return checkpoint.step, checkpoint.elapsed_seconds


def _tensors_under(prefix: str, tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): torch.from_numpy(np.array(value)) for name, value in tensors.items() if name.startswith(prefix)}


def steps_for(epochs: int, sample_rate: float) -> int:
    """Steps in which each unit is expected to be sampled `epochs` times."""
    return math.ceil(epochs / sample_rate)
