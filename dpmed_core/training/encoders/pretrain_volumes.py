"""Pretraining the public encoder for CT on synthetic volumes: the second half of `make encoder`.

Two networks learn to mark pancreas, tumour and duct and to tell diseases, the first in whole volumes, with measures of the body, the second
in boxes around the gland, from phantoms of the variant "encoder". The demo cohort's volumes come from other parameters and numbers.
"""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from dpmed_core.imaging.modality import Modality
from dpmed_core.settings import load_settings
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.organ_masks import DISEASE, MARKS
from dpmed_core.training.encoders.pancreas_crop import BOX, FINE_CELL, CloseNetwork, CloseReading, boxes_at, gland_centres
from dpmed_core.training.encoders.pancreas_crop import NAME as CLOSE
from dpmed_core.training.encoders.pretraining_loop import fitted, reduction_of, write_encoder
from dpmed_core.training.encoders.synthetic_volumes import Abdomens, draw_abdomens, varied, varied_volumes
from dpmed_core.training.encoders.volume_encoder import MEASURES, SCAN_MEASURES, Reading, VolumeNetwork, volume_features
from dpmed_core.training.encoders.volume_encoder import NAME as VOLUME

SEED, STATISTICS_SEED = 1, 7
BATCH = {VOLUME: 8, CLOSE: 16}
N_FOR_STATISTICS = 800
RARE = 6.0
"""Weight of a marked cell against an empty one."""
CELLS_PER_MARK = {VOLUME: 150.0, CLOSE: 1000.0}
"""Summed losses of cells are divided by so many: the greater part of a cell's loss is the edge of a gland that runs through it."""
OFF_CENTRE = 4.0
"""Voxels by which a box misses the gland's centre at most while its network learns: finding it is not exact."""
TOLD_WEIGHT = 3.0
"""Weight of what is told of the whole against the marks."""


def main() -> None:
    """Draw volumes, train both networks, reduce, and write weights and card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--volumes", type=int, default=3_600)
    parser.add_argument("--epochs", type=float, default=1.5)
    parser.add_argument("--close-epochs", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=load_settings().encoders_dir)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(SEED)
    abdomens = draw_abdomens(given.volumes, seed=SEED, workers=given.workers)
    network, close = pretrained(abdomens, epochs=given.epochs), pretrained_close(abdomens, epochs=given.close_epochs)
    reduction = statistics(network, close, draw_abdomens(N_FOR_STATISTICS, seed=STATISTICS_SEED, workers=given.workers))
    facts = facts_of(given.volumes, {VOLUME: given.epochs, CLOSE: given.close_epochs})
    write_encoder(given.out, Modality.CT, {VOLUME: network, CLOSE: close}, reduction, facts)


def pretrained(abdomens: Abdomens, *, epochs: float) -> VolumeNetwork:
    """A network that has learnt to read `abdomens`."""
    network = VolumeNetwork()

    def loss_on(chosen: Tensor) -> Tensor:
        volumes, marks = varied_volumes(*abdomens.batch(chosen))
        return loss_of(network(volumes), marks, abdomens.disease[chosen], abdomens.measures[chosen])

    return fitted(network, loss_on, n_images=len(abdomens.volumes), batch=BATCH[VOLUME], epochs=epochs, name=VOLUME)


def pretrained_close(abdomens: Abdomens, *, epochs: float) -> CloseNetwork:
    """A network that has learnt to read boxes around the glands of `abdomens`."""
    network = CloseNetwork()

    def loss_on(chosen: Tensor) -> Tensor:
        volumes, marks = abdomens.batch(chosen)
        centres = gland_centres(marks[:, 0], cell=FINE_CELL)
        centres += torch.empty_like(centres).uniform_(-OFF_CENTRE, OFF_CENTRE)
        reading = network(varied(boxes_at(volumes, centres)))
        return close_loss_of(reading, boxes_at(marks, centres, cell=FINE_CELL), abdomens.disease[chosen])

    return fitted(network, loss_on, n_images=len(abdomens.volumes), batch=BATCH[CLOSE], epochs=epochs, name=CLOSE)


def loss_of(reading: Reading, marks: Tensor, disease: Tensor, measures: Tensor) -> Tensor:
    """The sum of what marks, diseases and measures are missed by."""
    told = _disease_loss(reading.disease, disease) + functional.smooth_l1_loss(reading.measures, measures)
    return _mark_loss(reading.marks, marks) / CELLS_PER_MARK[VOLUME] + TOLD_WEIGHT * told


def close_loss_of(reading: CloseReading, marks: Tensor, disease: Tensor) -> Tensor:
    """The sum of what marks and diseases are missed by."""
    return _mark_loss(reading.marks, marks) / CELLS_PER_MARK[CLOSE] + TOLD_WEIGHT * _disease_loss(reading.disease, disease)


def _mark_loss(logits: Tensor, marks: Tensor) -> Tensor:
    """Summed over cells, a mean over images; fine `marks` are averaged to the network's own cells."""
    marks = functional.avg_pool3d(marks, marks.shape[-1] // logits.shape[-1])
    weights = 1 + (RARE - 1) * (marks > 0)
    return functional.binary_cross_entropy_with_logits(logits, marks, weights, reduction="sum") / len(marks)


def _disease_loss(told: Tensor, disease: Tensor) -> Tensor:
    tumour = functional.binary_cross_entropy_with_logits(told[:, 0], disease[:, 0])
    return tumour + functional.smooth_l1_loss(told[:, 1:], disease[:, 1:])


@torch.no_grad()
def statistics(network: VolumeNetwork, close: CloseNetwork, abdomens: Abdomens) -> dict[str, Tensor]:
    """Mean, scale, leading components and their spread of every kind of feature, over synthetic volumes as other scanners would show
    them."""
    numbers = torch.split(torch.arange(len(abdomens.volumes)), BATCH[VOLUME])
    raw = [volume_features(network, close, varied_volumes(*abdomens.batch(chosen))[0]) for chosen in numbers]
    found: dict[str, Tensor] = {}
    for name in COMPONENTS:
        told = abdomens.disease if name == "narrow" else None
        found |= reduction_of(name, torch.cat([one[name] for one in raw]), told)
    return found


def facts_of(n_volumes: int, epochs: Mapping[str, float]) -> dict[str, object]:
    """What the encoder is, for whoever must judge whether it is public."""
    return {
        "data": f"procedural abdominal CT volumes of DPMed alone: {n_volumes} of the encoder variant of its phantoms, seed {SEED}; "
        f"statistics over {N_FOR_STATISTICS} more; no scan of any patient",
        "architecture": "64 x 96 x 96 voxels of 4 mm, soft-tissue window; a residual network in 3D over blocks of 16 mm, its coarse maps "
        "led back into the finest, features through its own marks of the pancreas and over the whole volume; and a second one over the "
        f"{' x '.join(map(str, BOX))} voxels around the marked pancreas; GroupNorm, Mish",
        "targets": {VOLUME: [*MARKS, *DISEASE, *MEASURES, *SCAN_MEASURES], CLOSE: [*MARKS, *DISEASE]},
        "epochs": dict(epochs),
    }


if __name__ == "__main__":
    main()
