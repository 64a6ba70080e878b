"""One training loop for private models and their non-private references, so that the two differ in privacy alone."""

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
from dpmed_core.training.dpsgd.ranks import process_group
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import Stepper, make_stepper
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.session import Cancelled, Checkpoint, TrainingSession

CHECKPOINT_SECONDS = 3.0
"""Seconds between checkpoints, where a step is shorter: what a killed training loses."""


@dataclass(frozen=True)
class LoopSettings:
    """Everything that can change a result or its guarantee, and `images_at_once`, which changes neither beyond rounding.

    Attributes:
        steps: steps of a whole training.
        sample_rate: probability with which a unit enters a step.
        expected_units: the constant that a step's sum is divided by.
        images_per_unit: largest number of a unit's images, chosen at random, that enter a step.
        max_grad_norm: the clipping bound.
        noise_multiplier: standard deviation of the noise over the clipping bound; None trains the non-private reference model.
        learning_rate: of NAdam.
        images_at_once: images in a micro-batch, to bound memory.
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
    """Training images (or volumes) and the units that they belong to.

    Attributes:
        images: `[n_images, 1, *positions]`.
        labels: `[n_images, n_findings]`, NaN = unknown.
        images_of: for each unit, the rows of its images.
    """

    images: Tensor
    labels: Tensor
    images_of: list[NDArray[np.intp]]


def train_model(model: nn.Module, data: TrainingData, settings: LoopSettings, *, session: TrainingSession) -> float:
    """Seconds spent training, over all attempts; `model` is trained in place, from the session's last checkpoint on.

    Raises:
        Cancelled: the session was asked to stop.
        RunError: the processes of a distributed training disagree on where to start.
    """
    # The optimizer is built after the model has moved: it keeps references to the parameters.
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
    # A resumed run draws fresh randomness: steps after the last durable checkpoint were never released and are taken anew.
    random = SecureRandom()
    began = saved = time.monotonic()
    _require_common_start(done)
    while done < settings.steps:
        _report_or_stop(session, done, settings.steps)
        take_step(stepper, data, settings, random)
        done += 1
        # The last step is saved before it is reported below: nothing computed from weights is shown before they are durable.
        if time.monotonic() - saved >= CHECKPOINT_SECONDS or done == settings.steps:
            session.save(_checkpoint(model, optimizer, done, elapsed + time.monotonic() - began))
            saved = time.monotonic()
    session.step(done, settings.steps)
    return elapsed + time.monotonic() - began


def _require_common_start(done: int) -> None:
    if process_group().broadcast_value(done) != done:
        raise RunError("The processes of this training read different checkpoints: put the data folder on a disk that all of them see.")


def _report_or_stop(session: TrainingSession, done: int, total: int) -> None:
    """Report progress to the session; where the first rank's session asks to stop, every rank raises Cancelled."""
    stop = False
    # All ranks take the first one's decision: a rank that stopped alone would leave the others waiting in their next reduction.
    try:
        session.step(done, total)
    except Cancelled:
        stop = True
    if process_group().broadcast_value(stop):
        raise Cancelled


def take_step(stepper: Stepper, data: TrainingData, settings: LoopSettings, random: SecureRandom) -> None:
    """Sample units, accumulate their gradients in micro-batches of whole units, and take one step.

    The accounting assumes Poisson sampling: every unit enters independently with the sample rate, and the sample may be empty. An empty
    sample takes its step like any other, as a step left out would reveal that it was empty. Which of a unit's images enter depends on that
    unit alone, so that a neighbouring data set still differs by one unit's clipped gradient.
    """
    device = training_device()
    own = process_group().own_units(len(data.images_of))
    sampled = own[random.bernoulli(settings.sample_rate, len(own))]
    chosen = [_sample_images(data.images_of[unit], settings.images_per_unit, random) for unit in sampled]
    for rows_by_unit in _micro_batches(chosen, settings.images_at_once):
        rows = torch.from_numpy(np.concatenate(rows_by_unit))
        of_image = torch.from_numpy(np.repeat(np.arange(len(rows_by_unit)), [len(r) for r in rows_by_unit]))
        units = Units(of_image.to(device), len(rows_by_unit))
        losses = unit_losses(stepper.forward(data.images[rows].to(device), units), data.labels[rows].to(device), units)
        stepper.accumulate(losses, units)
    stepper.finish()


