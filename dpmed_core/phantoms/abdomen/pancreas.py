"""The pancreas along its course, its duct, and its diseases: a tumour with what it causes upstream, and what may be taken for one."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.phantoms.abdomen.build import Build, Circumstances
from dpmed_core.phantoms.abdomen.canvas import Canvas, Point, Shape, curve
from dpmed_core.phantoms.abdomen.trunk import FAT_INSIDE, Cavity

COURSE: tuple[Point, ...] = ((-40, -6, -22), (-34, -12, -8), (-10, -22, 2), (16, -24, 12), (46, -6, 22), (76, 16, 32), (86, 22, 36))
THICKNESS = (14.5, 15.0, 9.0, 10.5, 10.0, 9.5, 7.0)
UNCINATE: tuple[Point, ...] = ((-40, -4, -22), (-28, 2, -28), (-14, -2, -26))
N_ALONG = 44
TUMOUR_DARKER, DARKER_WHEN_LATE = 48.0, 0.55
"""How much darker than the gland a usual tumour is in the pancreatic phase, HU, and the share of it in the portal venous phase."""
DUCT_FLUID, CYST_FLUID, STONE = 14.0, 10.0, 600.0


@dataclass(frozen=True, eq=False)
class Gland:
    """A pancreas in anatomical coordinates.

    Attributes:
        points: its axis from head to tail, `[N_ALONG, 3]`.
        radii: half its thickness, `[N_ALONG]`.
        tumour: where its tumour's centre lies along the axis, and its radius in mm (0 = none).
        squash: radii of the tumour along x, y and z, each relative.
    """

    points: NDArray[np.float64] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    tumour: tuple[float, float]
    squash: Point

    @property
    def along(self) -> NDArray[np.float64]:
        """Place along the axis, 0 (head) to 1 (tail), `[N_ALONG]`."""
        return np.linspace(0, 1, N_ALONG)

    def at(self, place: float) -> Point:
        """The axis' point at `place` (0 to 1)."""
        x, y, z = (float(np.interp(place, self.along, self.points[:, axis])) for axis in range(3))
        return x, y, z


def gland_of(person: pd.Series, build: Build, breath: float, generator: np.random.Generator) -> Gland:
    """The pancreas of a patient: thinner with age and inflammation, and behind a tumour that blocks its duct."""
    rise, arch = build.bend
    nodes = np.array(COURSE, dtype=np.float64)
    share = np.linspace(0, 1, len(nodes))
    nodes[:, 2] += rise * share**1.5 - 0.6 * breath
    nodes[:, 1] -= arch * np.sin(np.pi * share)
    nodes[1:] += generator.normal(0, 2.5, (len(nodes) - 1, 3))
    points = curve(tuple((float(x), float(y), float(z)) for x, y, z in nodes), N_ALONG)
    place = np.linspace(0, 1, N_ALONG)
    radii = np.interp(place, share, THICKNESS) * build.pancreas * (1 - 0.55 * float(person["atrophy"]))
    site, radius = float(person["site"]), float(person["radius_mm"])
    if radius and person["duct_mm"]:
        radii = radii * (1 - 0.10 * float(person["duct_mm"]) * np.clip((place - site) / 0.08, 0, 1))
    squash = generator.uniform(0.8, 1.2, 3)
    return Gland(points, radii, (site, radius), (float(squash[0]), float(squash[1]), float(squash[2])))


def tumour_shape(canvas: Canvas, gland: Gland) -> Shape:
    """The tumour of a gland that has one."""
    site, radius = gland.tumour
    size = (radius * gland.squash[0], radius * gland.squash[1], radius * gland.squash[2])
    return canvas.ellipsoid(gland.at(site), size, rough=0.1 * radius)


def gland_shape(canvas: Canvas, gland: Gland) -> Shape:
    """Head, neck, body and tail of a gland."""
    return canvas.tube(gland.points, gland.radii, rough=1.5)


def duct_shape(canvas: Canvas, person: pd.Series, gland: Gland) -> Shape:
    """The widened duct of a person who has one: upstream of a tumour, beaded by inflammation."""
    site, radius = gland.tumour
    beads = 1 + (0.35 * np.sin(gland.along * 38) if person["chronic_pancreatitis"] else 0.0)
    widths = np.minimum(float(person["duct_mm"]) * beads, 0.75 * gland.radii)
    wide = gland.along >= (site if radius else 0.08)
    return canvas.tube(gland.points[wide], widths[wide])


