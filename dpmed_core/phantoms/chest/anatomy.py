"""A parametric chest in frontal projection: the thickness of tissue and bone that each ray crosses.

Coordinates: x from -1 (the patient's right, displayed on the left) to 1, y from -1 (neck) to 1 (abdomen). Thicknesses are in the same
unit, half the width of the image; a ray's attenuation is the sum over organs of thickness times density relative to soft tissue.
The shapes' parameters were chosen by eye.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]

RIGHT, LEFT = -1, 1


@dataclass(frozen=True)
class Body:
    """The chest of one patient on one radiograph; lengths in the unit of the module.

    Attributes:
        width: half-width of the rib cage.
        fat: thickness of the chest wall, 1 = average.
        apex: y of the lung apices.
        diaphragm: y of the top of the right dome; the left one is lower.
        flatness: 0 for domed diaphragms, 1 for the flattened ones of hyperinflated lungs.
        aeration: density that air removes, 1 = average.
        heart: scale of the heart.
        knob: prominence of the aortic arch.
        shift: displacement of the mediastinum to the right of the image.
        rotation: displacement of the spine relative to the rib cage, by rotation of the patient.
        breast: thickness of the breasts, 0 = none.
        bone: density of bone, 1 = average.
        rib_phase: y of the first rib.
        rib_spacing: distance between ribs.
        lift: elevation of the (right, left) hemidiaphragm by volume loss.
    """

    width: float
    fat: float
    apex: float
    diaphragm: float
    flatness: float
    aeration: float
    heart: float
    knob: float
    shift: float
    rotation: float
    breast: float
    bone: float
    rib_phase: float
    rib_spacing: float
    lift: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixel centres, x and y `[size, size]`."""

    x: Field
    y: Field

    @classmethod
    def of(cls, size: int) -> "Grid":
        """The grid of a radiograph with `size` pixels a side."""
        line = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1).astype(np.float32)
        y, x = np.meshgrid(line, line, indexing="ij")
        return cls(x, y)


