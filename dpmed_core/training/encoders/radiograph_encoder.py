"""The public encoders, trained on synthetic images only, and the networks of the one for radiographs.

An encoder is refused unless its card states which public data it was trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from dpmed_core.errors import SettingsError
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.encoders.network_input import radiograph_tensor, windowed
from dpmed_core.training.encoders.pancreas_crop import NAME as CROP
from dpmed_core.training.encoders.pancreas_crop import CropNetwork
from dpmed_core.training.encoders.scattering import at_scattering_size, scatter
from dpmed_core.training.encoders.volume_encoder import NAME as VOLUME
from dpmed_core.training.encoders.volume_encoder import VolumeNetwork, volume_features
from dpmed_core.training.networks.blocks import Layer, Stage
from dpmed_core.training.networks.models import ResNet9

NARROW_WIDTH = 0.25
"""Width of the narrow network, see `ResNet9`."""
CHANNELS = (32, 48, 96, 128)
"""Channels of the wide network's stem and stages."""
LARGEST_DEVIATION = 6
"""Standardised features are cut off here, so that no single one of them dominates an unusual image's feature vector."""
Loaded = TypeVar("Loaded", bound=nn.Module)


class WideNetwork(nn.Module):
    """A small residual network over 2 x 2 blocks of pixels, which keeps all pixels at a quarter of the work.

    The names of its layers are keys of stored weights.

    Args:
        n_targets: number of outputs.
    """

    def __init__(self, *, n_targets: int) -> None:
        super().__init__()
        first, *rest = CHANNELS
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), Layer(4, first))
        self.stages = nn.ModuleList([Stage(n_in, n_out) for n_in, n_out in zip(CHANNELS, rest, strict=False)])
        self.head = nn.Linear(2 * CHANNELS[-1], n_targets)

    def activations(self, x: Tensor) -> list[Tensor]:
        """The output of each stage for radiographs `x` `[n, 1, height, width]`, from fine to coarse."""
        x, outputs = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Predicted targets `[n, n_targets]` for radiographs `x` `[n, 1, height, width]`."""
        last = self.activations(x)[-1]
        return self.head(torch.cat([last.mean(dim=(2, 3)), last.amax(dim=(2, 3))], dim=1))  # type: ignore[no-any-return]


Network = ResNet9 | WideNetwork


def build_network(name: str, n_targets: int) -> Network:
    """The untrained network for radiographs called "narrow" (for phantoms) or "wide" (for domain-randomised radiographs)."""
    return ResNet9(width=NARROW_WIDTH, n_out=n_targets) if name == "narrow" else WideNetwork(n_targets=n_targets)


@dataclass(frozen=True, eq=False)
class PublicEncoder:
    """Fixed features of an image: networks' pooled activations and scattering coefficients, each reduced by public statistics.

    Attributes:
        networks: by name, in evaluation mode.
        to_input: from stored images (8-bit radiographs, or volumes in HU) to the networks' input, `[n, 1, *positions]`.
        raw_features: from that input to each kind of feature of `COMPONENTS`, `[n, n_raw]`.
        reduction: mean, scale, basis and spread of each kind of feature, from synthetic images.
    """

    networks: Mapping[str, nn.Module]
    to_input: Callable[[NDArray[np.generic]], Tensor]
    raw_features: Callable[[Tensor], dict[str, Tensor]]
    reduction: dict[str, Tensor] = field(repr=False)

    @torch.no_grad()
    def features(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features `[n, n_features]` of stored images: the kinds of `COMPONENTS` one after another."""
        return self.of_inputs(self.to_input(images)).numpy()

    @torch.no_grad()
    def outputs(self, images: NDArray[np.generic], name: str) -> NDArray[np.float32]:
        """What the network called `name` predicts of stored images, `[n, n_targets]`."""
        predicted: NDArray[np.float32] = self.networks[name](self.to_input(images)).numpy()
        return predicted

    def of_inputs(self, inputs: Tensor) -> Tensor:
        """Features `[n, n_features]` of what `to_input` gave, differentiable."""
        raw = self.raw_features(inputs)
        return torch.cat([reduce_by(self.reduction, name, raw[name]) for name in COMPONENTS], dim=1)


def radiograph_features(networks: Mapping[str, Network], radiographs: Tensor) -> dict[str, Tensor]:
    """Features of each kind of `COMPONENTS`, `[n, n_raw]`, of radiographs `[n, 1, IMAGE_SIDE, IMAGE_SIDE]`."""
    raw = {name: network_features(network, radiographs) for name, network in networks.items()}
    return raw | {"scattering": scattering_features(radiographs)}


def network_features(network: Network, radiographs: Tensor) -> Tensor:
    """Pooled activations `[n, n_raw]` of the last three stages for radiographs `[n, 1, IMAGE_SIDE, IMAGE_SIDE]`."""
    # Coarse grids: where in the chest something is matters to findings, its exact position does not.
    second, third, last = network.activations(radiographs)[-3:]
    pool = nn.functional.adaptive_avg_pool2d
    pooled = [pool(second, 2), pool(third, 4), pool(last, 2)]
    return torch.cat([p.flatten(1) for p in pooled] + [last.amax(dim=(2, 3))], dim=1)


def scattering_features(radiographs: Tensor) -> Tensor:
    """Logarithms of scattering coefficients `[n, n_raw]` of radiographs `[n, 1, IMAGE_SIDE, IMAGE_SIDE]`."""
    return torch.log1p(scatter(at_scattering_size(radiographs)).abs() * 8).flatten(1)


def reduce_by(reduction: dict[str, Tensor], name: str, raw: Tensor) -> Tensor:
    """Features `[n, n_components]`: `raw` `[n, n_raw]`, standardised, projected on the public basis, and divided by the public spread."""
    standard = ((raw - reduction[f"{name}.mean"]) / reduction[f"{name}.scale"]).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
    return (standard @ reduction[f"{name}.basis"].to(raw.dtype)) / reduction[f"{name}.spread"]


def load_encoder(encoders_dir: Path, modality: Modality) -> PublicEncoder:
    """The encoder for `modality` that ships with DPMed.

    Raises:
        SettingsError: it is missing, its weights are not those of its card, or the card does not state that it was trained on public data.
    """
    # The digest ties the weights to the card's statement on public data.
    card = read_card(encoders_dir, modality)
    if sha256(card.weights.read_bytes()).hexdigest() != card.digest:
        raise SettingsError(f"{card.weights.name} is damaged or not the one its card describes: make it again with `make encoder`.")
    tensors = load_file(card.weights)
    reduction = {key: tensor for key, tensor in tensors.items() if not key.startswith("weights.")}
    if modality is Modality.CT:
        volume, crop = _loaded(VolumeNetwork(), tensors, VOLUME), _loaded(CropNetwork(), tensors, CROP)
        return PublicEncoder({VOLUME: volume, CROP: crop}, windowed, partial(volume_features, volume, crop), reduction)
    networks = {name: _loaded(build_network(name, len(targets)), tensors, name) for name, targets in card.targets.items()}
    return PublicEncoder(networks, radiograph_tensor, partial(radiograph_features, networks), reduction)


def _loaded(network: Loaded, tensors: dict[str, Tensor], name: str) -> Loaded:
    """`network` with the weights that `tensors` hold under its `name`, in evaluation mode."""
    prefix = f"weights.{name}."
    network.load_state_dict({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
    return network.eval()
