"""Synthetic volumes for pretraining the public encoder: phantoms of the variant "encoder", with the marks and measures to be learnt."""

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
from dpmed_core.phantoms.abdomen.pancreas import duct_shape, gland_shape, tumour_shape
from dpmed_core.phantoms.abdomen.population import PDAC, draw_people
from dpmed_core.phantoms.abdomen.volume import Scene, scanned, scene_of
from dpmed_core.training.encoders.organ_masks import MARKS
from dpmed_core.training.encoders.pancreas_crop import FINE_CELL
from dpmed_core.training.encoders.volume_encoder import CELL, MEASURES

CHUNK = 25
FINE_CELLS = tuple(n // FINE_CELL for n in SHAPE)


@dataclass(frozen=True, eq=False)
class Abdomens:
    """Volumes to learn from.

    Attributes:
        volumes: `[n, *SHAPE]`, the soft-tissue window in 8 bits.
        marks: share of each fine cell that `MARKS` fill, in 8 bits, `[n, len(MARKS), *FINE_CELLS]`.
        disease: `DISEASE`, the first 0 or 1, the others of mean 0 and spread 1.
        measures: `MEASURES` and `SCAN_MEASURES`, of mean 0 and spread 1.
    """

    volumes: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    disease: Tensor
    measures: Tensor

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Windowed volumes `[n, 1, *SHAPE]` as `pixels.windowed` gives them, and marks `[n, len(MARKS), *FINE_CELLS]`."""
        numbers = chosen.numpy()
        volumes = torch.from_numpy(self.volumes[numbers]).float().unsqueeze(1)
        return volumes / 255 * 4 - 2, torch.from_numpy(self.marks[numbers]).float() / 255


def draw_abdomens(n_volumes: int, *, seed: int, workers: int) -> Abdomens:
    """`n_volumes` phantoms of the variant "encoder"."""
    people = draw_people(n_volumes, seed=seed, variant="encoder")
    chunks = [range(i, min(i + CHUNK, n_volumes)) for i in range(0, n_volumes, CHUNK)]
    draw = partial(_draw_some, people, seed=seed)
    if workers == 1:
        parts = [draw(chunk) for chunk in chunks]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(draw, chunks))
    volumes, marks, measures = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Abdomens(volumes, marks, _disease(people), _standard(measures))


def varied_volumes(volumes: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    """Volumes as other scanners and postures would show them, and their marks: moved by whole cells of the first network, and `varied`."""
    shift = [CELL * int(torch.randint(-reach, reach + 1, ())) for reach in (2, 1, 1)]
    moved = torch.roll(marks, [step // FINE_CELL for step in shift], dims=(2, 3, 4))
    return varied(torch.roll(volumes, shift, dims=(2, 3, 4))), moved


def varied(volumes: Tensor) -> Tensor:
    """`volumes` as other scanners would show them: brighter, sharper or noisier."""
    soft = functional.avg_pool3d(volumes, 3, 1, 1)
    volumes = torch.lerp(volumes, soft, _draw(volumes, -0.4, 0.9))
    changed = volumes * _draw(volumes, 0.88, 1.12) + _draw(volumes, -0.15, 0.15)
    return (changed + _draw(volumes, 0, 0.15) * torch.randn_like(volumes)).clamp(-2, 2)


def _draw_some(people: pd.DataFrame, indices: range, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    drawn = [_draw_one(people.iloc[index], index, seed) for index in indices]
    return np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn]), np.array([d[2] for d in drawn])


def _draw_one(person: pd.Series, index: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[float]]:
    scene = scene_of(person, index, seed=seed, variant="encoder")
    measures = [float(getattr(scene.build, name)) for name in MEASURES]
    measures += [float(person["portal"]), scene.scan.breath, float(person["sex"] == "F"), float(person["age"])]
    marks = _marks(scene, person)
    low, high = SOFT_TISSUE
    hu = scanned(scene, person, index, seed=seed, variant="encoder")
    return np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8), marks, measures


def _marks(scene: Scene, person: pd.Series) -> NDArray[np.uint8]:
    """Share of each fine cell that gland, tumour and widened duct fill, 255 = all of it, `[len(MARKS), *FINE_CELLS]`."""
    shapes: list[Shape | None] = [gland_shape(scene.canvas, scene.gland), None, None]
    if person["radius_mm"]:
        shapes[1] = tumour_shape(scene.canvas, scene.gland)
    if person["duct_mm"]:
        shapes[2] = duct_shape(scene.canvas, person, scene.gland)
    filled = np.zeros((len(MARKS), *SHAPE), dtype=np.float32)
    for one, shape in zip(filled, shapes, strict=True):
        if shape is not None:
            one[shape.box] = shape.depth > 0
    split = filled.reshape(len(MARKS), *(length for cells in FINE_CELLS for length in (cells, FINE_CELL)))
    return np.asarray(np.rint(255 * split.mean(axis=(2, 4, 6))), dtype=np.uint8)


def _disease(people: pd.DataFrame) -> Tensor:
    names = ["radius_mm", "duct_mm", "atrophy", "cyst_mm", "inflammation_mm", "chronic_pancreatitis"]
    told = _standard(people[names].to_numpy(dtype=np.float64))
    return torch.cat([torch.tensor(people[PDAC].to_numpy(dtype=np.float32))[:, None], told], dim=1)


def _standard(values: NDArray[np.float64]) -> Tensor:
    return torch.tensor(((values - values.mean(0)) / np.maximum(values.std(0), 1e-6)).astype(np.float32))


def _draw(volumes: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(volumes), 1, 1, 1, 1).uniform_(low, high)