def unit_losses(logits: Tensor, labels: Tensor, units: Units) -> Tensor:
    """Each image's share `[n_images]` of its unit's loss.

    The loss of a unit is the sum over findings of the mean binary cross-entropy over its images whose label is known. Unknown labels count
    nothing. The mean is taken within the unit: one over the batch would make a unit's gradient depend on other units, and clipping would no
    longer bound what a unit contributes. At logits of 0 the cross-entropy of a known label is log 2 = 0.693, here shared by two images:

    >>> units, unknown = Units(torch.tensor([0, 0]), 1), float("nan")
    >>> [round(x, 4) for x in unit_losses(torch.zeros(2, 2), torch.tensor([[1.0, unknown], [0.0, unknown]]), units).tolist()]
    [0.3466, 0.3466]

    Args:
        logits: `[n_images, n_findings]`.
        labels: `[n_images, n_findings]`, NaN = unknown.
        units: the units of the images.
    """
    # Where no image of a unit has a known label for a finding, the weight is 0 / 1.
    known = (~torch.isnan(labels)).to(logits.dtype)
    weights = known / units.sums(known)[units.of_image].clamp(min=1)
    return (functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(labels), reduction="none") * weights).sum(1)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, *, images_at_once: int = 64) -> NDArray[np.float64]:
    """Probabilities `[n_images, n_findings]`, in batches of one size, so that a reloaded model gives the same bits.

    The logistic function is SciPy's: `torch.sigmoid` may differ in the last bit with an element's position in its array.
    """
    model.eval().to(device := training_device())
    logits = [model(images[i : i + images_at_once].to(device)).cpu() for i in range(0, len(images), images_at_once)]
    return np.asarray(expit(torch.cat(logits).double().numpy()))


def _sample_images(rows: NDArray[np.intp], at_most: int, random: SecureRandom) -> NDArray[np.intp]:
    return rows if len(rows) <= at_most else rows[random.choice(len(rows), at_most)]


def _micro_batches(chosen: list[NDArray[np.intp]], images_at_once: int) -> Iterator[list[NDArray[np.intp]]]:
    """The sampled units' rows in batches of at most `images_at_once` images, or of one larger unit: a unit is clipped as a whole."""
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
    """Weights and optimizer state at a step boundary.

    Invariant: in a private training both are functions of noised sums and public values alone, so that storing a checkpoint is
    post-processing. Running sums of clipped gradients, which have no noise yet, live only within `take_step`.
    """
    # Copies: the optimizer goes on to change its tensors in place.
    tensors = {f"model.{name}": tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value).cpu().numpy().copy() for name, value in state.items()}
    return Checkpoint(step=step, tensors=tensors, elapsed_seconds=elapsed_seconds)


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint | None) -> tuple[int, float]:
    """The steps and seconds that `checkpoint` stands for, once it is loaded into model and optimizer; zeros without one."""
    if checkpoint is None:
        return 0, 0.0
    model.load_state_dict(_tensors_under("model.", checkpoint.tensors))
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _tensors_under("optimizer.", checkpoint.tensors).items():
        index, _, key = name.partition(".")
        states.setdefault(int(index), {})[key] = tensor
    # The parameter groups, learning rate among them, are those of the recipe and not of the checkpoint.
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    # NAdam reads its numbers (not its moments) on the CPU; loading moved them to the device, where each read would wait for it.
    for state in optimizer.state.values():
        state |= {name: value.cpu() for name, value in state.items() if value.ndim == 0}
    return checkpoint.step, checkpoint.elapsed_seconds


def _tensors_under(prefix: str, tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): torch.from_numpy(np.array(value)) for name, value in tensors.items() if name.startswith(prefix)}


def steps_for(epochs: int, sample_rate: float) -> int:
    """Steps in which each unit is expected to be sampled at least `epochs` times.

    Tayebi Arasteh et al. 2024, 20 epochs at rate 128 / 153,502, by the closed form epochs / sample_rate, rounded up:

    >>> steps_for(20, 128 / 153_502)
    23985
    """
    return math.ceil(epochs / sample_rate)