def paint_pancreas(
    canvas: Canvas, person: pd.Series, gland: Gland, cavity: Cavity, scan: Circumstances, generator: np.random.Generator
) -> None:
    """The gland with its lobules, then its duct, then what is ill in it."""
    hu = scan.enhancement.pancreas - 12 * float(person["atrophy"])
    body = gland_shape(canvas, gland).cut(cavity.depth - 2)
    uncinate = canvas.tube(curve(_moved(UNCINATE, scan.breath), 8), np.full(8, 9.0) * gland.radii[0] / THICKNESS[0])
    fatty = 0.04 + 0.28 * float(person["atrophy"]) + 0.08 * float(person["obesity"])
    for part in (body, uncinate):
        lobules = np.clip(generator.standard_normal(part.depth.shape, dtype=np.float32) * 0.14 + np.float32(fatty), 0, 0.7)
        canvas.paint(part, hu + (FAT_INSIDE - hu) * 0.6 * lobules)
    if person["chronic_pancreatitis"]:
        _paint_stones(canvas, gland, generator)
    if person["inflammation_mm"]:
        _paint_inflammation(canvas, float(person["inflammation_mm"]), gland, hu, generator)
    if person["cyst_mm"]:
        cyst = float(person["cyst_mm"])
        canvas.paint(canvas.ellipsoid(_beside(gland, generator), (cyst, cyst, cyst), rough=0.1 * cyst), CYST_FLUID)
    _paint_ducts(canvas, person, gland, scan)
    if gland.tumour[1]:
        _paint_tumour(canvas, person, gland, hu, scan, generator)


def _paint_tumour(canvas: Canvas, person: pd.Series, gland: Gland, hu: float, scan: Circumstances, generator: np.random.Generator) -> None:
    """A mass darker than the gland, with ill-defined edges and strands into the fat around it."""
    mass = tumour_shape(canvas, gland)
    darker = TUMOUR_DARKER * (1 - DARKER_WHEN_LATE * float(person["portal"])) * float(person["contrast"])
    strands = np.clip(0.5 + 0.5 * generator.standard_normal(mass.depth.shape, dtype=np.float32), 0, 1)
    canvas.paint(replace(mass, depth=mass.depth + 5), scan.enhancement.pancreas - darker - 40, edge=10, strength=0.35 * strands)
    canvas.paint(mass, hu - darker + 5 * canvas.rough[mass.box], edge=7)


def _paint_ducts(canvas: Canvas, person: pd.Series, gland: Gland, scan: Circumstances) -> None:
    """The pancreatic duct where it is widened; the bile duct, wide above a tumour of the head."""
    width, low = float(person["duct_mm"]), -0.7 * scan.breath
    site, radius = gland.tumour
    blocked = radius > 0 and site < 0.25
    bile = curve(((-38, -2, -20 + low), (-32, -2, 0 + low), (-36, -8, 18 + low), (-46, -4, 30 + low)), 16)
    canvas.paint(canvas.tube(bile, np.full(16, 2.0 + (0.9 * width if blocked else 0.0))), DUCT_FLUID)
    if width:
        canvas.paint(duct_shape(canvas, person, gland), DUCT_FLUID)


def _paint_stones(canvas: Canvas, gland: Gland, generator: np.random.Generator) -> None:
    for _ in range(int(generator.integers(3, 12))):
        x, y, z = gland.at(float(generator.uniform(0.05, 0.95)))
        size = float(generator.uniform(0.9, 2.2))
        jitter = generator.normal(0, 3.5, 3)
        canvas.paint(canvas.ellipsoid((x + jitter[0], y + jitter[1], z + jitter[2]), (size, size, size)), STONE)


def _paint_inflammation(canvas: Canvas, radius: float, gland: Gland, hu: float, generator: np.random.Generator) -> None:
    """A focal swelling of chronic inflammation: a little darker than the gland, without a blocked duct."""
    place = float(generator.uniform(0.05, 0.5))
    swelling = canvas.ellipsoid(gland.at(place), (radius, 0.9 * radius, radius), rough=0.15 * radius)
    canvas.paint(swelling, hu - float(generator.uniform(4, 22)), edge=8)


def _beside(gland: Gland, generator: np.random.Generator) -> Point:
    """A place in the gland, off its axis."""
    x, y, z = gland.at(float(generator.uniform(0.05, 0.95)))
    off = generator.normal(0, 4, 3)
    return x + float(off[0]), y + float(off[1]), z + float(off[2])


def _moved(points: tuple[Point, ...], breath: float) -> tuple[Point, ...]:
    return tuple((x, y, z - 0.6 * breath) for x, y, z in points)
