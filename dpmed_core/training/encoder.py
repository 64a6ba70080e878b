"""The public encoder: what was learnt from synthetic films, and refused unless its card says so."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from dpmed_core.errors import SettingsError
from dpmed_core.training.models import ResNet9
from dpmed_core.training.pixels import to_tensor
from dpmed_core.training.scattering import at_scattering_size, scatter

WEIGHTS_FILE, CARD_FILE = "chest-phantom-v1.safetensors", "chest-phantom-v1.json"
FILM_SIDE = 64
WIDTH = 0.25
N_TARGETS = 11
COMPONENTS_USED = {"network": 32, "scattering": 16}
"""Leading components that become features: every further one costs noise (`docs/RESULTS.md`)."""


@dataclass(frozen=True, eq=False)
class PublicEncoder:
    """Fixed features of a film: a network's pooled activations and scattering coefficients, each reduced by public statistics.

    Attributes:
        network: the network, in evaluation mode.
        reduction: `network.*` and `scattering.*` tensors: mean, scale and PCA basis from synthetic films.
        version: names weights and statistics together.
    """

    network: ResNet9
    reduction: dict[str, Tensor] = field(repr=False)
    version: str

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features `[n, n_features]` of films `[n, height, width]`, 8-bit."""
        films = to_tensor(images, size=FILM_SIDE)
        parts = [
            reduce_by(self.reduction, name, raw)[:, : COMPONENTS_USED[name]] for name, raw in raw_features(self.network, films).items()
        ]
        return torch.cat(parts, dim=1).numpy()


def raw_features(network: ResNet9, films: Tensor) -> dict[str, Tensor]:
    """Features before reduction, by kind, of films `[n, 1, FILM_SIDE, FILM_SIDE]`."""
    _, second, third, last = network.activations(films)
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
        SettingsError: it is missing, or its card does not say that public data made it.
    """
    weights, card = encoders_dir / WEIGHTS_FILE, encoders_dir / CARD_FILE
    if not weights.exists() or not card.exists():
        raise SettingsError("The public encoder is missing: make it with `make encoder`.")
    facts = json.loads(card.read_text())
    if facts.get("public") is not True or not facts.get("data"):
        raise SettingsError(
            f"{CARD_FILE} does not say which public data made the encoder: it cannot stand outside the guarantee. Run `make encoder`."
        )
    tensors = load_file(weights)
    network = ResNet9(width=WIDTH, n_out=N_TARGETS)
    network.load_state_dict({name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")})
    network.eval()
    reduction = {name: tensor for name, tensor in tensors.items() if not name.startswith("weights.")}
    return PublicEncoder(network, reduction, version=sha256(weights.read_bytes() + str(COMPONENTS_USED).encode()).hexdigest()[:12])
