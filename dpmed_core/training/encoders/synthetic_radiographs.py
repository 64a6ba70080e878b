"""Domain-randomised synthetic radiographs for pretraining the public encoder: bodies and findings more varied than in any hospital.

Each measure of the body is drawn independently and over a wide range (children's and old people's bodies are among them), findings have any
severity, and there are three types of opacity that the demo's phantoms lack. The wide network learns to predict all of it from the image.
Domain randomisation: Tobin et al. 2017, arXiv 1703.06907. No radiograph of any patient and none of the demo cohort takes part: the random
numbers have a seed domain of their own.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.phantoms.chest.anatomy import LEFT, RIGHT, Body, Field, Grid, ellipsoid, lung
from dpmed_core.phantoms.chest.population import FINDINGS
from dpmed_core.phantoms.chest.radiograph import attenuation, exposed

SEED_DOMAIN = 40_404_040
"""Part of every seed here and of none elsewhere, so that no random stream is shared with the demo cohort or the phantoms."""
MEASURES = ("width", "fat", "apex", "diaphragm", "flatness", "aeration", "heart", "knob", "shift", "rotation", "breast", "bone")
OPACITIES = ("consolidation_right", "consolidation_left", "haze_right", "haze_left", "nodule")
TARGETS = (*FINDINGS, *OPACITIES, *MEASURES, "portable")
"""What the wide network learns to predict, in the order of `draw_randomised_radiographs`."""
CHUNK = 100
"""Radiographs that one process draws at a time."""


def draw_randomised_radiographs(n_images: int, *, size: int, seed: int, workers: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Radiographs `[n_images, size, size]`, 8-bit, and their `TARGETS` `[n_images, n_targets]`, each of mean 0 and standard deviation 1."""
    # spawn: forked children of a process that has used torch may hang.
    draw = partial(_draw_chunk, size=size, seed=seed)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(draw, [range(i, min(i + CHUNK, n_images)) for i in range(0, n_images, CHUNK)]))
    targets = np.concatenate([part[1] for part in parts])
    standard = (targets - targets.mean(0)) / targets.std(0)
    return np.concatenate([part[0] for part in parts]), standard.astype(np.float32)


def _draw_chunk(indices: range, *, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Radiographs and targets with these indices; each has a random generator of its own, so that chunks do not change them."""
    drawn = [_randomised_radiograph(np.random.default_rng([SEED_DOMAIN, seed, index]), Grid.of(size)) for index in indices]
    return np.stack([radiograph for radiograph, _ in drawn]), np.array([targets for _, targets in drawn])


def _randomised_radiograph(rng: np.random.Generator, grid: Grid) -> tuple[NDArray[np.uint8], list[float]]:
    """One radiograph `[size, size]` and its `TARGETS`."""
    severity = {finding: float(rng.uniform(0.1, 1.4) * (rng.random() < 0.3)) for finding in FINDINGS}
    body = draw_any_body(rng, severity)
    amounts = {name: float(rng.uniform(0.1, 0.8) * (rng.random() < 0.22)) for name in OPACITIES}
    portable = float(rng.random() < 0.4)
    attenuated = attenuation(grid, body, severity, rng) + draw_opacities(grid, body, amounts, rng)
    radiograph = exposed((rng.uniform(0.75, 1.25) * attenuated).astype(np.float32), pd.Series({"portable": portable}), "encoder", rng)
    targets = [min(severity[f], 1.0) for f in FINDINGS] + list(amounts.values()) + [float(getattr(body, name)) for name in MEASURES]
    return np.rint(radiograph * 255).astype(np.uint8), [*targets, portable]


def draw_any_body(rng: np.random.Generator, severity: dict[str, float]) -> Body:
    """A body with independent measures, but for what findings change: heart size, and shift and lift where a lung has lost volume."""
    loss_right, loss_left = severity["atelectasis_right"], severity["atelectasis_left"]
    return Body(
        width=rng.uniform(0.6, 0.92),
        fat=rng.uniform(0.2, 2.4),
        apex=rng.uniform(-0.86, -0.5),
        diaphragm=rng.uniform(0.12, 0.55),
        flatness=rng.uniform(0, 1) * (rng.random() < 0.5),
        aeration=rng.uniform(0.75, 1.3),
        heart=rng.uniform(0.72, 1.1) + 0.36 * severity["cardiomegaly"],
        knob=rng.uniform(0.3, 1.7),
        shift=rng.normal(0, 0.03) + 0.05 * (loss_left - loss_right),
        rotation=rng.normal(0, 0.045),
        breast=rng.uniform(0.1, 1.5) * (rng.random() < 0.5),
        bone=rng.uniform(0.4, 1.4),
        rib_phase=rng.uniform(-0.9, -0.75),
        rib_spacing=rng.uniform(0.11, 0.175),
        lift=(0.1 * loss_right, 0.1 * loss_left),
    )


def draw_opacities(grid: Grid, body: Body, amounts: dict[str, float], rng: np.random.Generator) -> Field:
    """Density added within the lungs by consolidation (large, with soft edges), even haze, and a round nodule."""
    total = np.zeros_like(grid.x)
    for side, name in ((RIGHT, "right"), (LEFT, "left")):
        x, y = rng.uniform(0.25, 0.6), rng.uniform(-0.4, 0.35)
        wide, high = rng.uniform(0.12, 0.4, 2)
        lobe = np.exp(-((((side * grid.x - x) / wide) ** 2 + ((grid.y - y) / high) ** 2) ** 1.5))
        inside = np.clip(lung(grid, body, side) / 0.35, 0, 1)
        total += inside * (amounts[f"consolidation_{name}"] * lobe + 0.45 * amounts[f"haze_{name}"])
    centre = (rng.choice([RIGHT, LEFT]) * rng.uniform(0.2, 0.6), rng.uniform(-0.5, 0.4))
    radius = rng.uniform(0.04, 0.1)
    return np.asarray(total + 2.5 * amounts["nodule"] * ellipsoid(grid, centre, (radius, radius, radius)), dtype=np.float32)
