"""Soft histograms of attenuation within the segmented pancreas; only the position of the pancreas is learned."""

import torch
from torch import Tensor
from torch.nn import functional

BIN_CENTRES = tuple(-0.8 + 0.12 * i for i in range(19))
BIN_WIDTH = 0.12
"""Centres and width of the bins in units of the windowed volume: from -40 HU, 12 HU apart."""
SCALES = (1, 3, 5)
"""Voxels a side over which attenuation is averaged before it is counted: averages remove noise and small lobules, and a mass remains."""
MIN_PROBABILITY, MARGIN = 0.1, 3
"""Voxels less likely pancreas than this are left out of the crop, which extends some voxels further for the averages."""
NO_FAT = -0.6
"""Averages of 3 voxels a side below -20 HU contain fat; every second histogram leaves out the voxels around them."""
N_BINS = 2 * len(SCALES) * len(BIN_CENTRES) + 1


def pancreas_histogram(volumes: Tensor, probabilities: Tensor) -> Tensor:
    """Histograms `[n, N_BINS]` of voxels weighted by their probability of being pancreas; the last number is the size of the pancreas.

    Args:
        volumes: windowed, `[n, 1, *SHAPE]`.
        probabilities: 0 to 1 by cell, `[n, 1, *cells]`.
    """
    weights = functional.interpolate(probabilities, size=volumes.shape[2:], mode="trilinear")
    return torch.stack([_histogram(*_cropped(volume[None], weight[None])) for volume, weight in zip(volumes, weights, strict=True)])


def _cropped(volume: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both `[1, 1, ...]`, cropped to the voxels that may be pancreas; whole where none may."""
    found = torch.nonzero(weight[0, 0] > MIN_PROBABILITY)
    if not len(found):
        return volume, weight
    low, high = (found.min(dim=0).values - MARGIN).clamp(min=0).tolist(), (found.max(dim=0).values + MARGIN + 1).tolist()
    box = (slice(None), slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
    return volume[box], weight[box]


def _histogram(volume: Tensor, weight: Tensor) -> Tensor:
    """The histogram `[N_BINS]` of one volume; a voxel counts in a bin by a Gaussian of its distance from the bin's centre."""
    # The smallest local mean in each voxel's neighbourhood: fat nearby lowers averages, and looks like a hypodense mass.
    lowest_near = -functional.max_pool3d(-functional.avg_pool3d(volume, 3, 1, 1), 3, 1, 1)
    histograms = []
    for scale in SCALES:
        smooth = functional.avg_pool3d(volume, scale, 1, scale // 2, count_include_pad=False)
        bins = torch.exp(-(((smooth - torch.tensor(BIN_CENTRES).view(-1, 1, 1, 1).to(smooth.device)) / BIN_WIDTH) ** 2))[0]
        for counted in (weight[0], weight[0] * (lowest_near[0] > NO_FAT)):
            histograms.append((bins * counted).sum(dim=(1, 2, 3)) / (counted.sum() + 1))
    return torch.cat([*histograms, torch.log1p(weight.sum())[None]])