def smooth_step(x: Field, width: float) -> Field:
    """A smooth step from 0 to 1 around x = 0, over about `width`.

    >>> smooth_step(np.array([-1.0, 0.0, 1.0]), 0.1).round(6)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return np.asarray(0.5 * (1 + np.tanh(x / width)), dtype=np.float32)


def ellipsoid(grid: Grid, centre: tuple[float, float], radii: tuple[float, float, float], angle: float = 0.0) -> Field:
    """The chord length of each ray through an ellipsoid that is rotated by `angle` (radians) in the image plane; 0 beside it."""
    cos, sin = np.cos(angle), np.sin(angle)
    dx, dy = grid.x - centre[0], grid.y - centre[1]
    u, v = (dx * cos + dy * sin) / radii[0], (dy * cos - dx * sin) / radii[1]
    return np.asarray(2 * radii[2] * np.sqrt(np.clip(1 - u * u - v * v, 0, None)), dtype=np.float32)


def cage_half_width(body: Body, y: Field) -> Field:
    """Half-width of the rib cage at height y: narrow at the apex, widest near the diaphragm."""
    t = np.clip((y - body.apex) / (0.5 - body.apex), 0, 1.35)
    return np.asarray(body.width * (1 - (1 - np.minimum(t, 1)) ** 2.6) ** 0.5 * (1 - 0.04 * np.clip(t - 1, 0, None)), dtype=np.float32)


def diaphragm_height(body: Body, side: int, x: Field) -> Field:
    """y of the diaphragm at x: a dome whose steeper outer slope ends in the costophrenic angle."""
    top = body.diaphragm + (0.07 if side == LEFT else 0.0) - body.lift[(side + 1) // 2]
    # The dome's top lies at 40 % of the half-width; the power 2.2 gives a round dome.
    offset = (side * x - 0.40 * body.width / 0.8) / 0.42
    slope = np.where(offset > 0, 0.40, 0.16) * (1 - 0.6 * body.flatness)
    return np.asarray(top + slope * np.abs(offset) ** 2.2, dtype=np.float32)


def lung(grid: Grid, body: Body, side: int) -> Field:
    """The thickness of air that each ray crosses in one lung, 0 outside it."""
    outer = cage_half_width(body, grid.y)
    inner = 0.10 + 0.10 * smooth_step(grid.y + 0.42, 0.18) * (1 - smooth_step(grid.y - 0.05, 0.25)) * 0.5
    mid, half = (outer + inner) / 2, np.maximum((outer - inner) / 2, 1e-3)
    # u runs from -1 at the mediastinal to 1 at the lateral border of the lung.
    u = (side * grid.x - mid) / half
    across = np.clip(1 - np.abs(u) ** 3.0, 0, None) ** 0.55
    above = smooth_step(grid.y - body.apex - 0.06 * np.abs(u) ** 2, 0.035)
    below = smooth_step(diaphragm_height(body, side, grid.x) - grid.y, 0.016)
    depth = 0.62 * np.clip(0.45 + 0.9 * (grid.y - body.apex), 0.3, 1.0)
    return np.asarray(across * above * below * depth * body.aeration, dtype=np.float32)


def chest_wall(grid: Grid, body: Body) -> Field:
    """The thickness of soft tissue of trunk, neck, shoulders, abdomen and breasts."""
    edge = body.width + 0.13 + 0.07 * body.fat - 0.05 * np.cos(2.2 * grid.y)
    trunk = 0.98 * np.clip(1 - np.abs(grid.x / edge) ** 4, 0, None) ** 0.5
    shoulders = ellipsoid(grid, (0.0, -1.02), (1.45, 0.48, 0.26)) + ellipsoid(grid, (0.0, -1.05), (0.34, 0.55, 0.12))
    wall = (0.10 + 0.10 * body.fat) * smooth_step(edge - np.abs(grid.x), 0.02)
    abdomen = 0.50 * smooth_step(grid.y - body.diaphragm - 0.02, 0.16)
    tissue = trunk + shoulders + wall + abdomen
    for side in (RIGHT, LEFT):
        if body.breast > 0:
            tissue += 0.5 * body.breast * ellipsoid(grid, (side * 0.46, 0.30 + 0.08 * body.fat), (0.30, 0.27, 0.20 + 0.06 * body.fat))
    return np.asarray(tissue, dtype=np.float32)


def mediastinum(grid: Grid, body: Body) -> Field:
    """The thickness of heart, great vessels and hila, less the air of the trachea."""
    s, h = body.shift, body.heart
    heart = ellipsoid(grid, (s + 0.05 + 0.10 * h, body.diaphragm - 0.14), (0.335 * h, 0.255 * h**0.8, 0.30 * h), angle=0.55)
    right_atrium = ellipsoid(grid, (s - 0.06, body.diaphragm - 0.20), (0.175 * h**0.7, 0.235, 0.24))
    great_vessels = ellipsoid(grid, (s, -0.32), (0.145, 0.58, 0.24))
    arch = ellipsoid(grid, (s + 0.115 + 0.02 * body.knob, -0.36), (0.085 + 0.02 * body.knob, 0.10, 0.13 * body.knob))
    descending = ellipsoid(grid, (s + 0.10, 0.05), (0.07, 0.55, 0.08 * body.knob))
    hila = sum(ellipsoid(grid, (s + side * 0.19, -0.07 + 0.02 * side), (0.075, 0.14, 0.10)) for side in (RIGHT, LEFT))
    trachea = ellipsoid(grid, (s * 0.6 + 0.01, -0.68), (0.045, 0.36, 0.10))
    # Below the dome, the heart is covered by the abdomen.
    above_dome = smooth_step(diaphragm_height(body, LEFT, grid.x) + 0.05 - grid.y, 0.06)
    return np.asarray(
        np.maximum(heart, right_atrium) * above_dome + 0.9 * great_vessels + arch + descending + hila - trachea, dtype=np.float32
    )


def skeleton(grid: Grid, body: Body) -> Field:
    """The thickness of ribs, clavicles, scapular borders and spine, times the density of bone."""
    return body.bone * (_ribs(grid, body) + _clavicles(grid, body) + _spine(grid, body))


def _ribs(grid: Grid, body: Body) -> Field:
    """Posterior and anterior ribs: bands at the whole numbers of a phase that grows downwards and varies with the distance to the spine."""
    reach = np.abs(grid.x - 0.3 * body.rotation) / np.maximum(cage_half_width(body, grid.y), 0.05)
    inside = smooth_step(1.03 - reach, 0.02) * smooth_step(grid.y - body.apex + 0.03, 0.03)
    # Posterior ribs descend laterally by the fourth power of the distance; anterior ribs rise towards the side.
    back = (grid.y - body.rib_phase + 0.05 * np.cos(2.6 * reach) - 0.20 * reach**4) / body.rib_spacing
    front = (grid.y - body.rib_phase - 0.34 + 0.42 * reach - 0.12 * reach**2) / body.rib_spacing
    low = smooth_step(0.60 - grid.y, 0.08)
    bands = 0.165 * _band(back, 0.19) * smooth_step(reach - 0.10, 0.04) * (0.75 + 0.5 * reach**6)
    bands += 0.085 * _band(front, 0.20) * smooth_step(reach - 0.42, 0.08) * smooth_step(0.45 - grid.y, 0.1)
    return np.asarray(bands * inside * low, dtype=np.float32)


def _band(phase: Field, half_width: float) -> Field:
    """Bands around the whole numbers of `phase`, denser at their edges, as the cortex of a bone is."""
    distance = np.abs(phase - np.rint(phase)) / half_width
    plate = 1 / (1 + np.exp(np.clip((distance - 1) * 9, -40, 40)))
    return np.asarray(plate * (0.65 + 0.45 * np.minimum(distance, 1) ** 3), dtype=np.float32)


def _clavicles(grid: Grid, body: Body) -> Field:
    """Both clavicles, and the medial borders of the scapulae."""
    bones = np.zeros_like(grid.x)
    for side in (RIGHT, LEFT):
        along = side * (grid.x - body.rotation)
        # A clavicle is a slightly S-shaped line that rises from the sternum to the shoulder.
        line = body.apex + 0.13 - 0.20 * along + 0.035 * np.sin(7 * along)
        distance = np.abs(grid.y - line) / 0.030
        bones += (
            0.16 / (1 + np.exp(np.clip((distance - 1) * 7, -40, 40))) * smooth_step(along - 0.07, 0.02) * smooth_step(0.72 - along, 0.04)
        )
        blade = (along - 0.70 - 0.10 * grid.y - 0.06) / 0.05
        bones += 0.055 * smooth_step(blade, 0.5) * smooth_step(grid.y + 0.85, 0.05) * smooth_step(0.02 - grid.y, 0.08)
    return np.asarray(bones, dtype=np.float32)


def _spine(grid: Grid, body: Body) -> Field:
    """Vertebral bodies, pedicles and spinous processes; one vertebra per unit of `height`."""
    x = grid.x - body.rotation * 0.6
    height = grid.y / 0.125
    body_shape = 0.80 + 0.20 * _band(height, 0.38)
    column = smooth_step(0.078 + 0.008 * np.cos(2 * np.pi * height) - np.abs(x), 0.012) * body_shape
    pedicles = _band(height + 0.25, 0.16) * np.exp(-(((np.abs(x) - 0.05) / 0.016) ** 2))
    process = _band(height + 0.5, 0.16) * np.exp(-((x / 0.018) ** 2))
    return np.asarray(0.085 * column + 0.05 * pedicles + 0.05 * process, dtype=np.float32)
