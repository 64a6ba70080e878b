"""Synthetic radiographs of a chest seen from the side, for the detector of negatives: no real lateral radiograph is at hand.

The thickness that each ray crosses from one flank to the other, of shapes chosen by eye; x runs from the breastbone (-1) to the back
(1), y from neck (-1) to abdomen (1), in the unit of `dpmed_core/phantoms/chest/anatomy.py`. One lung lies behind the other, the arms
are raised.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.phantoms.chest.anatomy import Field, Grid, ellipsoid, smooth_step
from dpmed_core.phantoms.chest.radiograph import exposed

SEED_DOMAIN = 50_505_050


def draw_lateral_radiographs(n_images: int, *, size: int, seed: int) -> list[NDArray[np.float32]]:
    """Radiographs `[size, size]` in [0, 1], each of another chest; every second one faces the other way."""
    grid = Grid.of(size)
    drawn = [_lateral_radiograph(grid, np.random.default_rng([SEED_DOMAIN, seed, index])) for index in range(n_images)]
    return [np.ascontiguousarray(image[:, ::-1]) if index % 2 else image for index, image in enumerate(drawn)]


def _lateral_radiograph(grid: Grid, rng: np.random.Generator) -> NDArray[np.float32]:
    front, back = -rng.uniform(0.5, 0.72), rng.uniform(0.5, 0.72)
    diaphragm, curve = rng.uniform(0.2, 0.5), rng.uniform(-0.1, 0.1)
    x, y = grid.x - curve * grid.y**2, grid.y
    total = _wall(grid, x, y, front, back, diaphragm, fat=rng.uniform(0.2, 2.0)) + _bones(x, y, front, back, rng)
    centre = (front + rng.uniform(0.3, 0.42), diaphragm - 0.2)
    heart = ellipsoid(grid, centre, (rng.uniform(0.24, 0.36), rng.uniform(0.22, 0.3), rng.uniform(0.25, 0.4)), 0.5)
    vessels = ellipsoid(grid, (0.0, -0.3), (0.13, 0.4, 0.15)) + ellipsoid(grid, (0.05, -0.1), (0.12, 0.12, 0.12))
    trachea = ellipsoid(grid, (0.06, -0.65), (0.05, 0.35, 0.1))
    air = rng.uniform(0.75, 1.15) * _lungs(x, y, front, back, diaphragm, apex=rng.uniform(-0.82, -0.65))
    effusion = rng.uniform(0, 0.4) * (rng.random() < 0.3) * smooth_step(x - 0.1, 0.1) * smooth_step(y - diaphragm, 0.1)
    total = total + 0.7 * heart + vessels - trachea - 0.95 * air * (1 - effusion)
    portable = pd.Series({"portable": float(rng.random() < 0.3)})
    return exposed(np.asarray(total * rng.uniform(0.75, 1.2), dtype=np.float32), portable, "encoder", rng)


def _wall(grid: Grid, x: Field, y: Field, front: float, back: float, diaphragm: float, *, fat: float) -> Field:
    """The trunk from flank to flank, shoulders and raised arms, and the abdomen below the lungs."""
    middle, half = (front + back) / 2, (back - front) / 2 + 0.05 + 0.05 * fat
    half_here = half * (1 - 0.35 * smooth_step(-y - 0.5, 0.25))
    trunk = 1.5 * np.clip(1 - np.abs((x - middle) / half_here) ** 4, 0, None) ** 0.5
    shoulders = ellipsoid(grid, (middle, -1.0), (0.6, 0.4, 0.3)) + ellipsoid(grid, (middle - 0.3, -1.1), (0.3, 0.5, 0.15))
    inside = smooth_step(half_here - np.abs(x - middle), 0.03)
    return np.asarray(trunk + shoulders + inside * (0.1 * fat + 0.3 * smooth_step(y - diaphragm, 0.2)), dtype=np.float32)


def _lungs(x: Field, y: Field, front: float, back: float, diaphragm: float, *, apex: float) -> Field:
    """The air of both lungs that each ray crosses; the diaphragm falls towards the back."""
    middle, half = (front + back) / 2, (back - front) / 2 * np.clip(0.45 + 0.9 * (y - apex), 0.3, 1.0)
    across = np.clip(1 - np.abs((x - middle) / half) ** 3, 0, None) ** 0.5
    dome = diaphragm + 0.9 * np.clip(x + 0.1, 0, None) ** 2 + 0.3 * np.clip(-x - 0.1, 0, None) ** 2
    return np.asarray(1.15 * across * smooth_step(y - apex, 0.05) * smooth_step(dome - y, 0.02), dtype=np.float32)


def _bones(x: Field, y: Field, front: float, back: float, rng: np.random.Generator) -> Field:
    """Breastbone, vertebrae with their discs, and ribs that fall from back to front."""
    density, spacing = rng.uniform(0.6, 1.3), rng.uniform(0.12, 0.17)
    bent = x - back + rng.uniform(0.12, 0.2) + 0.08 * y**2
    vertebrae = 0.32 * np.clip(1 - (bent / 0.12) ** 2, 0, None) ** 0.5 * (0.8 + 0.2 * np.cos(2 * np.pi * y / spacing))
    sternum = 0.12 * np.exp(-(((x - front - 0.03) / 0.03) ** 2)) * smooth_step(0.2 - y, 0.1)
    phase = (y + rng.uniform(0.3, 0.6) * (x - back) - rng.uniform(0, spacing)) / spacing
    ribs = 0.06 * np.clip(np.cos(2 * np.pi * phase), 0, None) ** 4 * smooth_step(0.5 - y, 0.1) * (x > front) * (x < back)
    return np.asarray(density * (vertebrae + sternum + ribs), dtype=np.float32)
