"""Shared by the pretraining of both encoders: the loop, the reduction of features by public statistics, and the files."""

import logging
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dpmed_core.files import replacing, write_json
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS, card_file, weights_file
from dpmed_core.training.encoders.radiograph_encoder import LARGEST_DEVIATION

log = logging.getLogger(__name__)

PEAK_LEARNING_RATE = 3e-3
RIDGE = 0.3
"""Ridge penalty, as a share of the summed squares of a standardised feature."""
TARGET_SPREAD = 3.0
"""Standard deviation, after reduction, along directions that predict a target; a component of standard deviation s has sqrt(s)."""
Trained = TypeVar("Trained", bound=nn.Module)


def fit(network: Trained, loss_on: Callable[[Tensor], Tensor], *, n_images: int, batch: int, epochs: float, name: str) -> Trained:
    """`network`, trained with AdamW on randomly chosen images, in evaluation mode.

    Args:
        network: trained in place.
        loss_on: gives the network's loss on the images with these indices.
        n_images: number of images.
        batch: images per step.
        epochs: average number of times that an image is chosen.
        name: for the log.
    """
    steps = int(epochs * n_images / batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        loss = loss_on(torch.randint(0, n_images, (batch,)))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            log.info("%s: step %d of %d, loss %.3f", name, step, steps, loss.item())
    return network.eval()


def reduction_of(name: str, raw: Tensor, targets: Tensor | None = None, *, n_components: int | None = None) -> dict[str, Tensor]:
    """The reduction of one kind of feature: mean, scale, basis and spread, as `radiograph_encoder.reduce_by` applies them.

    The basis consists of directions that predict `targets`, if there are any, and then of principal components. All of it comes from public
    images: statistics of a cohort would be a release of its data.

    Args:
        name: the kind of feature.
        raw: its features of public images, `[n, n_raw]`.
        targets: known facts of those images, `[n, n_targets]`.
        n_components: directions to keep; None for those that `COMPONENTS` gives the kind.
    """
    kept = COMPONENTS[name] if n_components is None else n_components
    mean, scale = raw.mean(0), raw.std(0) + 1e-2  # a feature that hardly varies over public images is not amplified
    standard = ((raw - mean) / scale).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
    first = ridge_directions(standard, targets) if targets is not None else standard.new_zeros(raw.shape[1], 0)
    _, singular, components = torch.pca_lowrank(standard, q=kept - first.shape[1], center=True, niter=4)
    basis = torch.cat([first, components], dim=1)
    # A component is divided by the square root of its standard deviation: leading ones keep more weight, but not all of it.
    spread = torch.cat([first.new_ones(first.shape[1]) / TARGET_SPREAD, (singular / len(standard) ** 0.5).clamp(min=1e-3).sqrt()])
    return {f"{name}.mean": mean, f"{name}.scale": scale, f"{name}.basis": basis.half(), f"{name}.spread": spread}


def ridge_directions(standard: Tensor, targets: Tensor) -> Tensor:
    """Directions `[n_raw, n_targets]` of standardised features along which ridge regression predicts each target.

    Each is scaled so that the features' projections on it have standard deviation 1.

    Args:
        standard: `[n, n_raw]`, of mean 0 and standard deviation about 1.
        targets: `[n, n_targets]`.
    """
    centred = targets - targets.mean(0)
    gram = standard.T @ standard + RIDGE * len(standard) * torch.eye(standard.shape[1])
    coefficients = torch.linalg.solve(gram, standard.T @ centred)
    directions: Tensor = coefficients / (standard @ coefficients).std(0).clamp(min=1e-6)
    return directions


def write_encoder(
    folder: Path, modality: Modality, networks: Mapping[str, nn.Module], reduction: Mapping[str, Tensor], facts: Mapping[str, object]
) -> None:
    """Write the weights of the encoder for `modality`, and its card: `facts`, and what is true of every encoder."""
    weights = {f"weights.{name}.{key}": tensor for name, network in networks.items() for key, tensor in network.state_dict().items()}
    path = weights_file(folder, modality)
    with replacing(path) as draft:
        save_file({name: tensor.contiguous() for name, tensor in (weights | dict(reduction)).items()}, draft)
    own = {"name": path.stem, "public": True, "components": dict(COMPONENTS), "licence": "as DPMed"}
    write_json(card_file(folder, modality), {**own, **facts, "weights_sha256": sha256(path.read_bytes()).hexdigest()})
