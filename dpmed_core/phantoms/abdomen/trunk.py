"""The trunk: skin, fat and muscle around the abdominal cavity; spine, ribs and pelvis; lung bases and heart above the diaphragm."""

from dataclasses import dataclass

import numpy as np

from dpmed_core.phantoms.abdomen.build import BodyMeasures, ScanParameters
from dpmed_core.phantoms.abdomen.canvas import Box, Canvas, Field, Shape

FAT, FAT_INSIDE, SKIN, CORTICAL_BONE, DISC, CANAL, LUNG = -102.0, -98.0, 20.0, 330.0, 75.0, 28.0, -850.0
WHOLE: Box = (slice(None), slice(None), slice(None))
BACK = 74.0
"""y of the cavity's posterior edge, mm."""
LEVEL_MM = 36.0
"""Height of a vertebra with its disc."""
RIB_SPACING_MM = 29.0


@dataclass(frozen=True, eq=False)
class Cavity:
    """The space within the muscular wall; every field covers the whole volume.

    Attributes:
        depth: below its surface, mm, negative outside.
        backward: position of a voxel from front (-1) to back (1).
        below_diaphragm: distance below the diaphragm, mm, negative above.
        abdomen: depth within the part below the diaphragm, mm.
    """

    depth: Field
    backward: Field
    below_diaphragm: Field
    abdomen: Field


def cavity_of(canvas: Canvas, body: BodyMeasures, breath: float) -> Cavity:
    """The cavity of a body: a rounded axial section, closed above by the two domes of the diaphragm."""
    middle, half = (BACK - body.front) / 2, (BACK + body.front) / 2
    u, v = canvas.x / np.float32(body.half_width), (canvas.y - np.float32(middle)) / np.float32(half)
    narrower = np.interp(canvas.levels, (-120, -70, 20, 110), (0.93, 0.97, 1.0, 0.98)).astype(np.float32)[:, None, None]
    rho = _roundness(u, v)
    rho /= narrower
    # On the ray from the middle, the surface lies at distance r / rho, so the depth is r / rho - r.
    depth = np.hypot(canvas.x, canvas.y - np.float32(middle))
    depth *= 1 / np.maximum(rho, np.float32(1e-3)) - 1
    below = _dome(canvas, body)
    below -= canvas.z
    below -= np.float32(breath)
    return Cavity(depth, v, below, np.minimum(depth - 2, below))


def _roundness(u: Field, v: Field) -> Field:
    """The relative radius (u^4 + v^4 + 1.35 u^2 v^2)^(1/4): 1 on the edge of a section between an ellipse and a rectangle.

    Args:
        u: coordinate from left to right, -1 to 1 within the section.
        v: coordinate from front to back, likewise.
    """
    q, r = np.square(u), np.square(v)
    cross = q * r
    cross *= np.float32(1.35)
    np.square(q, out=q)
    q += np.square(r, out=r)
    q += cross
    return np.sqrt(np.sqrt(q, out=q), out=q)


def _dome(canvas: Canvas, body: BodyMeasures) -> Field:
    """z of the diaphragm, mm: a dome on each side, the right one higher, falling towards the wall and further towards the back."""
    x = np.abs(canvas.x) - 58
    ahead = np.where(canvas.y < 4, np.float32(body.front + 14), np.float32(78))
    away = np.minimum((x / np.float32(0.62 * body.half_width)) ** 2 + ((canvas.y - 4) / ahead) ** 2, 1)
    top = np.where(canvas.x < 0, np.float32(106), np.float32(97))
    return np.asarray(top - 62 * away - 14 * np.clip(canvas.y / 50, 0, 1.4), dtype=np.float32)


def paint_wall(canvas: Canvas, body: BodyMeasures, cavity: Cavity, muscle: float) -> None:
    """Paint skin, subcutaneous fat, the muscular wall and the fat within, from the outside in: each covers the inner part of the last."""
    outside = -cavity.depth
    across = np.abs(canvas.x)
    # The wall is thickest beside the spine (erector muscles), and thinner in the midline.
    back = np.clip((cavity.backward - 0.3) / 0.5, 0, 1) * np.clip(1.7 - across / 58, 0, 1) * (0.72 + 0.28 * np.clip(across / 20, 0, 1))
    wall = body.muscle + (34 - 0.35 * body.muscle) * back
    fat = body.skin_fat * (1 - 0.25 * np.abs(cavity.backward)) * (1 + 0.15 * canvas.rough)
    canvas.paint(Shape(WHOLE, wall + fat + 2 - outside), SKIN)
    canvas.paint(Shape(WHOLE, wall + fat - outside), FAT)
    streaks = 1 - 0.22 * np.clip(canvas.rough, 0, 2)
    canvas.paint(Shape(WHOLE, wall - outside), muscle * streaks + FAT * (1 - streaks))
    canvas.paint(Shape(WHOLE, cavity.depth), FAT_INSIDE)


def paint_skeleton(canvas: Canvas, body: BodyMeasures, cavity: Cavity, muscle: float) -> None:
    """Paint the psoas muscles, the spine, the ribs and the upper rim of the pelvis."""
    for side in (-1, 1):
        psoas = canvas.column(
            (-140, -80, -10, 20), tuple((side * x, 36.0) for x in (44, 40, 33, 30)), ((20, 20), (16, 18), (9, 11), (3, 4))
        )
        canvas.paint(psoas, muscle)
    _paint_spine(canvas, body)
    _paint_ribs(canvas, body, cavity)
    for side in (-1, 1):
        wing = canvas.ellipsoid((side * 98.0, 38.0, -138.0), (13.0, 56.0, 52.0), angle=side * 0.55)
        canvas.paint(wing, CORTICAL_BONE)
        canvas.paint(Shape(wing.box, wing.depth - 4), body.bone)


