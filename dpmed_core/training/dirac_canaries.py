"""One training of a network on canaries alone, and what somebody sees of it who is shown every step: the noisy sums that the steps release.

A canary is a unit whose whole gradient lies along one coordinate of its own, with a norm far above the clipping bound. To this end the
network has one more parameter, a vector with one entry for each canary; the logits of a canary's images depend on its entry alone. So a
canary is sampled, clipped, summed, noised and divided by the product's own loop and step, which take it for any unit. Half of the canaries,
drawn at random, are in; the records of the others are empty (zero-out neighbours). Nobody else is in the data: what all other parameters
receive is noise and nothing else.

Source: Steinke, Nasr & Jagielski 2023, "Privacy auditing with one (1) training run", arXiv 2305.08846: many canaries in one run.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from dpmed_core.imaging.modality import Modality
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.loop import LoopSettings, TrainingData, train_model
from dpmed_core.training.recipes.networks import NetworkRecipe, positions_read
from dpmed_core.training.recipes.train_network import build_network
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.session import UnrecordedSession

Floats = NDArray[np.float64]
LOUDNESS = 1000.0
"""Norm of a canary's gradient over the clipping bound."""
SIDE = 16
"""Side of a canary's blank images, in pixels or voxels: the smallest of which every network's poolings leave something."""
IMAGES_AT_ONCE = 1024
"""Of a micro-batch; canaries' images are small."""
CANARIES = "canaries.weight"
"""The name of the added parameter."""


@dataclass(frozen=True, eq=False)
class ObservedSteps:
    """The noisy sums of each step, in units of the clipping bound.

    Attributes:
        canaries: at each canary's coordinate, `[n_steps, n_canaries]`.
        inside: which canaries are in, `[n_canaries]`.
        squares: the sum of squares over each of the network's own parameters (one tensor each), `[n_steps, n_parameters]`.
        sizes: entries of these parameters, `[n_parameters]`.
    """

    canaries: Floats = field(repr=False)
    inside: NDArray[np.bool_] = field(repr=False)
    squares: Floats = field(repr=False)
    sizes: NDArray[np.intp] = field(repr=False)


class WithCanaries(nn.Module):
    """A network with one more parameter, of which each canary has one entry; its number, from 1, stands in its images' first position.

    An image without a number is the network's. A canary's logits are always 0, so that its gradient never fades: each of its labels, all
    negative, gives `scale` / 2 along its entry.

    Args:
        network: gives logits `[n, n_findings]`.
        n_canaries: number of canaries.
        scale: see above.
    """

    def __init__(self, network: nn.Module, *, n_canaries: int, scale: float) -> None:
        super().__init__()
        self.network, self.canaries, self.scale = network, nn.Linear(n_canaries, 1, bias=False), scale

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_findings]` of images `x` `[n, 1, *positions]`."""
        numbers = x.flatten(1)[:, 0].long()
        entries = functional.one_hot(numbers, self.canaries.in_features + 1)[:, 1:].to(x.dtype)
        own = self.canaries(self.scale * entries)
        logits: Tensor = self.network(x)
        # Less its own value, which is a constant to back-propagation: the entry has a gradient and no effect.
        return torch.where(numbers[:, None] > 0, (own - own.detach()).expand_as(logits), logits)


def observe_training(
    recipe: NetworkRecipe,
    guarantee: PrivacyGuarantee,
    *,
    steps: int,
    n_findings: int,
    n_canaries: int,
    canary_images: int,
    encoders_dir: Path,
    side: int = SIDE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ObservedSteps:
    """One training by `recipe` on canaries, with the noise, clipping bound and sample rate of `guarantee`.

    Args:
        recipe: its network, optimizer and limits are trained.
        guarantee: of the training that is audited.
        steps: how many steps are taken.
        n_findings: findings of the audited training.
        n_canaries: canaries in and out together.
        canary_images: images of a canary that is in.
        encoders_dir: folder of the public encoders, for recipes that begin at one.
        side: of the images.
        progress: told how many of the steps are done.
    """
    inside = SecureRandom().bernoulli(0.5, n_canaries)
    small = replace(recipe, build=recipe.build_small or recipe.build)
    network = build_network(small, n_findings=n_findings, seed=0, encoders_dir=encoders_dir)
    bound = guarantee.max_grad_norm
    model = WithCanaries(network, n_canaries=n_canaries, scale=2 * LOUDNESS * bound / n_findings)
    dimensions = 3 if Modality.CT in recipe.card.modalities else 2
    positions = positions_read(network, (side,) * dimensions)
    data = canary_data(inside, canary_images=canary_images, positions=positions, n_findings=n_findings)
    settings = LoopSettings(
        steps=steps,
        sample_rate=guarantee.sample_rate,
        expected_units=guarantee.sample_rate * n_canaries,
        images_per_unit=recipe.images_per_unit,
        max_grad_norm=bound,
        noise_multiplier=guarantee.noise_multiplier,
        learning_rate=recipe.learning_rate,
        images_at_once=IMAGES_AT_ONCE,
    )
    with _watched(model, settings.expected_units / bound) as seen:
        train_model(model, data, settings, session=UnrecordedSession(progress))
    sizes = np.array([p.numel() for name, p in model.named_parameters() if p.requires_grad and name != CANARIES], dtype=np.intp)
    return ObservedSteps(np.array([one for one, _ in seen]), inside, np.array([squares for _, squares in seen]), sizes)


def canary_data(inside: NDArray[np.bool_], *, canary_images: int, positions: tuple[int, ...], n_findings: int) -> TrainingData:
    """Canaries as units: those that are in with blank images that bear their number and negative labels; one image without either else."""
    counts = np.where(inside, canary_images, 1)
    numbers = np.repeat(np.where(inside, np.arange(len(inside)) + 1, 0), counts)
    images = torch.zeros(len(numbers), 1, *positions)
    images.flatten(1)[:, 0] = torch.from_numpy(numbers).to(images.dtype)
    labels = torch.where(torch.from_numpy(numbers > 0)[:, None], 0.0, torch.nan).expand(-1, n_findings)
    return TrainingData(images, labels.contiguous(), np.split(np.arange(len(numbers)), np.cumsum(counts)[:-1]))


@contextmanager
def _watched(model: WithCanaries, scale: float) -> Iterator[list[tuple[Floats, list[float]]]]:
    """What the optimizer of `model` is given at each step, times `scale`: the canaries' entries, and each other parameter's squares."""
    seen: list[tuple[Floats, list[float]]] = []

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if any(parameter is model.canaries.weight for group in optimizer.param_groups for parameter in group["params"]):
            sums = {name: p.grad.double() * scale for name, p in model.named_parameters() if p.grad is not None}
            squares = [float(total.square().sum()) for name, total in sums.items() if name != CANARIES]
            seen.append((sums[CANARIES].flatten().cpu().numpy(), squares))

    handle = register_optimizer_step_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()
