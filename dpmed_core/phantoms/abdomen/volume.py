"""From a patient to a volume: build, posture, anatomy from the outside in, and the scanner's noise."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.imaging.volume_grid import AIR, DENSEST, SHAPE
from dpmed_core.phantoms.abdomen import trunk, viscera
from dpmed_core.phantoms.abdomen.build import Build, Circumstances, draw_build, draw_circumstances
from dpmed_core.phantoms.abdomen.canvas import Canvas
from dpmed_core.phantoms.abdomen.pancreas import Gland, gland_of, paint_pancreas, tumour_shape
from dpmed_core.phantoms.abdomen.population import SEED_DOMAINS
from dpmed_core.phantoms.chest.population import Variant

PATIENT_STREAM, SCAN_STREAM, TISSUE_STREAM = 1, 2, 3
"""Set the random numbers of a patient's build, of a scan and of what is drawn in it apart from those of the population."""
ALIKE = 0.6
"""Weight of each neighbour in a voxel's noise."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is to be drawn: everything but tissue."""

    build: Build
    scan: Circumstances
    gland: Gland
    canvas: Canvas


def render_volume(person: pd.Series, index: int, *, seed: int, variant: Variant = "demo") -> NDArray[np.int16]:
    """The scan of row `person` of a population, Hounsfield units on the stored grid; the same whatever else is rendered.

    Args:
        person: the row.
        index: its number in the population.
        seed: the population's.
        variant: the population's.
    """
    return scanned(scene_of(person, index, seed=seed, variant=variant), person, index, seed=seed, variant=variant)


def scanned(scene: Scene, person: pd.Series, index: int, *, seed: int, variant: Variant) -> NDArray[np.int16]:
    """`render_volume` for a scene that is there already; its canvas is drawn on."""
    generator = np.random.default_rng([SEED_DOMAINS[variant], seed, TISSUE_STREAM, index])
    _paint(scene, person, generator)
    noise = scanner_noise(generator)
    noise *= np.float32(scene.scan.noise)
    noise += scene.canvas.hu
    np.clip(np.rint(noise, out=noise), AIR, DENSEST, out=noise)
    return noise.astype(np.int16)


def scanner_noise(generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise of spread 1 on the stored grid, in which neighbours within a slice are alike, as smooth reconstruction kernels leave them."""
    white = generator.standard_normal(SHAPE, dtype=np.float32)
    noise = white.copy()
    for axis in (1, 2):
        noise += np.float32(ALIKE) * np.roll(white, 1, axis=axis)
    noise *= np.float32((1 + 2 * ALIKE**2) ** -0.5)
    return noise


def render_volumes(population: pd.DataFrame, *, seed: int, variant: Variant = "demo", workers: int = 1) -> NDArray[np.int16]:
    """All scans of a population, `[n, *SHAPE]`."""
    render = partial(_render_chunk, population, seed=seed, variant=variant)
    indices = range(len(population))
    if workers == 1:
        return render(indices)
    chunks = [chunk.tolist() for chunk in np.array_split(np.arange(len(population)), workers * 8) if len(chunk)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return np.concatenate(list(pool.map(render, chunks)))


def render_lesion_mask(person: pd.Series, index: int, *, seed: int, variant: Variant = "demo") -> NDArray[np.bool_]:
    """Where the tumour of row `person` lies on its scan, on the stored grid; False everywhere without one."""
    scene = scene_of(person, index, seed=seed, variant=variant)
    mask = np.zeros(SHAPE, dtype=bool)
    if person["radius_mm"]:
        mass = tumour_shape(scene.canvas, scene.gland)
        mask[mass.box] = mass.depth > 0
    return mask


def _render_chunk(population: pd.DataFrame, indices: Sequence[int], *, seed: int, variant: Variant) -> NDArray[np.int16]:
    return np.stack([render_volume(population.iloc[i], i, seed=seed, variant=variant) for i in indices])


def scene_of(person: pd.Series, index: int, *, seed: int, variant: Variant) -> Scene:
    """What is to be drawn: the patient's build, which is the same in all scans, and the scan's own circumstances."""
    of_patient = np.random.default_rng([SEED_DOMAINS[variant], seed, PATIENT_STREAM, int(person["patient"])])
    of_scan = np.random.default_rng([SEED_DOMAINS[variant], seed, SCAN_STREAM, index])
    build = draw_build(person, variant, of_patient)
    scan = draw_circumstances(person, build, variant, of_scan)
    gland = gland_of(person, build, scan.breath, of_patient)
    return Scene(build, scan, gland, Canvas.empty(scan.pose, of_scan))


def _paint(scene: Scene, person: pd.Series, generator: np.random.Generator) -> None:
    build, scan, canvas = scene.build, scene.scan, scene.canvas
    cavity = trunk.cavity_of(canvas, build, scan.breath)
    trunk.paint_wall(canvas, build, cavity, scan.enhancement.muscle)
    trunk.paint_thorax(canvas, cavity, scan, generator)
    trunk.paint_skeleton(canvas, build, cavity, scan.enhancement.muscle)
    viscera.paint_bowel(canvas, cavity, scan, generator)
    viscera.paint_stomach(canvas, cavity, scan, generator)
    viscera.paint_liver(canvas, build, cavity, scan, generator)
    viscera.paint_spleen_and_kidneys(canvas, build, cavity, scan, generator)
    viscera.paint_vessels(canvas, build, scan, generator)
    paint_pancreas(canvas, person, scene.gland, cavity, scan, generator)
