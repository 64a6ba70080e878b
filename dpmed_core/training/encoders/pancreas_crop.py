"""The second look of the public encoder for CT: at the marked pancreas alone, voxel by voxel.

From coarse to fine: the first network finds the gland in cells of 16 mm, as large as a small tumour; this one reads a box around it in the
volume's own voxels, 20 times fewer than those of the whole. Source of the idea: Zhou et al. 2017, "A fixed-point model for pancreas
segmentation in abdominal CT scans" (arXiv 1612.08230).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.encoders.organ_masks import DISEASE, MARKS, RARE_AT_FIRST, through_marks
from dpmed_core.training.networks.blocks import Layer, Stage

NAME = "close"
BOX = (24, 24, 52)
"""Voxels of the box around the gland: slices, rows, columns."""
CHANNELS = (16, 32, 64)
FINE_CELL = 2
"""Voxels along each side of what this network marks one by one."""
LIKELY = 0.1
"""Places less likely gland than this do not pull at its centre; there are many of them."""


class CloseReading(NamedTuple):
    """What the network makes of boxes.

    Attributes:
        marks: log-odds `[n, len(MARKS), *BOX / FINE_CELL]`.
        disease: `[n, len(DISEASE)]`.
        features: seen through the marks and of the whole box, and `disease`, `[n, n_raw]`.
    """

    marks: Tensor
    disease: Tensor
    features: Tensor


class CloseNetwork(nn.Module):
    """A small residual network over the voxels of a box, whose coarse map flows back into the fine one."""

    def __init__(self) -> None:
        super().__init__()
        first, fine, coarse = CHANNELS
        self.stem = Layer(1, first, dims=3)
        self.fine, self.coarse = Stage(first, fine, dims=3), Stage(fine, coarse, dims=3)
        self.lateral, self.join = nn.Conv3d(coarse, fine, 1), Layer(fine, fine, dims=3)
        self.mark = nn.Conv3d(fine, len(MARKS), 1)
        self.mark.bias = nn.Parameter(torch.full((len(MARKS),), RARE_AT_FIRST))
        self.tell_disease = nn.Linear(2 * fine + 2 * len(MARKS) + 2 * coarse, len(DISEASE))

    def forward(self, boxes: Tensor) -> CloseReading:
        """The reading of `boxes` `[n, 1, *BOX]`, windowed."""
        fine = self.fine(self.stem(boxes))
        coarse = self.coarse(fine)
        seen = self.join(fine + functional.interpolate(self.lateral(coarse), scale_factor=2))
        marks = self.mark(seen)
        features = torch.cat([through_marks(seen, marks), coarse.mean(dim=(2, 3, 4)), coarse.amax(dim=(2, 3, 4))], dim=1)
        disease = self.tell_disease(features)
        return CloseReading(marks, disease, torch.cat([features, disease], dim=1))


def gland_centres(likely: Tensor, *, cell: int) -> Tensor:
    """The centres `[n, 3]` in voxels of what is `likely` `[n, slices, rows, columns]` gland (0 to 1), by cells of `cell` voxels a side; the
    middle of the volume where nothing is."""
    weights = (likely - LIKELY).clamp(min=0) + 1e-9
    total = weights.sum(dim=(1, 2, 3))
    along = []
    for axis in (1, 2, 3):
        places = (torch.arange(weights.shape[axis], device=weights.device) + 0.5) * cell
        others = [other for other in (1, 2, 3) if other != axis]
        along.append((weights.sum(dim=others) * places).sum(dim=1) / total)
    return torch.stack(along, dim=1)


def boxes_at(grids: Tensor, centres: Tensor, *, cell: int = 1) -> Tensor:
    """The boxes `[n, channels, *BOX / cell]` of `grids` `[n, channels, slices, rows, columns]` around `centres` `[n, 3]`, kept within them.

    Args:
        grids: volumes, or marks by cells.
        centres: in voxels.
        cell: voxels along each side of what `grids` hold one by one; boxes begin at multiples of `FINE_CELL` voxels, whatever it is.
    """
    boxes = []
    for grid, centre in zip(grids, centres.tolist(), strict=True):
        box = [slice(None)]
        for middle, length, whole in zip(centre, BOX, grid.shape[1:], strict=True):
            start = FINE_CELL * round((middle - length / 2) / FINE_CELL)
            start = min(max(start, 0), whole * cell - length) // cell
            box.append(slice(start, start + length // cell))
        boxes.append(grid[tuple(box)])
    return torch.stack(boxes)
