"""From a case to a radiograph: anatomy, disease, exposure, noise, and the processing to grey values."""

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dpmed_core.phantoms.chest import anatomy, disease
from dpmed_core.phantoms.chest.anatomy import Body, Grid
from dpmed_core.phantoms.chest.population import FINDINGS, SEED_DOMAINS, Variant

ATTENUATION = 1.30
"""Linear attenuation coefficient of soft tissue, per unit of thickness."""
DISPLAY_PERCENTILES = (1.0, 99.6)
IMAGE_STREAM = 1
"""Entry of seeds that separates the random numbers of radiographs from those of the population."""


def render_radiograph(radiograph: pd.Series, index: int, *, size: int, seed: int, variant: Variant) -> NDArray[np.float32]:
    """A synthetic radiograph `[size, size]` in [0, 1], bright = dense; it does not depend on what else is rendered.

    Args:
        radiograph: a row of `population.draw_population`.
        index: number of the row.
        size: pixels of a side.
        seed: of the population.
        variant: of the population.
    """
    generator = np.random.default_rng([SEED_DOMAINS[variant], seed, IMAGE_STREAM, index])
    severity = {finding: float(radiograph[f"severity_{finding}"]) for finding in FINDINGS}
    body = draw_body(radiograph, severity, variant, generator)
    return exposed(attenuation(_grid(size), body, severity, generator), radiograph, variant, generator)


def render_radiographs(population: pd.DataFrame, *, size: int, seed: int, variant: Variant = "demo", workers: int = 1) -> NDArray[np.uint8]:
    """All radiographs of a population, `[n_images, size, size]`, 8-bit, rendered by so many `workers` processes."""
    indices = np.arange(len(population))
    render = partial(_render_chunk, population, size=size, seed=seed, variant=variant)
    if workers == 1:
        return render(indices)
    chunks = [chunk for chunk in np.array_split(indices, workers * 8) if len(chunk)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return np.concatenate(list(pool.map(render, chunks)))


def _render_chunk(population: pd.DataFrame, indices: NDArray[np.intp], *, size: int, seed: int, variant: Variant) -> NDArray[np.uint8]:
    radiographs = [render_radiograph(population.iloc[i], int(i), size=size, seed=seed, variant=variant) for i in indices]
    return np.rint(np.stack(radiographs) * 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _grid(size: int) -> Grid:
    return Grid.of(size)


def draw_body(radiograph: pd.Series, severity: dict[str, float], variant: Variant, generator: np.random.Generator) -> Body:
    """The chest on a radiograph, given co-morbidities and findings; those of the encoder's patients vary more.

    Args:
        radiograph: a row of `population.draw_population`.
        severity: of each finding, 0 to 1.
        variant: of the population.
        generator: consumed in a fixed order, which is part of what makes the demo reproducible.
    """
    wide = 1.5 if variant == "encoder" else 1.0
    age, copd, portable, female = float(radiograph["age"]), radiograph["copd"], radiograph["portable"], radiograph["sex"] == "F"

    def around(mean: float, spread: float) -> float:
        return float(generator.normal(mean, spread * wide))

    fat = float(np.clip(around(1.0 + 0.25 * radiograph["diabetes"], 0.4), 0.2, 2.6))
    loss_right, loss_left = severity["atelectasis_right"], severity["atelectasis_left"]
    return Body(
        width=float(np.clip(around(0.80 - 0.03 * female, 0.035), 0.66, 0.92)),
        fat=fat,
        apex=around(-0.80, 0.025),
        diaphragm=around(0.36 + 0.10 * copd - 0.07 * portable, 0.045),
        flatness=float(np.clip(around(0.75 * copd, 0.08), 0, 1)),
        aeration=float(np.clip(around(1.0 + 0.14 * copd - 0.05 * portable, 0.05), 0.75, 1.3)),
        heart=float(np.clip(around(0.93 + 0.05 * portable - 0.06 * copd, 0.055) + 0.36 * severity["cardiomegaly"], 0.7, 1.5)),
        knob=float(np.clip(around(0.7 + 0.012 * (age - 40), 0.2), 0.3, 1.8)),
        shift=around(0.0, 0.015) + 0.05 * (loss_left - loss_right),
        rotation=around(0.0, 0.025 + 0.015 * portable),
        breast=float(np.clip(around(0.55 + 0.25 * fat, 0.2), 0.15, 1.6)) if female else 0.0,
        bone=float(np.clip(around(1.15 - 0.006 * (age - 40), 0.1), 0.6, 1.4)),
        rib_phase=float(generator.uniform(-0.9, -0.78)),
        rib_spacing=around(0.150 + 0.012 * copd, 0.006),
        lift=(0.13 * loss_right, 0.13 * loss_left),
    )


def attenuation(grid: Grid, body: Body, severity: dict[str, float], generator: np.random.Generator) -> NDArray[np.float32]:
    """The attenuation of each ray `[size, size]`, as an equivalent thickness of soft tissue.

    The factors are densities relative to soft tissue; air replaces tissue, so it counts negatively.
    """
    total = anatomy.chest_wall(grid, body) + 0.74 * anatomy.mediastinum(grid, body) + anatomy.skeleton(grid, body)
    for side in disease.SIDES:
        air = anatomy.lung(grid, body, side)
        name = "right" if side == anatomy.RIGHT else "left"
        air = air * (1 - 0.88 * disease.effusion(grid, body, side, severity[f"pleural_effusion_{name}"]))
        total += -0.95 * air + np.clip(air / 0.35, 0, 1) * disease.opacities(grid, body, side, severity, generator)
    gastric_bubble = anatomy.ellipsoid(grid, (0.38, body.diaphragm + 0.24), (0.11, 0.06, 0.16))
    return np.asarray(total - 0.8 * gastric_bubble, dtype=np.float32)


def exposed(
    attenuation: NDArray[np.float32], radiograph: pd.Series, variant: Variant, generator: np.random.Generator
) -> NDArray[np.float32]:
    """The processed radiograph `[size, size]` in [0, 1]: Beer-Lambert law, scatter, quantum noise, logarithm and display window.

    Args:
        attenuation: of each ray.
        radiograph: a row of `population.draw_population`; portable radiographs are blurrier, with more scatter and noise.
        variant: of the population.
        generator: of the random numbers.
    """
    portable = float(radiograph["portable"])
    size = attenuation.shape[0]
    # Widths are relative to 128 pixels, so that images of every size look the same.
    blur = size / 128 * (0.55 + 0.25 * portable + (0.5 * generator.random() if variant == "encoder" else 0.0))
    primary = np.exp(-ATTENUATION * gaussian_filter(attenuation, blur))
    scatter = (0.05 + 0.07 * portable) * gaussian_filter(primary, size / 10)
    quanta = generator.uniform(2500, 7000) * (1 - 0.45 * portable)
    signal = primary + scatter
    # Photon counts are Poisson distributed: with `quanta` photons per unit signal, the standard deviation is sqrt(signal / quanta).
    signal = np.clip(signal + np.sqrt(signal / quanta) * generator.standard_normal(signal.shape).astype(np.float32), 1e-4, None)
    image = -np.log(signal)
    low, high = np.percentile(image, DISPLAY_PERCENTILES)
    # Display curves differ between vendors; the encoder sees a wider range of them.
    gamma = generator.uniform(0.85, 1.2) if variant == "demo" else generator.uniform(0.65, 1.5)
    return np.asarray(np.clip((image - low) / (high - low), 0, 1) ** gamma, dtype=np.float32)
