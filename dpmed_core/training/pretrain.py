"""Pretraining the public encoder on synthetic films: `make encoder`.

Only films of the phantoms' variant "encoder" are seen; the demo cohort's films come from other parameters and numbers.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from dpmed_core.cohort.phantoms.film import render_films
from dpmed_core.cohort.phantoms.population import FINDINGS, draw_population
from dpmed_core.files import replacing, write_json
from dpmed_core.settings import load_settings
from dpmed_core.training.encoder import CARD_FILE, FILM_SIDE, N_TARGETS, WEIGHTS_FILE, WIDTH, raw_features
from dpmed_core.training.models import ResNet9
from dpmed_core.training.pixels import to_tensor

log = logging.getLogger(__name__)

SEED = 1
BATCH = 64
PEAK_LEARNING_RATE = 3e-3
N_COMPONENTS = {"network": 64, "scattering": 128}
N_FOR_STATISTICS = 4000


def main() -> None:
    """Draw films, train, reduce, and write weights and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--films", type=int, default=14_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=load_settings().encoders_dir)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    films, targets = _draw(given.films, given.workers)
    network, loss = _pretrain(films, targets, epochs=given.epochs)
    reduction = _statistics(network, films[:N_FOR_STATISTICS])
    weights = {f"weights.{name}": tensor for name, tensor in network.state_dict().items()}
    with replacing(given.out / WEIGHTS_FILE) as draft:
        save_file({name: tensor.contiguous() for name, tensor in (weights | reduction).items()}, draft)
    write_json(given.out / CARD_FILE, _card(given.films, given.epochs, loss))
    log.info("written: %s", json.dumps(_card(given.films, given.epochs, loss)))


def _draw(n_films: int, workers: int) -> tuple[NDArray[np.uint8], Tensor]:
    population = draw_population(n_films, seed=SEED, variant="encoder")
    films = render_films(population, size=FILM_SIDE, seed=SEED, variant="encoder", workers=workers)
    population["female"] = (population["sex"] == "F").astype(float)
    population["old"] = ((population["age"] - 20) / 75).clip(0, 1)
    log.info("%d films drawn", n_films)
    return films, torch.tensor(population[[*FINDINGS, "female", "old", "portable"]].to_numpy(dtype=np.float32))


def _pretrain(films: NDArray[np.uint8], targets: Tensor, *, epochs: int) -> tuple[ResNet9, float]:
    torch.manual_seed(SEED)
    network = ResNet9(width=WIDTH, n_out=N_TARGETS)
    steps = epochs * (len(films) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    recent = 0.0
    for step in range(steps):
        chosen = torch.randint(0, len(films), (BATCH,))
        logits = network(_varied(to_tensor(films[chosen.numpy()], size=FILM_SIDE)))
        loss = functional.binary_cross_entropy_with_logits(logits, targets[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        recent = 0.98 * recent + 0.02 * loss.item()
        if step % 100 == 0:
            log.info("step %d of %d, loss %.3f", step, steps, recent)
    return network.eval(), recent


def _varied(films: Tensor) -> Tensor:
    """The films as other detectors would show them: contrast, brightness, tone, sharpness, resolution, position, noise."""
    n = len(films)

    def draw(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1).uniform_(low, high)

    scale, shift = draw(0.85, 1.15), torch.empty(n, 2).uniform_(-0.12, 0.12)
    angle = draw(-0.12, 0.12).view(n)
    rows = (
        torch.stack([torch.cos(angle) * scale.view(n), -torch.sin(angle), shift[:, 0]], 1),
        torch.stack([torch.sin(angle), torch.cos(angle) * scale.view(n), shift[:, 1]], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(films.shape), align_corners=False)
    moved = functional.grid_sample(films, grid, align_corners=False, padding_mode="border")
    coarse = functional.interpolate(functional.avg_pool2d(moved, 2), size=films.shape[-2:], mode="bilinear")
    mixed = torch.lerp(moved, coarse, draw(-0.4, 1.0))
    toned = torch.sign(mixed) * mixed.abs() ** draw(0.75, 1.3)
    return toned * draw(0.7, 1.3) + draw(-0.4, 0.4) + draw(0, 0.15) * torch.randn_like(toned)


@torch.no_grad()
def _statistics(network: ResNet9, films: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Mean, scale, leading components and their spread of every kind of feature, over films as other detectors would show them."""
    batches = [raw_features(network, _varied(to_tensor(films[i : i + 250], size=FILM_SIDE))) for i in range(0, len(films), 250)]
    found: dict[str, Tensor] = {}
    for name, n_components in N_COMPONENTS.items():
        raw = torch.cat([batch[name] for batch in batches])
        mean, scale = raw.mean(0), raw.std(0) + 1e-2
        standard = ((raw - mean) / scale).clamp(-6, 6)
        _, singular, basis = torch.pca_lowrank(standard, q=n_components, center=True, niter=4)
        spread = (singular / len(standard) ** 0.5).clamp(min=1e-3).sqrt()
        found |= {f"{name}.mean": mean, f"{name}.scale": scale, f"{name}.basis": basis.half(), f"{name}.spread": spread}
    return found


def _card(n_films: int, epochs: int, loss: float) -> dict[str, object]:
    return {
        "name": "chest-phantom-v1",
        "public": True,
        "data": f'{n_films} procedural chest films of DPMed, phantom variant "encoder", seed {SEED}; no film of any patient',
        "architecture": f"ResNet9, group normalisation, Mish, width {WIDTH}, {FILM_SIDE} x {FILM_SIDE} pixels",
        "targets": [*FINDINGS, "female", "age", "portable"],
        "epochs": epochs,
        "final_training_loss": round(loss, 4),
        "components": dict(N_COMPONENTS),
        "licence": "as DPMed",
    }


if __name__ == "__main__":
    main()
