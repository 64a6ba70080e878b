"""The pancreas, its duct and its diseases: a tumour with its effects upstream, and lesions that may be mistaken for one."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.phantoms.abdomen.build import BodyMeasures, ScanParameters
from dpmed_core.phantoms.abdomen.canvas import Canvas, Point, Shape, curve
from dpmed_core.phantoms.abdomen.trunk import FAT_INSIDE, Cavity

COURSE: tuple[Point, ...] = ((-40, -6, -22), (-34, -12, -8), (-10, -22, 2), (16, -24, 12), (46, -6, 22), (76, 16, 32), (86, 22, 36))
"""Points of the axis from the head to the tail, anatomical coordinates in mm."""
THICKNESS = (14.5, 15.0, 9.0, 10.5, 10.0, 9.5, 7.0)
UNCINATE: tuple[Point, ...] = ((-40, -4, -22), (-28, 2, -28), (-14, -2, -26))
N_ALONG = 44
TUMOUR_DARKER, DARKER_WHEN_LATE = 48.0, 0.55
"""Contrast of a usual tumour to the gland in the pancreatic phase, HU, and the share of it that is lost in the portal venous phase."""
DUCT_FLUID, CYST_FLUID, STONE = 14.0, 10.0, 600.0


@dataclass(frozen=True, eq=False)
class Pancreas:
    """A pancreas in anatomical coordinates.

    Attributes:
        points: its axis from head to tail, `[N_ALONG, 3]`.
        radii: half its thickness, mm, `[N_ALONG]`.
        tumour: position of the tumour's centre along the axis, 0 (head) to 1 (tail), and its radius in mm (0 = none).
        squash: radii of the tumour along x, y and z, relative to its radius.
    """

    points: NDArray[np.float64] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    tumour: tuple[float, float]
    squash: Point

    @property
    def along(self) -> NDArray[np.float64]:
        """Positions of the points along the axis, 0 (head) to 1 (tail), `[N_ALONG]`."""
        return np.linspace(0, 1, N_ALONG)

    def at(self, position: float) -> Point:
        """The point of the axis at `position`, 0 (head) to 1 (tail)."""
        x, y, z = (float(np.interp(position, self.along, self.points[:, axis])) for axis in range(3))
        return x, y, z


def draw_pancreas(case: pd.Series, body: BodyMeasures, breath: float, generator: np.random.Generator) -> Pancreas:
    """The pancreas of a case: thinner with atrophy, and upstream of a tumour that obstructs its duct.

    Args:
        case: a row of `population.draw_scans`.
        body: the patient's measures.
        breath: of the scan, mm.
        generator: the patient's, so that all scans of a patient show the same pancreas.
    """
    rise, arch = body.bend
    nodes = np.array(COURSE, dtype=np.float64)
    share = np.linspace(0, 1, len(nodes))
    nodes[:, 2] += rise * share**1.5 - 0.6 * breath
    nodes[:, 1] -= arch * np.sin(np.pi * share)
    nodes[1:] += generator.normal(0, 2.5, (len(nodes) - 1, 3))
    points = curve(tuple((float(x), float(y), float(z)) for x, y, z in nodes), N_ALONG)
    position = np.linspace(0, 1, N_ALONG)
    radii = np.interp(position, share, THICKNESS) * body.pancreas * (1 - 0.55 * float(case["atrophy"]))
    site, radius = float(case["site"]), float(case["radius_mm"])
    if radius and case["duct_mm"]:
        radii = radii * (1 - 0.10 * float(case["duct_mm"]) * np.clip((position - site) / 0.08, 0, 1))
    squash = generator.uniform(0.8, 1.2, 3)
    return Pancreas(points, radii, (site, radius), (float(squash[0]), float(squash[1]), float(squash[2])))


def tumour_shape(canvas: Canvas, pancreas: Pancreas) -> Shape:
    """The tumour of a pancreas that has one; also the pretraining's mask of it."""
    site, radius = pancreas.tumour
    size = (radius * pancreas.squash[0], radius * pancreas.squash[1], radius * pancreas.squash[2])
    return canvas.ellipsoid(pancreas.at(site), size, rough=0.1 * radius)


def pancreas_shape(canvas: Canvas, pancreas: Pancreas) -> Shape:
    """Head, neck, body and tail of a pancreas, without the uncinate process."""
    return canvas.tube(pancreas.points, pancreas.radii, rough=1.5)


def duct_shape(canvas: Canvas, case: pd.Series, pancreas: Pancreas) -> Shape:
    """The dilated duct of a case that has one: upstream of a tumour, or along the whole pancreas; beaded in chronic pancreatitis."""
    site, radius = pancreas.tumour
    beads = 1 + (0.35 * np.sin(pancreas.along * 38) if case["chronic_pancreatitis"] else 0.0)
    widths = np.minimum(float(case["duct_mm"]) * beads, 0.75 * pancreas.radii)
    wide = pancreas.along >= (site if radius else 0.08)
    return canvas.tube(pancreas.points[wide], widths[wide])