def _paint_spine(canvas: Canvas, body: BodyMeasures) -> None:
    """Paint the vertebral bodies with their discs, the arches with their processes, and the spinal canal."""
    levels, middle = (-150.0, -60.0, 30.0, 150.0), ((0, 36), (0, 37), (0, 41), (0, 47))
    column = canvas.column(levels, tuple(middle), ((23, 18), (22, 17), (20, 16), (18, 15)))
    phase = np.abs((canvas.z[column.box] + 150 - 0.5 * LEVEL_MM) / np.float32(LEVEL_MM) % 1 - 0.5)  # 0 in the middle of a vertebra
    # The cortex bulges at the end plates; within it marrow up to 37 % of the height, and beyond 40 % the disc.
    canvas.paint(Shape(column.box, column.depth + 1 - 3 * (0.5 - np.abs(phase - 0.25))), CORTICAL_BONE)
    canvas.paint(Shape(column.box, np.minimum(column.depth - 3, (0.37 - phase) * np.float32(LEVEL_MM))), body.bone)
    canvas.paint(Shape(column.box, np.minimum(column.depth, (phase - 0.40) * np.float32(LEVEL_MM))), DISC)
    arch = canvas.column(levels, tuple((x, y + 27) for x, y in middle), ((19, 15),) * 4)
    canvas.paint(Shape(arch.box, np.minimum(arch.depth, (0.40 - _phase(canvas, arch)) * np.float32(LEVEL_MM))), 240.0)
    spine = canvas.column(levels, tuple((x, y + 47) for x, y in middle), ((4, 15),) * 4)
    canvas.paint(Shape(spine.box, np.minimum(spine.depth, (0.30 - _phase(canvas, spine)) * np.float32(LEVEL_MM))), 260.0)
    transverse = canvas.column(levels, tuple((x, y + 24) for x, y in middle), ((42, 5),) * 4)
    canvas.paint(Shape(transverse.box, np.minimum(transverse.depth, (0.14 - _phase(canvas, transverse)) * np.float32(LEVEL_MM))), 220.0)
    canvas.paint(canvas.column(levels, tuple((x, y + 26) for x, y in middle), ((9, 8),) * 4), CANAL)


def _phase(canvas: Canvas, shape: Shape) -> Field:
    """The distance from the middle of the nearest vertebral arch, in heights of a vertebra: 0 there, 0.5 between two arches."""
    return np.asarray(np.abs((canvas.z[shape.box] + 160 - 0.5 * LEVEL_MM) / np.float32(LEVEL_MM) % 1 - 0.5))


def _paint_ribs(canvas: Canvas, body: BodyMeasures, cavity: Cavity) -> None:
    """Paint the ribs within the wall, descending from back to front, down to the costal margin."""
    box = canvas.box((-200, -200, -20), (200, 200, 160))
    backward, z = cavity.backward[box], canvas.z[box]
    # A rib is where the phase is near a whole number and the depth below the muscle's surface is right.
    phase = (z + 52 * (1 - backward)) / np.float32(RIB_SPACING_MM)
    beside = (phase - np.rint(phase)) * np.float32(0.8 * RIB_SPACING_MM)
    rib = 4.8 - np.sqrt((-cavity.depth[box] - np.float32(0.5 * body.muscle + 1)) ** 2 + beside**2)
    margin = z + 8 - 62 * np.clip(0.15 - backward, 0, 1.15)
    near_spine = np.abs(canvas.x[box]) - 26
    ribs = np.minimum(np.minimum(rib, margin), near_spine)
    canvas.paint(Shape(box, ribs), CORTICAL_BONE)
    canvas.paint(Shape(box, ribs - 3), body.bone)


def paint_thorax(canvas: Canvas, cavity: Cavity, scan: ScanParameters, generator: np.random.Generator) -> None:
    """Paint the mediastinum, the lungs above the diaphragm with their vessels, and the heart."""
    box = canvas.box((-200, -200, 0), (200, 200, 160))
    above = np.minimum(-cavity.below_diaphragm[box], cavity.depth[box] - 1)
    beside_mediastinum = np.abs(canvas.x[box] - 6) - np.float32(20) - 0.12 * np.clip(-canvas.y[box], 0, 80)
    # Voxels in the tail of a normal distribution become vessels within the lung.
    grain = np.abs(generator.standard_normal(above.shape, dtype=np.float32))
    vessels = np.float32(260) * np.clip(grain - np.float32(2.2), 0, np.float32(1.2))
    canvas.paint(Shape(box, above), FAT_INSIDE)
    canvas.paint(Shape(box, np.minimum(above, beside_mediastinum)), LUNG + vessels)
    heart = canvas.ellipsoid((24.0, -34.0, 132.0), (58.0, 40.0, 32.0), angle=0.5)
    inside = Shape(heart.box, np.minimum(heart.depth, np.minimum(-cavity.below_diaphragm[heart.box], cavity.depth[heart.box] - 6)))
    canvas.paint(inside, 0.5 * (scan.enhancement.artery + scan.enhancement.cava))
