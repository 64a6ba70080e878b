"""Synthetic volumes for pretraining the public encoder: phantoms of the variant "encoder" with their masks, diseases and measures."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dpmed_core.imaging.volume_grid import SHAPE, SOFT_TISSUE
from dpmed_core.phantoms.abdomen.canvas import Shape
from dpmed_core.phantoms.abdomen.pancreas import duct_shape, pancreas_shape, tumour_shape
from dpmed_core.phantoms.abdomen.population import PDAC, draw_scans
from dpmed_core.phantoms.abdomen.volume import AbdomenPhantom, draw_phantom, render_phantom
from dpmed_core.training.encoders.organ_masks import STRUCTURES
from dpmed_core.training.encoders.pancreas_crop import FINE_CELL
from dpmed_core.training.encoders.volume_encoder import CELL, MEASURES

CHUNK = 25
"""Volumes that one process draws at a time."""
FINE_CELLS = tuple(n // FINE_CELL for n in SHAPE)
"""Fine cells in a volume: slices, rows, columns."""


@dataclass(frozen=True, eq=False)
class SyntheticVolumes:
    """Training data of the public encoder for CT.

    Attributes:
        volumes: `[n, *SHAPE]`, the soft-tissue window in 8 bits.
        masks: share of each fine cell that `STRUCTURES` fill, in 8 bits, `[n, len(STRUCTURES), *FINE_CELLS]`.
        disease: `DISEASE_TARGETS`, the first 0 or 1, the others of mean 0 and standard deviation 1.
        measures: `MEASURES` and `SCAN_MEASURES`, of mean 0 and standard deviation 1.
    """

    volumes: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    disease: Tensor
    measures: Tensor

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The `chosen` volumes `[n, 1, *SHAPE]` as `network_input.windowed` gives them, and masks `[n, len(STRUCTURES), *FINE_CELLS]`."""
        indices = chosen.numpy()
        volumes = torch.from_numpy(self.volumes[indices]).float().unsqueeze(1)
        # 8 bits cover the window, which `windowed` scales to -2 to 2.
        return volumes / 255 * 4 - 2, torch.from_numpy(self.masks[indices]).float() / 255


def draw_synthetic_volumes(n_volumes: int, *, seed: int, workers: int) -> SyntheticVolumes:
    """`n_volumes` phantoms of the variant "encoder"."""
    scans = draw_scans(n_volumes, seed=seed, variant="encoder")
    chunks = [range(i, min(i + CHUNK, n_volumes)) for i in range(0, n_volumes, CHUNK)]
    draw = partial(_draw_chunk, scans, seed=seed)
    if workers == 1:
        parts = [draw(chunk) for chunk in chunks]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(draw, chunks))
    volumes, masks, measures = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return SyntheticVolumes(volumes, masks, _disease(scans), _standard(measures))


def augment_volumes(volumes: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Volumes shifted by whole cells of the first network, with other intensities, and their masks with the same shift."""
    shift = [CELL * int(torch.randint(-reach, reach + 1, ())) for reach in (2, 1, 1)]
    shifted = torch.roll(masks, [step // FINE_CELL for step in shift], dims=(2, 3, 4))
    return augment_intensities(torch.roll(volumes, shift, dims=(2, 3, 4))), shifted


def augment_intensities(volumes: Tensor) -> Tensor:
    """`volumes` as other scanners would show them: brighter, sharper or noisier."""
    soft = functional.avg_pool3d(volumes, 3, 1, 1)
    volumes = torch.lerp(volumes, soft, _draw(volumes, -0.4, 0.9))
    changed = volumes * _draw(volumes, 0.88, 1.12) + _draw(volumes, -0.15, 0.15)
    return (changed + _draw(volumes, 0, 0.15) * torch.randn_like(volumes)).clamp(-2, 2)


def _draw_chunk(scans: pd.DataFrame, indices: range, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """Volumes, masks and measures of the scans with these indices."""
    drawn = [_draw_one(scans.iloc[index], index, seed) for index in indices]
    return np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn]), np.array([d[2] for d in drawn])


def _draw_one(scan: pd.Series, index: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[float]]:
    """The volume, the masks and the measures (`MEASURES`, `SCAN_MEASURES`) of one scan."""
    phantom = draw_phantom(scan, index, seed=seed, variant="encoder")
    measures = [float(getattr(phantom.body, name)) for name in MEASURES]
    measures += [float(scan["portal"]), phantom.scan.breath, float(scan["sex"] == "F"), float(scan["age"])]
    masks = _masks(phantom, scan)
    low, high = SOFT_TISSUE
    hu = render_phantom(phantom, scan, index, seed=seed, variant="encoder")
    return np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8), masks, measures


def _masks(phantom: AbdomenPhantom, scan: pd.Series) -> NDArray[np.uint8]:
    """Share of each fine cell that pancreas, tumour and dilated duct fill, 255 = all of it, `[len(STRUCTURES), *FINE_CELLS]`."""
    shapes: list[Shape | None] = [pancreas_shape(phantom.canvas, phantom.pancreas), None, None]
    if scan["radius_mm"]:
        shapes[1] = tumour_shape(phantom.canvas, phantom.pancreas)
    if scan["duct_mm"]:
        shapes[2] = duct_shape(phantom.canvas, scan, phantom.pancreas)
    filled = np.zeros((len(STRUCTURES), *SHAPE), dtype=np.float32)
    for mask, shape in zip(filled, shapes, strict=True):
        if shape is not None:
            mask[shape.box] = shape.depth > 0
    # Every axis as (cells, voxels of a cell), so that a mean over the latter gives each cell's share.
    split = filled.reshape(len(STRUCTURES), *(length for cells in FINE_CELLS for length in (cells, FINE_CELL)))
    return np.asarray(np.rint(255 * split.mean(axis=(2, 4, 6))), dtype=np.uint8)


def _disease(scans: pd.DataFrame) -> Tensor:
    """The `DISEASE_TARGETS` of `scans`, `[n, len(DISEASE_TARGETS)]`."""
    names = ["radius_mm", "duct_mm", "atrophy", "cyst_mm", "inflammation_mm", "chronic_pancreatitis"]
    sizes = _standard(scans[names].to_numpy(dtype=np.float64))
    return torch.cat([torch.tensor(scans[PDAC].to_numpy(dtype=np.float32))[:, None], sizes], dim=1)


def _standard(values: NDArray[np.float64]) -> Tensor:
    """Each column at mean 0 and standard deviation 1."""
    return torch.tensor(((values - values.mean(0)) / np.maximum(values.std(0), 1e-6)).astype(np.float32))


def _draw(volumes: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(volumes), 1, 1, 1, 1).uniform_(low, high)
