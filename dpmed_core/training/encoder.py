"""The public encoder: what was learnt from synthetic films, and refused unless its card says so."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from dpmed_core.errors import SettingsError
from dpmed_core.training.encoder_card import COMPONENTS, WEIGHTS_FILE, read_card
from dpmed_core.training.models import ResNet9
from dpmed_core.training.pixels import FILM_SIDE, to_tensor
from dpmed_core.training.scattering import at_scattering_size, scatter

NARROW_WIDTH = 0.25
CHANNELS = (32, 48, 96, 128)


class Layer(nn.Sequential):
    """Convolution 3 x 3, group normalisation, Mish."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.GroupNorm(n_out // 8, n_out), nn.Mish())


class Stage(nn.Module):
    """Half the resolution, then two layers around which the input passes unchanged."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.halve, self.inner = Layer(n_in, n_out, 2), nn.Sequential(Layer(n_out, n_out), Layer(n_out, n_out))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, n_out, side / 2, side / 2]`."""
        x = self.halve(x)
        return x + self.inner(x)  # type: ignore[no-any-return]


class WideNetwork(nn.Module):
    """A small residual network over 2 x 2 blocks of pixels, which keeps all of a film's detail at a quarter of the work.

    Args:
        n_targets: outputs.
    """

    def __init__(self, *, n_targets: int) -> None:
        super().__init__()
        first, *rest = CHANNELS
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), Layer(4, first))
        self.stages = nn.ModuleList([Stage(n_in, n_out) for n_in, n_out in zip(CHANNELS, rest, strict=False)])
        self.head = nn.Linear(2 * CHANNELS[-1], n_targets)

    def activations(self, x: Tensor) -> list[Tensor]:
        """The output of each stage for films `x` `[n, 1, height, width]`, from fine to coarse."""
        x, outputs = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Targets `[n, n_targets]` of films `x` `[n, 1, height, width]`."""
        last = self.activations(x)[-1]
        return self.head(torch.cat([last.mean(dim=(2, 3)), last.amax(dim=(2, 3))], dim=1))  # type: ignore[no-any-return]


Network = ResNet9 | WideNetwork


def build_network(name: str, n_targets: int) -> Network:
    """The untrained network called "narrow" (learns from chests of the usual build) or "wide" (from every build)."""
    return ResNet9(width=NARROW_WIDTH, n_out=n_targets) if name == "narrow" else WideNetwork(n_targets=n_targets)


@dataclass(frozen=True, eq=False)
class PublicEncoder:
    """Fixed features of a film: two networks' pooled activations and scattering coefficients, each reduced by public statistics.

    Attributes:
        networks: "narrow" and "wide", in evaluation mode.
        reduction: for each kind of feature mean, scale, PCA basis and spread, from synthetic films.
    """

    networks: dict[str, Network]
    reduction: dict[str, Tensor] = field(repr=False)

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features `[n, n_features]` of films `[n, height, width]`, 8-bit: the kinds of `COMPONENTS`, one after another."""
        return self.of_films(to_tensor(images, size=FILM_SIDE)).numpy()

    def of_films(self, films: Tensor) -> Tensor:
        """The same `[n, n_features]` of films `[n, 1, FILM_SIDE, FILM_SIDE]`, differentiable."""
        raw = {name: network_features(network, films) for name, network in self.networks.items()}
        raw["scattering"] = scattering_features(films)
        return torch.cat([reduce_by(self.reduction, name, raw[name]) for name in COMPONENTS], dim=1)


def network_features(network: Network, films: Tensor) -> Tensor:
    """Pooled activations `[n, n_raw]` of the last three stages for films `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    second, third, last = network.activations(films)[-3:]
    pool = nn.functional.adaptive_avg_pool2d
    pooled = [pool(second, 2), pool(third, 4), pool(last, 2)]
    return torch.cat([p.flatten(1) for p in pooled] + [last.amax(dim=(2, 3))], dim=1)


def scattering_features(films: Tensor) -> Tensor:
    """Logarithms of scattering coefficients `[n, n_raw]` of films `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    return torch.log1p(scatter(at_scattering_size(films)).abs() * 8).flatten(1)


def reduce_by(reduction: dict[str, Tensor], name: str, raw: Tensor) -> Tensor:
    """Standardise, project on the leading public components, and bring each to about unit spread."""
    standard = ((raw - reduction[f"{name}.mean"]) / reduction[f"{name}.scale"]).clamp(-6, 6)
    return (standard @ reduction[f"{name}.basis"].float()) / reduction[f"{name}.spread"]


def load_encoder(encoders_dir: Path) -> PublicEncoder:
    """The encoder that ships with DPMed.

    Raises:
        SettingsError: it is missing, damaged, or its card does not say that public data made it.
    """
    card, weights = read_card(encoders_dir), encoders_dir / WEIGHTS_FILE
    if sha256(weights.read_bytes()).hexdigest() != card.digest:
        raise SettingsError(f"{WEIGHTS_FILE} is damaged or not the one its card describes: make it again with `make encoder`.")
    tensors = load_file(weights)
    networks = {name: build_network(name, len(told)) for name, told in card.targets.items()}
    for name, network in networks.items():
        prefix = f"weights.{name}."
        network.load_state_dict({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
        network.eval()
    return PublicEncoder(networks, {key: tensor for key, tensor in tensors.items() if not key.startswith("weights.")})
