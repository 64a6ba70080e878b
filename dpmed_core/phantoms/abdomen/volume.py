"""From a case to a volume: body measures, position, anatomy painted from the outside in, and scanner noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.imaging.volume_grid import AIR, DENSEST, SHAPE
from dpmed_core.phantoms.abdomen import trunk, viscera
from dpmed_core.phantoms.abdomen.build import BodyMeasures, ScanParameters, draw_body_measures, draw_scan_parameters
from dpmed_core.phantoms.abdomen.canvas import Canvas
from dpmed_core.phantoms.abdomen.pancreas import Pancreas, draw_pancreas, paint_pancreas
from dpmed_core.phantoms.abdomen.population import SEED_DOMAINS, Variant
from dpmed_core.phantoms.abdomen.spread import paint_spread

PATIENT_STREAM, SCAN_STREAM, TISSUE_STREAM, SPREAD_STREAM = 1, 2, 3, 4
"""Entries of seeds that separate the random numbers of a patient's body, of a scan, and of its tissue from those of the population.

A patient's body depends on the patient alone, so all scans of a patient show the same anatomy; a scan depends on its own number, so it is
the same whatever else is rendered.
"""
NEIGHBOUR_WEIGHT = 0.6
"""Weight of each of two neighbours in a voxel's noise."""


@dataclass(frozen=True, eq=False)
class AbdomenPhantom:
    """The geometry of one scan before any tissue is painted.

    Attributes:
        body: the patient's measures.
        scan: what is particular to the scan.
        pancreas: the patient's.
        canvas: the empty volume in the patient's coordinates.
    """

    body: BodyMeasures
    scan: ScanParameters
    pancreas: Pancreas
    canvas: Canvas


def render_volume(case: pd.Series, index: int, *, seed: int, variant: Variant = "demo") -> NDArray[np.int16]:
    """The scan of a case, Hounsfield units on the stored grid `SHAPE`; it does not depend on what else is rendered.

    Args:
        case: a row of `population.draw_scans`.
        index: number of the row.
        seed: of the population.
        variant: of the population.
    """
    return render_phantom(draw_phantom(case, index, seed=seed, variant=variant), case, index, seed=seed, variant=variant)


def render_phantom(phantom: AbdomenPhantom, case: pd.Series, index: int, *, seed: int, variant: Variant) -> NDArray[np.int16]:
    """The scan of a phantom that `draw_phantom` returned, as `render_volume`; its canvas is painted on and cannot be used again."""
    generator = np.random.default_rng([SEED_DOMAINS[variant], seed, TISSUE_STREAM, index])
    cavity = _paint(phantom, case, generator)
    if variant == "advanced":
        of_patient = np.random.default_rng([SEED_DOMAINS[variant], seed, SPREAD_STREAM, int(case["patient"])])
        paint_spread(phantom.canvas, case, phantom.body, cavity, phantom.scan, of_patient)
    noise = scanner_noise(generator)
    noise *= np.float32(phantom.scan.noise)
    noise += phantom.canvas.hu
    np.clip(np.rint(noise, out=noise), AIR, DENSEST, out=noise)
    return noise.astype(np.int16)


def scanner_noise(generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise of variance 1 on the stored grid, correlated within a slice as by a smooth reconstruction kernel."""
    white = generator.standard_normal(SHAPE, dtype=np.float32)
    noise = white.copy()
    for axis in (1, 2):
        noise += np.float32(NEIGHBOUR_WEIGHT) * np.roll(white, 1, axis=axis)
    noise *= np.float32(
        (1 + 2 * NEIGHBOUR_WEIGHT**2) ** -0.5
    )  # a sum of independent terms has the sum of their squared weights as variance
    return noise


def draw_phantom(case: pd.Series, index: int, *, seed: int, variant: Variant) -> AbdomenPhantom:
    """The phantom of a case: the patient's body and pancreas, the same in all scans, and the scan's own parameters.

    Arguments as for `render_volume`.
    """
    of_patient = np.random.default_rng([SEED_DOMAINS[variant], seed, PATIENT_STREAM, int(case["patient"])])
    of_scan = np.random.default_rng([SEED_DOMAINS[variant], seed, SCAN_STREAM, index])
    body = draw_body_measures(case, variant, of_patient)
    scan = draw_scan_parameters(case, body, variant, of_scan)
    pancreas = draw_pancreas(case, body, scan.breath, of_patient)
    return AbdomenPhantom(body, scan, pancreas, Canvas.empty(scan.position, of_scan))


def _paint(phantom: AbdomenPhantom, case: pd.Series, generator: np.random.Generator) -> trunk.Cavity:
    """Paint all tissues on the phantom's canvas; later ones cover earlier ones, so the order is part of the anatomy.

    Returns:
        The cavity, for what is painted in it afterwards.
    """
    body, scan, canvas = phantom.body, phantom.scan, phantom.canvas
    cavity = trunk.cavity_of(canvas, body, scan.breath)
    trunk.paint_wall(canvas, body, cavity, scan.enhancement.muscle)
    trunk.paint_thorax(canvas, cavity, scan, generator)
    trunk.paint_skeleton(canvas, body, cavity, scan.enhancement.muscle)
    viscera.paint_bowel(canvas, cavity, scan, generator)
    viscera.paint_stomach(canvas, cavity, scan, generator)
    viscera.paint_liver(canvas, body, cavity, scan, generator)
    viscera.paint_spleen_and_kidneys(canvas, body, cavity, scan, generator)
    viscera.paint_vessels(canvas, body, scan, generator)
    paint_pancreas(canvas, case, phantom.pancreas, cavity, scan, generator)
    return cavity
