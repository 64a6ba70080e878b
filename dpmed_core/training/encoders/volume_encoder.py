"""The first network of the public encoder for CT, and the features of both: segmentation of the pancreas, and measures of the body.

"narrow" features are pooled over the masks: means over the pancreas and around the most likely tumour, histograms of the pancreas at three
scales, and the features of the crop network. "wide" features are pooled over the whole volume.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.encoders.network_input import CENTRE, SPREAD
from dpmed_core.training.encoders.organ_masks import DISEASE_TARGETS, INITIAL_LOG_ODDS, STRUCTURES, masked_features
from dpmed_core.training.encoders.pancreas_crop import CropNetwork, CropOutput, crops_at, pancreas_centres
from dpmed_core.training.encoders.pancreas_histogram import pancreas_histogram
from dpmed_core.training.encoders.scattering_3d import scatter_volumes
from dpmed_core.training.networks.blocks import Layer, Stage

NAME = "volume"
"""The network's name in stored weights and on the encoder's card."""
MEASURES = ("half_width", "front", "skin_fat", "bone", "liver", "liver_fat", "spleen", "kidneys", "aorta", "calcified", "gallbladder")
SCAN_MEASURES = ("portal", "breath", "female", "age")
"""What the network predicts from the whole volume: measures of the body, then of scan and patient."""
CELL = 4
"""Voxels along each side of a cell, the unit of this network's masks."""
CHANNELS = (32, 64, 96)
POOLED = (2, 3, 3)
"""Grid over which the second map is averaged for "wide" features."""


class VolumeOutput(NamedTuple):
    """The network's output for volumes.

    Attributes:
        mask_logits: log-odds `[n, len(STRUCTURES), slices / 4, rows / 4, columns / 4]`.
        disease: predictions `[n, len(DISEASE_TARGETS)]`.
        measures: predictions `[n, len(MEASURES) + len(SCAN_MEASURES)]`.
        narrow: features pooled over the masks, `[n, n_raw]`.
        wide: features of the whole volume, `[n, n_raw]`.
    """

    mask_logits: Tensor
    disease: Tensor
    measures: Tensor
    narrow: Tensor
    wide: Tensor


class VolumeNetwork(nn.Module):
    """A small residual network over blocks of `CELL` voxels a side, whose coarse maps are added to the finest one.

    The names of its layers are keys of stored weights.
    """

    def __init__(self) -> None:
        super().__init__()
        fine = CHANNELS[0]
        self.stem, self.inner = Layer(CELL**3, fine, dims=3), Layer(fine, fine, dims=3)
        self.stages = nn.ModuleList([Stage(n_in, n_out, dims=3) for n_in, n_out in itertools.pairwise(CHANNELS)])
        self.lateral = nn.ModuleList([nn.Conv3d(n_in, fine, 1) for n_in in CHANNELS])
        self.join = Layer(fine, fine, dims=3)
        self.mark = nn.Conv3d(fine, len(STRUCTURES), 1)
        self.mark.bias = nn.Parameter(torch.full((len(STRUCTURES),), INITIAL_LOG_ODDS))
        self.tell_disease = nn.Linear(2 * fine + 2 * len(STRUCTURES), len(DISEASE_TARGETS))
        self.tell_measures = nn.Linear(2 * CHANNELS[-1], len(MEASURES) + len(SCAN_MEASURES))
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    @property
    def last_stage(self) -> Stage:
        """The stage that gives the coarsest map."""
        stage = self.stages[-1]
        assert isinstance(stage, Stage)
        return stage

    def forward(self, volumes: Tensor) -> VolumeOutput:
        """The output for `volumes` `[n, 1, slices, rows, columns]`, windowed."""
        return self.read(self.maps(volumes))

    def read(self, maps: list[Tensor]) -> VolumeOutput:
        """The output for volumes whose maps are these."""
        joined = self.lateral[-1](maps[-1])
        # From coarse to fine, as in a feature pyramid network (Lin et al. 2017, arXiv 1612.03144).
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            joined = lateral(finer) + functional.interpolate(joined, scale_factor=2)
        joined = self.join(joined)
        mask_logits = self.mark(joined)
        narrow = masked_features(joined, mask_logits)
        whole = torch.cat([maps[-1].mean(dim=(2, 3, 4)), maps[-1].amax(dim=(2, 3, 4))], dim=1)
        disease, measures = self.tell_disease(narrow), self.tell_measures(whole)
        # Predictions are features too: they summarise what the pooled activations were trained for.
        wide = torch.cat([functional.adaptive_avg_pool3d(maps[1], POOLED).flatten(1), whole, measures], dim=1)
        return VolumeOutput(mask_logits, disease, measures, torch.cat([narrow, disease], dim=1), wide)

    def maps(self, volumes: Tensor) -> list[Tensor]:
        """Maps of the volumes from fine (a cell) to coarse."""
        x = self.stem(space_to_depth(volumes).contiguous(memory_format=torch.channels_last_3d))
        maps = [x + self.inner(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


def space_to_depth(volumes: Tensor) -> Tensor:
    """`volumes` `[n, 1, slices, rows, columns]` with the voxels of each cell as channels, `[n, CELL^3, slices / CELL, ...]`."""
    n, _, *sides = volumes.shape
    slices, rows, columns = (side // CELL for side in sides)
    blocks = volumes.reshape(n, slices, CELL, rows, CELL, columns, CELL)
    return blocks.permute(0, 2, 4, 6, 1, 3, 5).reshape(n, CELL**3, slices, rows, columns)


def volume_features(network: VolumeNetwork, crop_network: CropNetwork, volumes: Tensor) -> dict[str, Tensor]:
    """Features of each kind of `COMPONENTS`, `[n, n_raw]`, of windowed `volumes` `[n, 1, *SHAPE]`."""
    output: VolumeOutput = network(volumes)
    pancreas = torch.sigmoid(output.mask_logits[:, :1])
    cropped: CropOutput = crop_network(crops_at(volumes, pancreas_centres(pancreas[:, 0], cell=CELL)))
    narrow = torch.cat([output.narrow, pancreas_histogram(volumes, pancreas), cropped.features], dim=1)
    # Scattering starts from the window's lower end as 0, so that the background outside of the body has no coefficients.
    above_air = functional.avg_pool3d(volumes, 2) + CENTRE / SPREAD
    scattered = torch.log1p(scatter_volumes(above_air) * 8).flatten(1)
    return {"narrow": narrow, "wide": output.wide, "scattering": scattered}
