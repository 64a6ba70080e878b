"""Pretraining the public encoder for CT on synthetic volumes: the second half of `make encoder`.

Two networks learn to segment pancreas, tumour and duct and to predict diseases, from phantoms of the variant "encoder": the first in whole
volumes, along with measures of the body, the second in crops around the pancreas. The demo cohort's volumes have other parameters and other
random numbers.
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
from dpmed_core.training.encoders.organ_masks import DISEASE_TARGETS, STRUCTURES
from dpmed_core.training.encoders.pancreas_crop import CROP_SHAPE, FINE_CELL, CropNetwork, CropOutput, crops_at, pancreas_centres
from dpmed_core.training.encoders.pancreas_crop import NAME as CROP
from dpmed_core.training.encoders.pretraining_loop import fit, reduction_of, write_encoder
from dpmed_core.training.encoders.synthetic_volumes import SyntheticVolumes, augment_intensities, augment_volumes, draw_synthetic_volumes
from dpmed_core.training.encoders.volume_encoder import MEASURES, SCAN_MEASURES, VolumeNetwork, VolumeOutput, volume_features
from dpmed_core.training.encoders.volume_encoder import NAME as VOLUME

SEED, STATISTICS_SEED = 1, 7
BATCH = {VOLUME: 8, CROP: 16}
N_FOR_STATISTICS = 800
"""Volumes over which the reduction of features is computed; none of those that the networks were trained on."""
POSITIVE_WEIGHT = 6.0
"""Weight of a cell that holds some of a structure against an empty one: most cells are empty."""
CELLS_PER_MASK = {VOLUME: 150.0, CROP: 1000.0}
"""Divisor of the loss summed over cells: most of it comes from the cells that an organ's edge runs through."""
OFF_CENTRE = 4.0
"""Largest distance in voxels of a training crop from the pancreas's centre, along each axis: the first network will not find it exactly."""
PREDICTION_WEIGHT = 3.0
"""Weight of predictions (diseases, measures) against masks."""


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
    data = draw_synthetic_volumes(given.volumes, seed=SEED, workers=given.workers)
    network, crop_network = pretrain_volume_network(data, epochs=given.epochs), pretrain_crop_network(data, epochs=given.close_epochs)
    reduction = statistics(network, crop_network, draw_synthetic_volumes(N_FOR_STATISTICS, seed=STATISTICS_SEED, workers=given.workers))
    facts = facts_of(given.volumes, {VOLUME: given.epochs, CROP: given.close_epochs})
    write_encoder(given.out, Modality.CT, {VOLUME: network, CROP: crop_network}, reduction, facts)


def pretrain_volume_network(data: SyntheticVolumes, *, epochs: float) -> VolumeNetwork:
    """The first network, trained on whole volumes."""
    network = VolumeNetwork()

    def loss_on(chosen: Tensor) -> Tensor:
        volumes, masks = augment_volumes(*data.batch(chosen))
        return volume_loss(network(volumes), masks, data.disease[chosen], data.measures[chosen])

    return fit(network, loss_on, n_images=len(data.volumes), batch=BATCH[VOLUME], epochs=epochs, name=VOLUME)


def pretrain_crop_network(data: SyntheticVolumes, *, epochs: float) -> CropNetwork:
    """The second network, trained on crops around the pancreas."""
    network = CropNetwork()

    def loss_on(chosen: Tensor) -> Tensor:
        volumes, masks = data.batch(chosen)
        centres = pancreas_centres(masks[:, 0], cell=FINE_CELL)
        # The crop's masks share its jittered centre, so that they stay aligned.
        centres += torch.empty_like(centres).uniform_(-OFF_CENTRE, OFF_CENTRE)
        output = network(augment_intensities(crops_at(volumes, centres)))
        return crop_loss(output, crops_at(masks, centres, cell=FINE_CELL), data.disease[chosen])

    return fit(network, loss_on, n_images=len(data.volumes), batch=BATCH[CROP], epochs=epochs, name=CROP)


def volume_loss(output: VolumeOutput, masks: Tensor, disease: Tensor, measures: Tensor) -> Tensor:
    """The weighted sum of the losses of masks, diseases and measures."""
    predictions = _disease_loss(output.disease, disease) + functional.smooth_l1_loss(output.measures, measures)
    return _mask_loss(output.mask_logits, masks) / CELLS_PER_MASK[VOLUME] + PREDICTION_WEIGHT * predictions


def crop_loss(output: CropOutput, masks: Tensor, disease: Tensor) -> Tensor:
    """The weighted sum of the losses of masks and diseases."""
    return _mask_loss(output.mask_logits, masks) / CELLS_PER_MASK[CROP] + PREDICTION_WEIGHT * _disease_loss(output.disease, disease)


def _mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Weighted cross-entropy, summed over cells, as a mean over images; fine `masks` are averaged to the cells of `logits`."""
    masks = functional.avg_pool3d(masks, masks.shape[-1] // logits.shape[-1])
    weights = 1 + (POSITIVE_WEIGHT - 1) * (masks > 0)
    return functional.binary_cross_entropy_with_logits(logits, masks, weights, reduction="sum") / len(masks)


def _disease_loss(predicted: Tensor, disease: Tensor) -> Tensor:
    tumour = functional.binary_cross_entropy_with_logits(predicted[:, 0], disease[:, 0])
    return tumour + functional.smooth_l1_loss(predicted[:, 1:], disease[:, 1:])


@torch.no_grad()
def statistics(network: VolumeNetwork, crop_network: CropNetwork, data: SyntheticVolumes) -> dict[str, Tensor]:
    """The reduction of every kind of feature (see `reduction_of`), from augmented synthetic volumes."""
    batches = torch.split(torch.arange(len(data.volumes)), BATCH[VOLUME])
    raw = [volume_features(network, crop_network, augment_volumes(*data.batch(chosen))[0]) for chosen in batches]
    reduction: dict[str, Tensor] = {}
    for name in COMPONENTS:
        targets = data.disease if name == "narrow" else None
        reduction |= reduction_of(name, torch.cat([one[name] for one in raw]), targets)
    return reduction


def facts_of(n_volumes: int, epochs: Mapping[str, float]) -> dict[str, object]:
    """Facts for the encoder's card, by which a reader can judge whether it is public."""
    return {
        "data": f"procedural abdominal CT volumes of DPMed alone: {n_volumes} of the encoder variant of its phantoms, seed {SEED}; "
        f"statistics over {N_FOR_STATISTICS} more; no scan of any patient",
        "architecture": "64 x 96 x 96 voxels of 4 mm, soft-tissue window; a residual network in 3D over blocks of 16 mm, its coarse maps "
        "added to the finest, features over its own mask of the pancreas and over the whole volume; and a second one over the "
        f"{' x '.join(map(str, CROP_SHAPE))} voxels around the segmented pancreas; GroupNorm, Mish",
        "targets": {VOLUME: [*STRUCTURES, *DISEASE_TARGETS, *MEASURES, *SCAN_MEASURES], CROP: [*STRUCTURES, *DISEASE_TARGETS]},
        "epochs": dict(epochs),
    }


if __name__ == "__main__":
    main()
