"""The recipes that train a network by DP-SGD, as values: architecture, input, number of epochs.

Optimizer, clipping bound and batch are those of Tayebi Arasteh et al. 2024 (NAdam, 1.5, 128), and so is the architecture of `paper`
(ResNet9 with group normalisation and Mish). For a small machine channels are fewer and images coarser than there. Epochs and learning
rates were set on procedural images (`docs/RESULTS.md`) and never on a cohort's own validation part; there is no augmentation. "Image" means
volume as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dpmed_core.training.encoders.network_input import radiograph_tensor, volume_tensor, windowed
from dpmed_core.training.encoders.radiograph_encoder import NARROW_WIDTH
from dpmed_core.training.encoders.volume_tail import MapShape, VolumeTail
from dpmed_core.training.encoders.volume_trunk import KINDS, VolumeTrunk
from dpmed_core.training.networks.models import ResNet9, SliceNet
from dpmed_core.training.recipes.catalogue import FINETUNE, FINETUNE3D, PAPER, PAPER3D, SLICES, RecipeCard
from dpmed_core.training.recipes.encoder_start import public_trunk, start_from_encoder, start_from_volume_encoder


@dataclass(frozen=True)
class Trunk:
    """A frozen public network that stands before the one that is trained, which reads what it gives for a case.

    Attributes:
        build: builds it untrained.
        public: gives it with its public weights, from the encoders' folder.
    """

    build: Callable[[], nn.Module]
    public: Callable[[Path], nn.Module]


@dataclass(frozen=True)
class NetworkRecipe:
    """How one recipe trains.

    Attributes:
        card: its name and version.
        build: builds the untrained network, given `n_out` findings.
        to_input: from cases as a cohort stores them, `[n, ...]`, to the network's input `[n, 1, *positions]`, case by case.
        cam_layer: the name of a late layer with spatial positions through whose output alone the logits depend on the image; None where
            there is no such layer.
        epochs: expected number of times that a unit is sampled.
        learning_rate: of NAdam.
        images_at_once: images in a micro-batch, to bound memory; changes results by rounding alone.
        scored_at_once: images that are scored together; another number would change the last bits of stored scores.
        max_grad_norm: the clipping bound.
        batch_units: expected number of units in a step, in a cohort that is large enough.
        largest_sample_rate: the sample rate in a smaller cohort.
        images_per_unit: largest number of a unit's images, chosen at random, that enter a step.
        start: loads public weights from the encoders' folder and freezes what stays public; None to train everything.
        trunk: what stands before the network; None where it reads its input itself.
        build_small: as `build`, for an input of few numbers, on which an audit trains it; None where `build` takes a small input.
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
    trunk: Trunk | None = None
    build_small: Callable[..., nn.Module] | None = None


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
            scored_at_once=1,  # volumes are scored one by one, so that an uploaded one has the bits of a stored one
        ),
        NetworkRecipe(
            SLICES,
            build=partial(SliceNet, width=0.125, block=2),
            to_input=volume_tensor,
            cam_layer=None,  # attention weighs slices after the last convolution
            epochs=30,
            learning_rate=2e-3,
            images_at_once=4,
            scored_at_once=1,
        ),
        NetworkRecipe(
            FINETUNE3D,
            build=partial(VolumeTail, kinds=KINDS),
            to_input=windowed,
            cam_layer=None,  # two networks decide, and features that are pooled before the trained layers
            epochs=20,
            learning_rate=2e-3,
            images_at_once=16,
            scored_at_once=1,
            start=start_from_volume_encoder,
            trunk=Trunk(VolumeTrunk, public_trunk),
            build_small=partial(VolumeTail, kinds=tuple(kind._replace(map=MapShape(kind.map.channels, 2, 2, 2)) for kind in KINDS)),
        ),
    )
}
"""The recipes by name; `probe` is not among them, as it trains no network."""


def positions_read(network: nn.Module, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """Positions of an input of `network`: those of the vector that it reads, or `otherwise` where it reads images of any size."""
    return (network.n_read,) if isinstance(network, VolumeTail) else otherwise
