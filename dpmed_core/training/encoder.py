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
from dpmed_core.training.pixels import to_tensor
from dpmed_core.training.scattering import at_scattering_size, scatter

FILM_SIDE = 64
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


class EncoderNetwork(nn.Module):
    """A small residual network over 2 x 2 pixel blocks, which keeps all of a film's detail at a quarter of the work.

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


@dataclass(frozen=True, eq=False)
class PublicEncoder:
    """Fixed features of a film: a network's pooled activations and scattering coefficients, each reduced by public statistics.

    Attributes:
        network: the network, in evaluation mode.
        reduction: `network.*` and `scattering.*` tensors: mean, scale and PCA basis from synthetic films.
    """

    network: EncoderNetwork
    reduction: dict[str, Tensor] = field(repr=False)

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features `[n, n_features]` of films `[n, height, width]`, 8-bit."""
        films = to_tensor(images, size=FILM_SIDE)
        raw = raw_features(self.network, films)
        return torch.cat([reduce_by(self.reduction, name, raw[name]) for name in COMPONENTS], dim=1).numpy()


def raw_features(network: EncoderNetwork, films: Tensor) -> dict[str, Tensor]:
    """Features before reduction, by kind, of films `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    second, third, last = network.activations(films)
    pool = nn.functional.adaptive_avg_pool2d
    pooled = [pool(second, 2), pool(third, 4), pool(last, 2)]
    network_part = torch.cat([p.flatten(1) for p in pooled] + [last.amax(dim=(2, 3))], dim=1)
    return {"network": network_part, "scattering": torch.log1p(scatter(at_scattering_size(films)).abs() * 8).flatten(1)}


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
    network = EncoderNetwork(n_targets=len(card.targets))
    network.load_state_dict({name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")})
    network.eval()
    return PublicEncoder(network, {name: tensor for name, tensor in tensors.items() if not name.startswith("weights.")})
