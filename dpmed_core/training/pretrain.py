"""Pretraining the public encoder on synthetic films: `make encoder`.

Only films of `worlds` are seen, shown as `varied` shows them; the demo cohort's films come from other parameters and numbers.
"""

import argparse
import json
import logging
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from dpmed_core.files import replacing, write_json
from dpmed_core.settings import load_settings
from dpmed_core.training.encoder import CHANNELS, FILM_SIDE, EncoderNetwork, raw_features
from dpmed_core.training.encoder_card import CARD_FILE, COMPONENTS, WEIGHTS_FILE
from dpmed_core.training.pixels import to_tensor
from dpmed_core.training.varied import varied
from dpmed_core.training.worlds import TARGETS, draw_worlds

log = logging.getLogger(__name__)

SEED = 1
BATCH = 64
PEAK_LEARNING_RATE = 3e-3
N_FOR_STATISTICS = 3000


def main() -> None:
    """Draw films, train, reduce, and write weights and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--films", type=int, default=6_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=load_settings().encoders_dir)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(SEED)
    films, targets = draw_worlds(given.films, size=FILM_SIDE, seed=SEED, workers=given.workers)
    log.info("%d films drawn", len(films))
    network, loss = _pretrain(films, torch.from_numpy(targets), epochs=given.epochs)
    reduction = _statistics(network, films[:N_FOR_STATISTICS])
    weights = {f"weights.{name}": tensor for name, tensor in network.state_dict().items()}
    with replacing(given.out / WEIGHTS_FILE) as draft:
        save_file({name: tensor.contiguous() for name, tensor in (weights | reduction).items()}, draft)
    card = _card(given.films, given.epochs, loss) | {"weights_sha256": sha256((given.out / WEIGHTS_FILE).read_bytes()).hexdigest()}
    write_json(given.out / CARD_FILE, card)
    log.info("written: %s", json.dumps(card))


def _pretrain(films: NDArray[np.uint8], targets: Tensor, *, epochs: int) -> tuple[EncoderNetwork, float]:
    """The network that tells `targets` from films, and its last training loss (0.5 would be guessing)."""
    network = EncoderNetwork(n_targets=targets.shape[1])
    steps = epochs * (len(films) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    recent = 0.0
    for step in range(steps):
        chosen = torch.randint(0, len(films), (BATCH,))
        told = network(varied(to_tensor(films[chosen.numpy()], size=FILM_SIDE)))
        loss = functional.smooth_l1_loss(told, targets[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        recent = 0.98 * recent + 0.02 * loss.item()
        if step % 100 == 0:
            log.info("step %d of %d, loss %.3f", step, steps, recent)
    return network.eval(), recent


@torch.no_grad()
def _statistics(network: EncoderNetwork, films: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Mean, scale, leading components and their spread of every kind of feature, over films as other detectors would show them."""
    batches = [raw_features(network, varied(to_tensor(films[i : i + 250], size=FILM_SIDE))) for i in range(0, len(films), 250)]
    found: dict[str, Tensor] = {}
    for name, n_components in COMPONENTS.items():
        raw = torch.cat([batch[name] for batch in batches])
        mean, scale = raw.mean(0), raw.std(0) + 1e-2
        standard = ((raw - mean) / scale).clamp(-6, 6)
        _, singular, basis = torch.pca_lowrank(standard, q=n_components, center=True, niter=4)
        spread = (singular / len(standard) ** 0.5).clamp(min=1e-3).sqrt()
        found |= {f"{name}.mean": mean, f"{name}.scale": scale, f"{name}.basis": basis.half(), f"{name}.spread": spread}
    return found


def _card(n_films: int, epochs: int, loss: float) -> dict[str, object]:
    return {
        "name": "chest-phantom-v2",
        "public": True,
        "data": f"{n_films} procedural chest films of DPMed (dpmed_core/training/worlds.py, seed {SEED}); no film of any patient",
        "architecture": f"residual network, 2 x 2 blocks of {FILM_SIDE} x {FILM_SIDE} pixels, channels {CHANNELS}, GroupNorm, Mish",
        "targets": list(TARGETS),
        "epochs": epochs,
        "final_training_loss": round(loss, 4),
        "components": dict(COMPONENTS),
        "licence": "as DPMed",
    }


if __name__ == "__main__":
    main()
