"""How bright the marked gland is: soft histograms of its voxels, nothing learnt but where to look."""

import torch
from torch import Tensor
from torch.nn import functional

GREYS = tuple(-0.8 + 0.12 * i for i in range(19))
GREY_SPREAD = 0.12
"""Centres and width of the histogram's bins in units of the window: from -40 HU, 12 HU apart."""
SCALES = (1, 3, 5)
"""Voxels a side over which brightness is averaged before it is counted: noise and small lobules give way, a mass stays."""
LIKELY, MARGIN = 0.1, 3
"""How likely gland must be for a voxel to be looked at, and how many voxels around are needed for averages."""
NO_FAT = -0.6
"""Averages of 3 voxels a side below -20 HU hold fat; voxels beside such are left out of every second histogram."""
N_GREYS = 2 * len(SCALES) * len(GREYS) + 1


def gland_greys(volumes: Tensor, likely: Tensor) -> Tensor:
    """Histograms `[n, N_GREYS]` of windowed `volumes` `[n, 1, *SHAPE]`, voxels weighted by how likely they are gland; the last is its size.

    Args:
        volumes: the volumes.
        likely: 0 to 1 by cell, `[n, 1, *cells]`.
    """
    weights = functional.interpolate(likely, size=volumes.shape[2:], mode="trilinear")
    return torch.stack([_greys(*_cropped(volume[None], weight[None])) for volume, weight in zip(volumes, weights, strict=True)])


def _cropped(volume: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both `[1, 1, ...]`, around the voxels that may be gland; whole where none may."""
    found = torch.nonzero(weight[0, 0] > LIKELY)
    if not len(found):
        return volume, weight
    low, high = (found.min(dim=0).values - MARGIN).clamp(min=0).tolist(), (found.max(dim=0).values + MARGIN + 1).tolist()
    box = (slice(None), slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
    return volume[box], weight[box]


def _greys(volume: Tensor, weight: Tensor) -> Tensor:
    lowest_near = -functional.max_pool3d(-functional.avg_pool3d(volume, 3, 1, 1), 3, 1, 1)
    histograms = []
    for scale in SCALES:
        smooth = functional.avg_pool3d(volume, scale, 1, scale // 2, count_include_pad=False)
        bins = torch.exp(-(((smooth - torch.tensor(GREYS).view(-1, 1, 1, 1)) / GREY_SPREAD) ** 2))[0]
        for own in (weight[0], weight[0] * (lowest_near[0] > NO_FAT)):
            histograms.append((bins * own).sum(dim=(1, 2, 3)) / (own.sum() + 1))
    return torch.cat([*histograms, torch.log1p(weight.sum())[None]])
