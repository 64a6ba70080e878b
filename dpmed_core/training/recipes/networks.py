"""The recipes that train a network with noisy steps, as values: what is built, what it sees, and how long it learns.

Optimizer, clipping bound and batch are those of Tayebi Arasteh et al. 2024 (NAdam, 1.5, 128), and so is the architecture of `paper`
(ResNet9 with group normalisation and Mish). For a small machine channels are fewer and images coarser than there. Steps and learning
rates were set on procedural images (`docs/RESULTS.md`), never on a cohort's own validation part; nothing is augmented. An image may be a
volume here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dpmed_core.training.encoders.network_input import radiograph_tensor, volume_tensor
from dpmed_core.training.encoders.radiograph_encoder import NARROW_WIDTH
from dpmed_core.training.networks.models import ResNet9, SliceNet
from dpmed_core.training.recipes.catalogue import FINETUNE, PAPER, PAPER3D, SLICES, RecipeCard
from dpmed_core.training.recipes.encoder_start import start_from_encoder


@dataclass(frozen=True)
class NetworkRecipe:
    """How one recipe trains.

    Attributes:
        card: its name and version.
        build: the untrained network, given `n_out` findings.
        to_input: what the network sees, `[n, 1, *positions]`, of cases as a cohort stores them, `[n, ...]`; each by itself.
        cam_layer: the name of the last layer that still knows positions, whose output alone decides; None where there is none.
        epochs: how often a unit is expected to be sampled.
        learning_rate: of NAdam.
        films_at_once: images in a micro-batch; bounds memory, alters no result.
        scored_at_once: images scored together; part of what makes a stored score, bit for bit.
        max_grad_norm: the clipping bound.
        batch_units: units expected in a step, of a cohort large enough.
        largest_sample_rate: in a smaller one.
        films_per_unit: at most so many randomly chosen images of a unit enter a step.
        start: puts public weights in and freezes what stays public, given where the encoders lie; None to learn everything.
    """

    card: RecipeCard
    build: Callable[..., nn.Module]
    to_input: Callable[[NDArray[np.generic]], Tensor]
    cam_layer: str | None
    epochs: int
    learning_rate: float
    images_at_once: int
    scored_at_once: int
    max_grad_norm: float = 1.5
    batch_units: int = 128
    largest_sample_rate: float = 0.25
    images_per_unit: int = 4
    start: Callable[[nn.Module, Path], None] | None = None


NETWORKS: Mapping[str, NetworkRecipe] = {
    recipe.card.name: recipe
    for recipe in (
        NetworkRecipe(
            PAPER,
            build=partial(ResNet9, width=0.125),
            to_input=radiograph_tensor,
            cam_layer="stages.2",
            epochs=30,
            learning_rate=2e-3,
            images_at_once=32,
            scored_at_once=64,
        ),
        NetworkRecipe(
            FINETUNE,
            build=partial(ResNet9, width=NARROW_WIDTH),
            to_input=radiograph_tensor,
            cam_layer="stages.2",
            epochs=30,
            learning_rate=2e-3,
            images_at_once=32,
            scored_at_once=64,
            start=start_from_encoder,
        ),
        NetworkRecipe(
            PAPER3D,
            build=partial(ResNet9, width=0.125, dimensions=3, block=2),
            to_input=volume_tensor,
            cam_layer="stages.2",
            epochs=30,
            learning_rate=2e-3,
            images_at_once=16,
            scored_at_once=1,
        ),
        NetworkRecipe(
            SLICES,
            build=partial(SliceNet, width=0.125, block=2),
            to_input=volume_tensor,
            cam_layer=None,
            epochs=30,
            learning_rate=2e-3,
            images_at_once=4,
            scored_at_once=1,
        ),
    )
}
"""By name."""
