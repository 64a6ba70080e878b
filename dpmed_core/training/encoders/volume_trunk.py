"""What recipe `finetune3d` takes from the public encoder for CT as it is: both networks up to their last layers.

What they give for a volume is a function of that volume and of public weights alone. It is computed once and cached beside the cohort.
"""

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.training.encoders import pancreas_crop, volume_encoder
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.encoders.features import cached_or_computed
from dpmed_core.training.encoders.network_input import windowed
from dpmed_core.training.encoders.organ_masks import DISEASE_TARGETS, STRUCTURES
from dpmed_core.training.encoders.pancreas_crop import CROP_SHAPE, FINE_CELL, CropNetwork, crops_at, pancreas_centres
from dpmed_core.training.encoders.pancreas_histogram import N_BINS, pancreas_histogram
from dpmed_core.training.encoders.radiograph_encoder import PublicEncoder
from dpmed_core.training.encoders.volume_encoder import CELL, MEASURES, POOLED, SCAN_MEASURES, VolumeNetwork
from dpmed_core.training.encoders.volume_tail import KindShape, MapShape

N_DISEASE, N_MEASURES = len(DISEASE_TARGETS), len(MEASURES) + len(SCAN_MEASURES)
N_OF_VOLUME = 2 * volume_encoder.CHANNELS[0] + 2 * len(STRUCTURES) + N_DISEASE
"""Features over the masks of the network for whole volumes, and the diseases that it predicts."""
N_OVER_MASKS = 2 * pancreas_crop.CHANNELS[1] + 2 * len(STRUCTURES)
"""Features over the masks of the network for the crop."""
CLOSE = KindShape(
    "narrow",
    n_before=N_OF_VOLUME + N_BINS + N_OVER_MASKS,
    n_after=N_DISEASE,
    map=MapShape(pancreas_crop.CHANNELS[-1], *(side // (2 * FINE_CELL) for side in CROP_SHAPE)),
    n_components=COMPONENTS["narrow"],
)
WHOLE = KindShape(
    "wide",
    n_before=volume_encoder.CHANNELS[1] * prod(POOLED),
    n_after=N_MEASURES,
    map=MapShape(volume_encoder.CHANNELS[-1], *(side // (4 * CELL) for side in SHAPE)),
    n_components=COMPONENTS["wide"],
)
KINDS = (CLOSE, WHOLE)
"""What the tail reads of the network for the crop around the pancreas, and of that for the whole volume."""
VERSION = 1
"""Raised whenever what the trunk gives could change: it stands in the cache's file name."""


class VolumeTrunk(nn.Module):
    """Both networks of the public encoder up to the last layers, which are trained (`volume_tail`)."""

    def __init__(self) -> None:
        super().__init__()
        self.volume, self.close = VolumeNetwork(), CropNetwork()

    def forward(self, volumes: Tensor) -> Tensor:
        """Cases as the tail reads them, `[n, 1, n_read]`, of windowed `volumes` `[n, 1, *SHAPE]`: what `KINDS` names."""
        maps = self.volume.maps(volumes)
        whole = self.volume.read(maps)
        pancreas = torch.sigmoid(whole.mask_logits[:, :1])
        fine = self.close.fine(self.close.stem(crops_at(volumes, pancreas_centres(pancreas[:, 0], cell=CELL))))
        close = self.close.read(fine, self.close.coarse(fine))
        before = [whole.narrow, pancreas_histogram(volumes, pancreas), close.features[:, :N_OVER_MASKS]]
        of_close = [*before, close.disease, self.close.coarse.halve(fine).flatten(1)]
        last = self.volume.last_stage.halve(maps[-2]).flatten(1)
        return torch.cat([*of_close, whole.wide[:, : WHOLE.n_before], whole.wide[:, -N_MEASURES:], last], dim=1)[:, None]


def trunk_of(encoder: PublicEncoder) -> VolumeTrunk:
    """The trunk with the weights of the public encoder for CT."""
    trunk = VolumeTrunk()
    trunk.volume.load_state_dict(encoder.networks[volume_encoder.NAME].state_dict())
    trunk.close.load_state_dict(encoder.networks[pancreas_crop.NAME].state_dict())
    return trunk.eval().requires_grad_(False)


@torch.no_grad()
def trunk_outputs(trunk: nn.Module, inputs: Tensor) -> Tensor:
    """What `trunk` gives for each case of `inputs` by itself: the same, bit for bit, whichever others are in the call."""
    return torch.cat([trunk(one) for one in torch.split(inputs, 1)])


def cached_trunk_outputs(
    trunk: nn.Module, cohort: Cohort, *, features_dir: Path, encoders_dir: Path, heed: Callable[[], None] = lambda: None
) -> NDArray[np.float32]:
    """What `trunk` gives for a cohort's volumes, `[n_cases, n_read]`, memory-mapped.

    Args:
        trunk: with the weights of the public encoder.
        cohort: the volumes.
        features_dir: folder of the cache; processes that ask at the same time compute it once.
        encoders_dir: folder of the public encoders.
        heed: called before each volume, and at intervals while another process computes; what it raises stops that.
    """

    def compute() -> NDArray[np.float32]:
        cohort.check_images(range(len(cohort.images)))
        outputs = np.empty((len(cohort.images), sum(sum(kind.sizes) for kind in KINDS)), dtype=np.float32)
        for i, volume in enumerate(cohort.images):
            heed()
            outputs[i] = trunk_outputs(trunk, windowed(volume[None]))[0, 0].numpy()
        return outputs

    cached = features_dir / f"{read_card(encoders_dir, Modality.CT).version}-trunk-{VERSION}.npy"
    return cached_or_computed(cached, compute, lock=".computing-trunk.lock", waiting=heed)