def paint_pancreas(
    canvas: Canvas, case: pd.Series, pancreas: Pancreas, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator
) -> None:
    """Paint the pancreas with its lobules, then stones, inflammation and cysts, then the ducts, and last a tumour."""
    hu = scan.enhancement.pancreas - 12 * float(case["atrophy"])
    gland = pancreas_shape(canvas, pancreas).cut(cavity.depth - 2)
    uncinate = canvas.tube(curve(_moved(UNCINATE, scan.breath), 8), np.full(8, 9.0) * pancreas.radii[0] / THICKNESS[0])
    fatty = 0.04 + 0.28 * float(case["atrophy"]) + 0.08 * float(case["obesity"])
    for part in (gland, uncinate):
        lobules = np.clip(generator.standard_normal(part.depth.shape, dtype=np.float32) * 0.14 + np.float32(fatty), 0, 0.7)
        canvas.paint(part, hu + (FAT_INSIDE - hu) * 0.6 * lobules)
    if case["chronic_pancreatitis"]:
        _paint_stones(canvas, pancreas, generator)
    if case["inflammation_mm"]:
        _paint_inflammation(canvas, float(case["inflammation_mm"]), pancreas, hu, generator)
    if case["cyst_mm"]:
        cyst = float(case["cyst_mm"])
        canvas.paint(canvas.ellipsoid(_beside(pancreas, generator), (cyst, cyst, cyst), rough=0.1 * cyst), CYST_FLUID)
    _paint_ducts(canvas, case, pancreas, scan)
    if pancreas.tumour[1]:
        _paint_tumour(canvas, case, pancreas, hu, scan, generator)


def _paint_tumour(
    canvas: Canvas, case: pd.Series, pancreas: Pancreas, hu: float, scan: ScanParameters, generator: np.random.Generator
) -> None:
    """Paint a mass darker than the gland, with ill-defined edges and strands into the surrounding fat."""
    mass = tumour_shape(canvas, pancreas)
    darker = TUMOUR_DARKER * (1 - DARKER_WHEN_LATE * float(case["portal"])) * float(case["contrast"])
    strands = np.clip(0.5 + 0.5 * generator.standard_normal(mass.depth.shape, dtype=np.float32), 0, 1)
    canvas.paint(replace(mass, depth=mass.depth + 5), scan.enhancement.pancreas - darker - 40, edge=10, strength=0.35 * strands)
    canvas.paint(mass, hu - darker + 5 * canvas.rough[mass.box], edge=7)


def _paint_ducts(canvas: Canvas, case: pd.Series, pancreas: Pancreas, scan: ScanParameters) -> None:
    """Paint the bile duct, dilated by a tumour of the head, and the pancreatic duct if it is dilated."""
    width, low = float(case["duct_mm"]), -0.7 * scan.breath
    site, radius = pancreas.tumour
    blocked = radius > 0 and site < 0.25  # the bile duct runs through the head
    bile = curve(((-38, -2, -20 + low), (-32, -2, 0 + low), (-36, -8, 18 + low), (-46, -4, 30 + low)), 16)
    canvas.paint(canvas.tube(bile, np.full(16, 2.0 + (0.9 * width if blocked else 0.0))), DUCT_FLUID)
    if width:
        canvas.paint(duct_shape(canvas, case, pancreas), DUCT_FLUID)


def _paint_stones(canvas: Canvas, pancreas: Pancreas, generator: np.random.Generator) -> None:
    """Paint the calcifications of chronic pancreatitis."""
    for _ in range(int(generator.integers(3, 12))):
        x, y, z = pancreas.at(float(generator.uniform(0.05, 0.95)))
        size = float(generator.uniform(0.9, 2.2))
        jitter = generator.normal(0, 3.5, 3)
        canvas.paint(canvas.ellipsoid((x + jitter[0], y + jitter[1], z + jitter[2]), (size, size, size)), STONE)


def _paint_inflammation(canvas: Canvas, radius: float, pancreas: Pancreas, hu: float, generator: np.random.Generator) -> None:
    """Paint a focal swelling of chronic inflammation: slightly darker than the gland, without an obstructed duct."""
    position = float(generator.uniform(0.05, 0.5))
    swelling = canvas.ellipsoid(pancreas.at(position), (radius, 0.9 * radius, radius), rough=0.15 * radius)
    canvas.paint(swelling, hu - float(generator.uniform(4, 22)), edge=8)


def _beside(pancreas: Pancreas, generator: np.random.Generator) -> Point:
    """A random point in the pancreas, off its axis."""
    x, y, z = pancreas.at(float(generator.uniform(0.05, 0.95)))
    off = generator.normal(0, 4, 3)
    return x + float(off[0]), y + float(off[1]), z + float(off[2])


def _moved(points: tuple[Point, ...], breath: float) -> tuple[Point, ...]:
    """`points` moved down by breathing, by 60 % of what the organs under the diaphragm move."""
    return tuple((x, y, z - 0.6 * breath) for x, y, z in points)
