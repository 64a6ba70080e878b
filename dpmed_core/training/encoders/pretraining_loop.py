"""What pretraining an encoder on radiographs and on volumes share: the loop, the reduction by public statistics, and the files."""

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

log = logging.getLogger(__name__)

PEAK_LEARNING_RATE = 3e-3
LARGEST_DEVIATION = 6
RIDGE = 0.3
"""Penalty of a direction's coefficients, as a share of the features' spread."""
TOLD_WEIGHT = 3.0
"""Spread of what features tell, against 1 for a component of spread 1."""
Trained = TypeVar("Trained", bound=nn.Module)


def fitted(network: Trained, loss_on: Callable[[Tensor], Tensor], *, n_images: int, batch: int, epochs: float, name: str) -> Trained:
    """`network`, trained on the loss of randomly chosen images, in evaluation mode.

    Args:
        network: what is trained.
        loss_on: the network's loss on the images with these numbers.
        n_images: how many there are.
        batch: how many are chosen at a time.
        epochs: how often each is seen, on average.
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


def reduction_of(name: str, raw: Tensor, told: Tensor | None = None) -> dict[str, Tensor]:
    """Mean, scale, leading components and their spread of the kind of feature called `name`, from public images' `raw` `[n, n_raw]`.

    Args:
        name: the kind.
        raw: its features of public images.
        told: what is known of those images, `[n, n_told]`; the directions along which `raw` tells it best come before the components.
    """
    mean, scale = raw.mean(0), raw.std(0) + 1e-2
    standard = ((raw - mean) / scale).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
    first = directions_to(standard, told) if told is not None else standard.new_zeros(raw.shape[1], 0)
    _, singular, components = torch.pca_lowrank(standard, q=COMPONENTS[name] - first.shape[1], center=True, niter=4)
    basis = torch.cat([first, components], dim=1)
    spread = torch.cat([first.new_ones(first.shape[1]) / TOLD_WEIGHT, (singular / len(standard) ** 0.5).clamp(min=1e-3).sqrt()])
    return {f"{name}.mean": mean, f"{name}.scale": scale, f"{name}.basis": basis.half(), f"{name}.spread": spread}


def directions_to(standard: Tensor, told: Tensor) -> Tensor:
    """Directions `[n_raw, n_told]` along which `standard` `[n, n_raw]` tells each column of `told` best, at spread 1: ridge regression."""
    centred = told - told.mean(0)
    gram = standard.T @ standard + RIDGE * len(standard) * torch.eye(standard.shape[1])
    found = torch.linalg.solve(gram, standard.T @ centred)
    directions: Tensor = found / (standard @ found).std(0).clamp(min=1e-6)
    return directions


def write_encoder(
    folder: Path, modality: Modality, networks: Mapping[str, nn.Module], reduction: Mapping[str, Tensor], facts: Mapping[str, object]
) -> None:
    """Write the weights of the encoder for `modality`, and its card: `facts` and what holds for every encoder."""
    weights = {f"weights.{name}.{key}": tensor for name, network in networks.items() for key, tensor in network.state_dict().items()}
    path = weights_file(folder, modality)
    with replacing(path) as draft:
        save_file({name: tensor.contiguous() for name, tensor in (weights | dict(reduction)).items()}, draft)
    own = {"name": path.stem, "public": True, "components": dict(COMPONENTS), "licence": "as DPMed"}
    write_json(card_file(folder, modality), {**own, **facts, "weights_sha256": sha256(path.read_bytes()).hexdigest()})
