"""Pretraining the public encoder for radiographs on synthetic films: the first half of `make encoder`.

Two networks: "narrow" learns the findings of the phantoms' variant "encoder", "wide" learns every measure of the far more varied
`worlds`. The demo cohort's films come from other parameters and numbers than either.
"""

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dpmed_core.cohort.phantoms.film import render_films
from dpmed_core.cohort.phantoms.population import FINDINGS, draw_population
from dpmed_core.cohort.schema import Modality
from dpmed_core.settings import load_settings
from dpmed_core.training.encoder import Network, build_network, network_features, scattering_features
from dpmed_core.training.encoder_card import COMPONENTS
from dpmed_core.training.pixels import FILM_SIDE, to_tensor
from dpmed_core.training.pretraining import fitted, reduction_of, write_encoder
from dpmed_core.training.varied import lightly_varied, varied
from dpmed_core.training.worlds import TARGETS, draw_worlds

SEED, STATISTICS_SEED = 1, 7
BATCH = 64
N_FOR_STATISTICS = 3000
NARROW_TARGETS = (*FINDINGS, "female", "old", "portable")


def main() -> None:
    """Draw films, train both networks, reduce, and write weights and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--narrow-films", type=int, default=14_000)
    parser.add_argument("--wide-films", type=int, default=6_000)
    parser.add_argument("--epochs", type=int, nargs=2, default=(8, 6), help="of the narrow and of the wide network")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=load_settings().encoders_dir)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(SEED)
    films, present = draw_usual(given.narrow_films, seed=SEED, workers=given.workers)
    narrow = _pretrain("narrow", films, present, functional.binary_cross_entropy_with_logits, lightly_varied, epochs=given.epochs[0])
    worlds, targets = draw_worlds(given.wide_films, size=FILM_SIDE, seed=SEED, workers=given.workers)
    wide = _pretrain("wide", worlds, torch.from_numpy(targets), functional.smooth_l1_loss, varied, epochs=given.epochs[1])
    usual, _ = draw_usual(N_FOR_STATISTICS, seed=STATISTICS_SEED, workers=given.workers)
    reduction = statistics({"narrow": narrow, "wide": wide}, usual, worlds[:N_FOR_STATISTICS])
    facts = facts_of(given.narrow_films, given.wide_films, tuple(given.epochs))
    write_encoder(given.out, Modality.RADIOGRAPH, {"narrow": narrow, "wide": wide}, reduction, facts)


def draw_usual(n_films: int, *, seed: int, workers: int) -> tuple[NDArray[np.uint8], Tensor]:
    """Films of the phantoms' variant "encoder", and `NARROW_TARGETS` (0 to 1)."""
    population = draw_population(n_films, seed=seed, variant="encoder")
    films = render_films(population, size=FILM_SIDE, seed=seed, variant="encoder", workers=workers)
    population["female"] = (population["sex"] == "F").astype(float)
    population["old"] = ((population["age"] - 20) / 75).clip(0, 1)
    return films, torch.tensor(population[list(NARROW_TARGETS)].to_numpy(dtype=np.float32))


def _pretrain(
    name: str,
    films: NDArray[np.uint8],
    targets: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    change: Callable[[Tensor], Tensor],
    *,
    epochs: int,
) -> Network:
    """The network called `name`, trained to tell `targets` from films that `change` has changed."""
    network = build_network(name, targets.shape[1])

    def loss_on(chosen: Tensor) -> Tensor:
        return loss_of(network(change(to_tensor(films[chosen.numpy()], size=FILM_SIDE))), targets[chosen])

    return fitted(network, loss_on, n_images=len(films), batch=BATCH, epochs=epochs, name=name)


@torch.no_grad()
def statistics(networks: dict[str, Network], usual: NDArray[np.uint8], worlds: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Mean, scale, leading components and their spread of every kind of feature, over synthetic films as other detectors would show
    them."""
    found: dict[str, Tensor] = {}
    for name in COMPONENTS:
        films = _batches(worlds, varied) if name == "wide" else _batches(usual, lightly_varied)
        raw = torch.cat([network_features(networks[name], f) if name in networks else scattering_features(f) for f in films])
        found |= reduction_of(name, raw)
    return found


def _batches(films: NDArray[np.uint8], change: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    for start in range(0, len(films), 250):
        yield change(to_tensor(films[start : start + 250], size=FILM_SIDE))


def facts_of(n_narrow: int, n_wide: int, epochs: tuple[int, ...]) -> dict[str, object]:
    """What the encoder is, for whoever must judge whether it is public."""
    return {
        "data": f"procedural chest films of DPMed alone: {n_narrow} of the encoder variant of its phantoms and {n_wide} of its worlds, "
        f"seed {SEED}; statistics over {N_FOR_STATISTICS} more; no film of any patient",
        "architecture": f"{FILM_SIDE} x {FILM_SIDE} pixels; narrow: ResNet9; wide: a residual network over 2 x 2 blocks; GroupNorm, Mish",
        "targets": {"narrow": list(NARROW_TARGETS), "wide": list(TARGETS)},
        "epochs": {"narrow": epochs[0], "wide": epochs[1]},
    }


if __name__ == "__main__":
    main()
