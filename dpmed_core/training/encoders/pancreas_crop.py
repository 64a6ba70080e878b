"""The second network of the public encoder for CT, on a crop around the segmented pancreas in the volume's own voxels.

From coarse to fine: the first network finds the pancreas in cells of 16 mm, which is as large as a small tumour; this one reads a box
around it, with 20 times fewer voxels than the volume. Source of the idea: Zhou et al. 2017, "A fixed-point model for pancreas segmentation
in abdominal CT scans", arXiv 1612.08230.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.encoders.organ_masks import DISEASE_TARGETS, INITIAL_LOG_ODDS, STRUCTURES, masked_features
from dpmed_core.training.networks.blocks import Layer, Stage

NAME = "close"
"""The network's name in stored weights and on the encoder's card."""
CROP_SHAPE = (24, 24, 52)
"""Voxels of a crop: slices, rows, columns."""
CHANNELS = (16, 32, 64)
FINE_CELL = 2
"""Voxels along each side of a cell, the unit of this network's masks."""
MIN_PROBABILITY = 0.1
"""Cells less likely than this do not count towards the centre of the pancreas: there are many of them, and they would pull it away."""


class CropOutput(NamedTuple):
    """The network's output for crops.

    Attributes:
        mask_logits: log-odds `[n, len(STRUCTURES), *CROP_SHAPE / FINE_CELL]`.
        disease: predictions `[n, len(DISEASE_TARGETS)]`.
        features: pooled over the masks and over the whole crop, and `disease`, `[n, n_raw]`.
    """

    mask_logits: Tensor
    disease: Tensor
    features: Tensor


class CropNetwork(nn.Module):
    """A small residual network over the voxels of a crop, whose coarse map is added to the fine one.

    The names of its layers are keys of stored weights.
    """

    def __init__(self) -> None:
        super().__init__()
        first, fine, coarse = CHANNELS
        self.stem = Layer(1, first, dims=3)
        self.fine, self.coarse = Stage(first, fine, dims=3), Stage(fine, coarse, dims=3)
        self.lateral, self.join = nn.Conv3d(coarse, fine, 1), Layer(fine, fine, dims=3)
        self.mark = nn.Conv3d(fine, len(STRUCTURES), 1)
        self.mark.bias = nn.Parameter(torch.full((len(STRUCTURES),), INITIAL_LOG_ODDS))
        self.tell_disease = nn.Linear(2 * fine + 2 * len(STRUCTURES) + 2 * coarse, len(DISEASE_TARGETS))

    def forward(self, crops: Tensor) -> CropOutput:
        """The output for `crops` `[n, 1, *CROP_SHAPE]`, windowed."""
        fine = self.fine(self.stem(crops))
        return self.read(fine, self.coarse(fine))

    def read(self, fine: Tensor, coarse: Tensor) -> CropOutput:
        """The output for crops whose fine and coarse maps are these."""
        joined = self.join(fine + functional.interpolate(self.lateral(coarse), scale_factor=2))
        mask_logits = self.mark(joined)
        features = torch.cat([masked_features(joined, mask_logits), coarse.mean(dim=(2, 3, 4)), coarse.amax(dim=(2, 3, 4))], dim=1)
        disease = self.tell_disease(features)
        return CropOutput(mask_logits, disease, torch.cat([features, disease], dim=1))


def pancreas_centres(probabilities: Tensor, *, cell: int) -> Tensor:
    """The centre of the pancreas in each volume, in voxels, `[n, 3]`; the middle of the volume where no cell is likely.

    Args:
        probabilities: that a cell is pancreas, 0 to 1, `[n, slices, rows, columns]`.
        cell: voxels along each side of a cell.
    """
    # The small constant makes the centre that of the volume where nothing is likely.
    weights = (probabilities - MIN_PROBABILITY).clamp(min=0) + 1e-9
    total = weights.sum(dim=(1, 2, 3))
    centres = []
    for axis in (1, 2, 3):
        positions = (torch.arange(weights.shape[axis], device=weights.device) + 0.5) * cell
        others = [other for other in (1, 2, 3) if other != axis]
        centres.append((weights.sum(dim=others) * positions).sum(dim=1) / total)
    return torch.stack(centres, dim=1)


def crops_at(grids: Tensor, centres: Tensor, *, cell: int = 1) -> Tensor:
    """The crops `[n, channels, *CROP_SHAPE / cell]` of `grids` around `centres`, moved to lie within the volume.

    Args:
        grids: volumes, or masks by cells, `[n, channels, slices, rows, columns]`.
        centres: in voxels, `[n, 3]`.
        cell: voxels along each side of a cell of `grids`; crops begin at multiples of `FINE_CELL` voxels in any case, so that those of a
            volume and of its masks coincide.
    """
    crops = []
    for grid, centre in zip(grids, centres.tolist(), strict=True):
        box = [slice(None)]
        for middle, length, whole in zip(centre, CROP_SHAPE, grid.shape[1:], strict=True):
            start = FINE_CELL * round((middle - length / 2) / FINE_CELL)
            start = min(max(start, 0), whole * cell - length) // cell
            box.append(slice(start, start + length // cell))
        crops.append(grid[tuple(box)])
    return torch.stack(crops)
