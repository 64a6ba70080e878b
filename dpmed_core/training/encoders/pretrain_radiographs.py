"""Pretraining the public encoder for radiographs on synthetic radiographs: the first half of `make encoder`.

Two networks: "narrow" learns the findings of the phantoms' variant "encoder"; "wide" learns findings, opacities and measures of the body
from domain-randomised radiographs (`synthetic_radiographs`). The demo cohort's radiographs have other parameters and other random numbers
than either.
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

from dpmed_core.imaging.modality import Modality
from dpmed_core.phantoms.chest.population import FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs
from dpmed_core.settings import load_settings
from dpmed_core.training.encoders.augmentation import augment, augment_lightly
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.network_input import IMAGE_SIDE, to_tensor
from dpmed_core.training.encoders.pretraining_loop import fit, reduction_of, write_encoder
from dpmed_core.training.encoders.radiograph_encoder import Network, build_network, network_features, scattering_features
from dpmed_core.training.encoders.synthetic_radiographs import TARGETS, draw_randomised_radiographs

SEED, STATISTICS_SEED = 1, 7
BATCH = 64
N_FOR_STATISTICS = 3000
"""Radiographs over which the reduction of each kind of feature is computed."""
NARROW_TARGETS = (*FINDINGS, "female", "old", "portable")


def main() -> None:
    """Draw radiographs, train both networks, reduce, and write weights and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--narrow-images", type=int, default=14_000)
    parser.add_argument("--wide-images", type=int, default=6_000)
    parser.add_argument("--epochs", type=int, nargs=2, default=(8, 6), help="of the narrow and of the wide network")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=load_settings().encoders_dir)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(SEED)
    radiographs, present = draw_phantom_radiographs(given.narrow_images, seed=SEED, workers=given.workers)
    narrow = _pretrain("narrow", radiographs, present, functional.binary_cross_entropy_with_logits, augment_lightly, epochs=given.epochs[0])
    randomised, targets = draw_randomised_radiographs(given.wide_images, size=IMAGE_SIDE, seed=SEED, workers=given.workers)
    wide = _pretrain("wide", randomised, torch.from_numpy(targets), functional.smooth_l1_loss, augment, epochs=given.epochs[1])
    others, _ = draw_phantom_radiographs(N_FOR_STATISTICS, seed=STATISTICS_SEED, workers=given.workers)
    reduction = statistics({"narrow": narrow, "wide": wide}, others, randomised[:N_FOR_STATISTICS])
    facts = facts_of(given.narrow_images, given.wide_images, tuple(given.epochs))
    write_encoder(given.out, Modality.RADIOGRAPH, {"narrow": narrow, "wide": wide}, reduction, facts)


def draw_phantom_radiographs(n_images: int, *, seed: int, workers: int) -> tuple[NDArray[np.uint8], Tensor]:
    """Radiographs of the phantoms' variant "encoder", and `NARROW_TARGETS` (0 to 1)."""
    population = draw_population(n_images, seed=seed, variant="encoder")
    radiographs = render_radiographs(population, size=IMAGE_SIDE, seed=seed, variant="encoder", workers=workers)
    population["female"] = (population["sex"] == "F").astype(float)
    # Age from 20 to 95 years as a number from 0 to 1, for the same loss as the findings.
    population["old"] = ((population["age"] - 20) / 75).clip(0, 1)
    return radiographs, torch.tensor(population[list(NARROW_TARGETS)].to_numpy(dtype=np.float32))


def _pretrain(
    name: str,
    radiographs: NDArray[np.uint8],
    targets: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    change: Callable[[Tensor], Tensor],
    *,
    epochs: int,
) -> Network:
    """The network called `name`, trained to predict `targets` from `radiographs` after augmentation by `change`."""
    network = build_network(name, targets.shape[1])

    def loss_on(chosen: Tensor) -> Tensor:
        return loss_of(network(change(to_tensor(radiographs[chosen.numpy()], size=IMAGE_SIDE))), targets[chosen])

    return fit(network, loss_on, n_images=len(radiographs), batch=BATCH, epochs=epochs, name=name)


@torch.no_grad()
def statistics(networks: dict[str, Network], phantoms: NDArray[np.uint8], randomised: NDArray[np.uint8]) -> dict[str, Tensor]:
    """The reduction of every kind of feature (see `reduction_of`), from augmented synthetic radiographs `[n, IMAGE_SIDE, IMAGE_SIDE]`."""
    reduction: dict[str, Tensor] = {}
    for name in COMPONENTS:
        batches = _batches(randomised, augment) if name == "wide" else _batches(phantoms, augment_lightly)
        raw = torch.cat([network_features(networks[name], x) if name in networks else scattering_features(x) for x in batches])
        reduction |= reduction_of(name, raw)
    return reduction


def _batches(radiographs: NDArray[np.uint8], change: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    for start in range(0, len(radiographs), 250):
        yield change(to_tensor(radiographs[start : start + 250], size=IMAGE_SIDE))


def facts_of(n_narrow: int, n_wide: int, epochs: tuple[int, ...]) -> dict[str, object]:
    """Facts for the encoder's card, by which a reader can judge whether it is public."""
    return {
        "data": f"procedural chest radiographs of DPMed alone: {n_narrow} of the encoder variant of its phantoms and "
        f"{n_wide} domain-randomised ones, seed {SEED}; statistics over {N_FOR_STATISTICS} of the latter and {N_FOR_STATISTICS} more of "
        "the variant; no radiograph of any patient",
        "architecture": f"{IMAGE_SIDE} x {IMAGE_SIDE} pixels; narrow: ResNet9; wide: a residual network over 2 x 2 blocks; GroupNorm, Mish",
        "targets": {"narrow": list(NARROW_TARGETS), "wide": list(TARGETS)},
        "epochs": {"narrow": epochs[0], "wide": epochs[1]},
    }


if __name__ == "__main__":
    main()
