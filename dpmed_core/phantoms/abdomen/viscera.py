"""Liver, gallbladder, spleen, kidneys, stomach, bowel and the great vessels, at their usual positions.

Coordinates and radii are in mm, as `canvas` defines them. `low` is the displacement of an organ by breathing.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dpmed_core.phantoms.abdomen.build import BodyMeasures, ScanParameters
from dpmed_core.phantoms.abdomen.canvas import AIR, Canvas, Point, curve
from dpmed_core.phantoms.abdomen.trunk import FAT_INSIDE, Cavity

BILE, SINUS_FAT, CALCIUM = 8.0, -55.0, 700.0
STOMACH: tuple[Point, ...] = ((62, 26, 80), (70, 2, 62), (62, -26, 38), (36, -46, 16), (4, -50, 8), (-20, -40, 6))
STOMACH_RADII = (30, 30, 26, 21, 17, 11)
DUODENUM: tuple[Point, ...] = (
    (-20, -40, 6),
    (-44, -26, 9),
    (-60, -8, -6),
    (-60, 2, -38),
    (-42, 8, -56),
    (-4, -4, -57),
    (30, -2, -48),
    (38, -18, -26),
)
COLON: tuple[tuple[Point, ...], ...] = (
    ((-98, 22, -118), (-100, 20, -70), (-94, 12, -20), (-84, -24, -14), (-48, -56, -24), (0, -64, -34), (48, -58, -20), (88, -18, 22)),
    ((88, -18, 22), (104, 22, 20), (108, 30, -40), (104, 30, -120)),
)


SMALL_BOWEL: tuple[tuple[Point, Point], ...] = (
    ((-78, -66, -132), (84, -8, -92)),
    ((-70, -60, -110), (84, 0, -60)),
    ((-70, -60, -76), (80, -10, -34)),
    ((20, -48, -40), (92, -6, 14)),
)
"""Regions (lowest and highest corner) of the loops: two of ileum, jejunum, and the beginning of the jejunum on the left."""
LOOP_POINTS = 48


def paint_liver(canvas: Canvas, body: BodyMeasures, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator) -> None:
    """Paint the liver under the right dome, its portal and hepatic veins, and the gallbladder below it."""
    size, low, hu = body.liver, -scan.breath, scan.enhancement.liver - body.liver_fat
    right = canvas.column(
        (-40 + low, -10 + low, 20 + low, 60 + low, 130.0),
        ((-104, 24), (-96, 14), (-84, 4), (-74, 0), (-70, 0)),
        ((8 * size, 20 * size), (30 * size, 56 * size), (52 * size, 74 * size), (62 * size, 80 * size), (62 * size, 80 * size)),
    )
    right = replace(right, depth=right.depth + 3 * canvas.rough[right.box])
    left = canvas.ellipsoid((0.0, -40.0, 68 + low), (76 * size, 30 * size, 30 * size), angle=-0.15, rough=3)
    for lobe in (right, left):
        canvas.paint(lobe.cut(cavity.abdomen), hu + 4 * canvas.rough[lobe.box])
    veins: list[tuple[Point, ...]] = [
        ((-32, -6, 22), (-48, 0, 34), (-66, 6, 44), (-88, 12, 50)),
        ((-48, 0, 34), (-60, -24, 46), (-74, -36, 54)),
    ]
    veins += [((-22, 14, 92), (-40, 6, 78), (-72, 0, 62)), ((-22, 14, 92), (-26, -14, 78), (-34, -34, 62))]
    for vein in veins:
        points = curve(_shifted(vein, generator, low), 14)
        canvas.paint(canvas.tube(points, np.linspace(5.0, 2.5, 14)).cut(cavity.abdomen), scan.enhancement.portal_vein, strength=0.8)
    if body.gallbladder:
        middle, swollen = (-52.0, -34.0, 4 + low), body.gallbladder
        canvas.paint(canvas.ellipsoid(middle, (14 * swollen, 15 * swollen, 24 * swollen)).cut(cavity.depth - 3), BILE)


def paint_spleen_and_kidneys(
    canvas: Canvas, body: BodyMeasures, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator
) -> None:
    """Paint the spleen under the left dome, and the kidneys with cortex, medulla and sinus fat."""
    given, low = scan.enhancement, -scan.breath
    spleen = canvas.ellipsoid((94.0, 38.0, 56 + low), (26 * body.spleen, 42 * body.spleen, 46 * body.spleen), angle=0.45, rough=2)
    canvas.paint(spleen.cut(cavity.abdomen), given.spleen)
    for side, height in ((-1, -20.0), (1, -8.0)):
        size, x, z = body.kidneys, side * 60.0, height + 0.6 * low + generator.normal(0, 5)
        kidney = canvas.ellipsoid((x, 42.0, z), (25 * size, 27 * size, 52 * size), angle=side * 0.5)
        canvas.paint(kidney, given.cortex)
        canvas.paint(replace(kidney, depth=kidney.depth - 8), given.medulla)
        canvas.paint(canvas.ellipsoid((x - side * 14, 36.0, z), (14 * size, 11 * size, 24 * size)), SINUS_FAT)


def paint_stomach(canvas: Canvas, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator) -> None:
    """Paint the stomach from fundus to pylorus, with an air-fluid level, and the duodenum."""
    wall, low = scan.enhancement.bowel_wall, -0.7 * scan.breath
    points = curve(_shifted(STOMACH, generator, low), 24)
    radii = np.interp(np.linspace(0, 5, 24), range(6), STOMACH_RADII) * scan.filling
    stomach = canvas.tube(points, radii, rough=3).cut(cavity.abdomen)
    canvas.paint(stomach, wall)
    # 4 mm below the surface: what remains outside is the wall.
    content = replace(stomach, depth=stomach.depth - 4)
    canvas.paint(content, scan.fluid)
    level = float(generator.uniform(-52, -26))  # the patient lies supine: gas is in front of a level in y
    canvas.paint(replace(content, depth=np.minimum(content.depth, level - canvas.y[content.box])), AIR)
    course = curve(_shifted(DUODENUM, generator, low), 30)
    duodenum = canvas.tube(course, generator.uniform(8, 11) * np.ones(30), rough=1.5)
    canvas.paint(duodenum, wall)
    canvas.paint(replace(duodenum, depth=duodenum.depth - 4), 0.5 * (scan.fluid + 30))


def paint_bowel(canvas: Canvas, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator) -> None:
    """Paint mesenteric fat with its vessels, loops of small bowel in the middle and lower abdomen, and the colon around them."""
    wall = scan.enhancement.bowel_wall
    mesentery = canvas.ellipsoid((4.0, -26.0, -60.0), (84.0, 40.0, 76.0))
    grain = np.abs(generator.standard_normal(mesentery.depth.shape, dtype=np.float32))
    canvas.paint(
        mesentery.cut(cavity.depth - 8), np.float32(FAT_INSIDE) + np.float32(110) * np.clip(grain - np.float32(1.7), 0, np.float32(1.2))
    )
    for loop, region in enumerate(SMALL_BOWEL):
        points = _wander(generator, region)
        radii = generator.uniform(9, 13) * np.ones(len(points))
        bowel = canvas.tube(points, radii, rough=2).cut(cavity.depth - 3)
        canvas.paint(bowel, wall - 8 * loop)
        canvas.paint(replace(bowel, depth=bowel.depth - 4), scan.fluid)
        gas = canvas.rough[bowel.box] * 5 + np.float32(scan.gas * 4 - 9) - 0.1 * (canvas.y[bowel.box] + 40)
        canvas.paint(replace(bowel, depth=np.minimum(bowel.depth - 5, gas)), AIR)
    for part in COLON:
        points = curve(_shifted(part, generator, 0.0, spread=6), 34)
        radii = generator.uniform(15, 19) * (1 + 0.12 * np.sin(np.arange(34) * 1.3))
        colon = canvas.tube(points, radii, rough=2).cut(cavity.depth - 2)
        canvas.paint(colon, 60.0)
        inner = replace(colon, depth=colon.depth - 4)
        canvas.paint(inner, 10 + 45 * canvas.rough[colon.box])
        gas = canvas.rough[colon.box] * 7 + np.float32(scan.gas * 9 - 11) - 0.15 * canvas.y[colon.box]
        canvas.paint(replace(inner, depth=np.minimum(inner.depth, gas)), AIR)


def paint_vessels(canvas: Canvas, body: BodyMeasures, scan: ScanParameters, generator: np.random.Generator) -> None:
    """Paint aorta with plaques, iliac arteries, inferior vena cava, mesenteric and coeliac arteries, and the portal system."""
    given, r, top = scan.enhancement, body.aorta, 150.0
    sway = float(generator.normal(0, 3))
    aorta = canvas.column(
        (-98, -40, 20, 90, top),
        ((4, 12), (6 + sway, 12), (8, 14), (6, 24), (8, 34)),
        ((r, r), (r, r), (r + 1, r + 1)) + ((r + 2, r + 2),) * 2,
    )
    # Plaques are spots on the wall where the rough field exceeds a threshold that falls with the degree of calcification.
    plaques = np.minimum(2.2 - np.abs(aorta.depth - 1), 4 * (canvas.rough[aorta.box] - np.float32(2.2 - 2.2 * body.calcified)))
    canvas.paint(aorta, given.artery)
    canvas.paint(replace(aorta, depth=plaques), CALCIUM)
    for side in (-1, 1):
        canvas.paint(
            canvas.tube(curve(((4, 12, -98), (side * 18, 14, -116), (side * 34, 24, -136)), 10), np.full(10, 0.62 * r)), given.artery
        )
    cava = ((-20, 16), (-21, 14), (-22, 14), (-16, 2))
    canvas.paint(canvas.column((-98, -10, 60, 125), cava, ((11, 9), (12, 9), (12, 10), (13, 12))), given.cava)
    superior: list[tuple[Point, ...]] = [((8, 4, 8), (7, -8, 0), (5, -13, -30), (2, -18, -95))]
    superior += [((10, 4, 24), (0, -6, 26), (-22, -8, 28)), ((10, 4, 24), (30, 2, 28), (62, 14, 40))]
    for artery in superior:
        canvas.paint(canvas.tube(curve(artery, 22), np.full(22, 3.6)), given.artery, strength=0.9)
    for points, radius in _portal_system(scan.breath):
        canvas.paint(canvas.tube(curve(points, 22), np.full(22, radius)), given.portal_vein, strength=0.95)


def _portal_system(breath: float) -> list[tuple[tuple[Point, ...], float]]:
    """The superior mesenteric, portal and splenic vein, each as points and a radius; they share the point of confluence."""
    low = -0.5 * breath
    mesenteric = ((-8, -16, -90), (-9, -12, -40), (-9, -8, 0 + low))
    portal = ((-9, -8, 0 + low), (-20, -6, 12 + low), (-34, -6, 22 - breath))
    splenic = ((-9, -8, 0 + low), (14, -10, 10 + low), (44, 2, 18 + low), (78, 22, 34 + low))
    return [(mesenteric, 5.5), (portal, 6.5), (splenic, 4.2)]


def _shifted(points: tuple[Point, ...], generator: np.random.Generator, low: float, *, spread: float = 3.0) -> tuple[Point, ...]:
    """`points` moved by breathing (`low`, mm along z), and all but the ends moved at random."""
    moved = np.array(points) + np.array((0.0, 0.0, low))
    moved[1:-1] += generator.normal(0, spread, (len(points) - 2, 3))
    return tuple((float(x), float(y), float(z)) for x, y, z in moved)


def _wander(generator: np.random.Generator, region: tuple[Point, Point]) -> NDArray[np.float64]:
    """A smooth random walk of `LOOP_POINTS` points `[n, 3]` within a region, reflected at its borders."""
    low, high = np.array(region[0]), np.array(region[1])
    turns = smoothed(generator.normal(0, 1, (LOOP_POINTS + 12, 3)), 13)
    steps = 7 * np.cumsum(turns / np.linalg.norm(turns, axis=1, keepdims=True), axis=0)
    position = (generator.uniform(low, high) - low + steps) / (high - low)
    return np.asarray(low + (high - low) * (1 - np.abs(position % 2 - 1)))  # a triangle wave reflects the walk at 0 and 1


def smoothed(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Running means over `width` of `values` `[n, k]` along the first axis, `[n - width + 1, k]`.

    >>> smoothed(np.array([[1.0], [2.0], [6.0]]), 2)
    array([[1.5],
           [4. ]])
    """
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return np.asarray((total[width:] - total[:-width]) / width)
