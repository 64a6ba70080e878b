"""The public encoder's first network for CT: it marks the pancreas and what is ill in it, and reads the rest of the body.

"narrow" features are seen through the marks: means over the gland and at the place most like a tumour, how bright the gland is at three
scales, and what a second, close look at it tells. "wide" features are pooled over the whole volume.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.encoders.network_input import CENTRE, SPREAD
from dpmed_core.training.encoders.organ_masks import DISEASE, MARKS, RARE_AT_FIRST, through_marks
from dpmed_core.training.encoders.pancreas_crop import CloseNetwork, CloseReading, boxes_at, gland_centres
from dpmed_core.training.encoders.pancreas_histogram import gland_greys
from dpmed_core.training.encoders.scattering_3d import scatter_volumes
from dpmed_core.training.networks.blocks import Layer, Stage

NAME = "volume"
MEASURES = ("half_width", "front", "skin_fat", "bone", "liver", "liver_fat", "spleen", "kidneys", "aorta", "calcified", "gallbladder")
SCAN_MEASURES = ("portal", "breath", "female", "age")
"""What it tells from the whole volume: measures of the build, then of scan and person."""
CELL = 4
"""Voxels along each side of a cell: what the network marks one by one."""
CHANNELS = (32, 64, 96)
POOLED = (2, 3, 3)


class Reading(NamedTuple):
    """What the network makes of volumes.

    Attributes:
        marks: log-odds `[n, len(MARKS), slices / 4, rows / 4, columns / 4]`.
        disease: `[n, len(DISEASE)]`.
        measures: `[n, len(MEASURES) + len(SCAN_MEASURES)]`.
        narrow: features seen through the marks `[n, n_raw]`.
        wide: features of the whole volume `[n, n_raw]`.
    """

    marks: Tensor
    disease: Tensor
    measures: Tensor
    narrow: Tensor
    wide: Tensor


class VolumeNetwork(nn.Module):
    """A small residual network over blocks of `CELL` voxels a side, whose coarse maps flow back into the finest one."""

    def __init__(self) -> None:
        super().__init__()
        fine = CHANNELS[0]
        self.stem, self.inner = Layer(CELL**3, fine, dims=3), Layer(fine, fine, dims=3)
        self.stages = nn.ModuleList([Stage(n_in, n_out, dims=3) for n_in, n_out in itertools.pairwise(CHANNELS)])
        self.lateral = nn.ModuleList([nn.Conv3d(n_in, fine, 1) for n_in in CHANNELS])
        self.join = Layer(fine, fine, dims=3)
        self.mark = nn.Conv3d(fine, len(MARKS), 1)
        self.mark.bias = nn.Parameter(torch.full((len(MARKS),), RARE_AT_FIRST))
        self.tell_disease = nn.Linear(2 * fine + 2 * len(MARKS), len(DISEASE))
        self.tell_measures = nn.Linear(2 * CHANNELS[-1], len(MEASURES) + len(SCAN_MEASURES))
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, volumes: Tensor) -> Reading:
        """The reading of `volumes` `[n, 1, slices, rows, columns]`, windowed."""
        maps = self._maps(volumes)
        joined = self.lateral[-1](maps[-1])
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            joined = lateral(finer) + functional.interpolate(joined, scale_factor=2)
        seen = self.join(joined)
        marks = self.mark(seen)
        narrow = through_marks(seen, marks)
        whole = torch.cat([maps[-1].mean(dim=(2, 3, 4)), maps[-1].amax(dim=(2, 3, 4))], dim=1)
        disease, measures = self.tell_disease(narrow), self.tell_measures(whole)
        wide = torch.cat([functional.adaptive_avg_pool3d(maps[1], POOLED).flatten(1), whole, measures], dim=1)
        return Reading(marks, disease, measures, torch.cat([narrow, disease], dim=1), wide)

    def _maps(self, volumes: Tensor) -> list[Tensor]:
        """Maps of the volumes from fine (a cell) to coarse."""
        x = self.stem(in_blocks(volumes).contiguous(memory_format=torch.channels_last_3d))
        maps = [x + self.inner(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


def in_blocks(volumes: Tensor) -> Tensor:
    """`volumes` `[n, 1, slices, rows, columns]` with the voxels of each cell as channels, `[n, CELL^3, slices / CELL, ...]`."""
    n, _, *sides = volumes.shape
    slices, rows, columns = (side // CELL for side in sides)
    blocks = volumes.reshape(n, slices, CELL, rows, CELL, columns, CELL)
    return blocks.permute(0, 2, 4, 6, 1, 3, 5).reshape(n, CELL**3, slices, rows, columns)


def volume_features(network: VolumeNetwork, close: CloseNetwork, volumes: Tensor) -> dict[str, Tensor]:
    """Features of each kind, `[n, n_raw]`, of windowed `volumes` `[n, 1, *SHAPE]`."""
    reading: Reading = network(volumes)
    likely = torch.sigmoid(reading.marks[:, :1])
    looked: CloseReading = close(boxes_at(volumes, gland_centres(likely[:, 0], cell=CELL)))
    narrow = torch.cat([reading.narrow, gland_greys(volumes, likely), looked.features], dim=1)
    above_air = functional.avg_pool3d(volumes, 2) + CENTRE / SPREAD
    scattered = torch.log1p(scatter_volumes(above_air) * 8).flatten(1)
    return {"narrow": narrow, "wide": reading.wide, "scattering": scattered}
