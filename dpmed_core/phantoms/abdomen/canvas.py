"""A volume in which anatomy is drawn: anatomical coordinates of every voxel, shapes as depths below their surface, and soft edges.

Anatomical coordinates in mm: x to the patient's left, y to the back, z to the head; the origin lies in front of the first lumbar vertebra.
A shape is a box of voxels and, for each of them, the depth below the shape's surface in mm, negative outside.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.volume_grid import SHAPE, SPACING_MM

Field = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]

AIR = -1000.0
WARP_NODES, ROUGH_NODES = (5, 6, 6), (11, 14, 14)
"""Control points (z, y, x) of the smooth fields that displace the body and roughen surfaces."""
VOXEL_MM = SPACING_MM[0]
EDGE = VOXEL_MM
"""Width of the transition between two tissues, mm: a voxel at a border holds both (partial volume)."""


@dataclass(frozen=True)
class PatientPosition:
    """The position and size of a patient in the field of view.

    Attributes:
        scale: size of the body, 1 = reference, along (x, y, z).
        shift: of the anatomical origin from the volume's centre, mm (x, y, z).
        warp: standard deviation of the smooth displacement that makes each body irregular, mm.
    """

    scale: Point
    shift: Point
    warp: float


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape: a box of voxels around it, and the depth of each below its surface, mm."""

    box: Box
    depth: Field

    def cut(self, depth: Field) -> "Shape":
        """The intersection with another shape, whose `depth` is given over the whole volume: the minimum of both depths."""
        return Shape(self.box, np.minimum(self.depth, depth[self.box]))


@dataclass(frozen=True, eq=False)
class Canvas:
    """A volume being drawn.

    Attributes:
        position: of the patient in it.
        x: anatomical coordinate x of every voxel, mm; y and z likewise.
        levels: z of every slice, unwarped.
        rough: a smooth field with a standard deviation of about 1, which makes surfaces irregular.
        hu: Hounsfield units.
    """

    position: PatientPosition
    x: Field
    y: Field
    z: Field
    levels: NDArray[np.float64]
    rough: Field
    hu: Field

    @classmethod
    def empty(cls, position: PatientPosition, generator: np.random.Generator) -> "Canvas":
        """A volume of air with randomly warped coordinates."""
        axes = []
        for axis, n in enumerate((SHAPE[2], SHAPE[1], SHAPE[0])):  # x, y, z
            line = (_line(n) - position.shift[axis]) / position.scale[axis]
            along = line.astype(np.float32).reshape([-1 if axis == 2 - i else 1 for i in range(3)])
            axes.append(position.warp * smooth_field(generator, WARP_NODES) + along)
        levels = (_line(SHAPE[0]) - position.shift[2]) / position.scale[2]
        rough = smooth_field(generator, ROUGH_NODES)
        return cls(position, axes[0], axes[1], axes[2], levels, rough, np.full(SHAPE, AIR, dtype=np.float32))

    def box(self, low: Point, high: Point) -> Box:
        """The voxels between two anatomical corners, with a margin for warp and edge; drawing is limited to it to save time."""
        margin = 2.3 * self.position.warp + EDGE  # 2.3 standard deviations of the displacement
        slices = []
        for axis, n in ((2, SHAPE[0]), (1, SHAPE[1]), (0, SHAPE[2])):
            scale, shift = self.position.scale[axis], self.position.shift[axis]
            first = (low[axis] - margin) * scale + shift
            last = (high[axis] + margin) * scale + shift
            begin, end = (int(np.floor(v / VOXEL_MM + n / 2)) for v in (first, last + VOXEL_MM))
            slices.append(slice(min(max(begin, 0), n), min(max(end, 0), n)))
        return slices[0], slices[1], slices[2]

    def ellipsoid(self, centre: Point, radii: Point, *, angle: float = 0.0, rough: float = 0.0) -> Shape:
        """An ellipsoid rotated by `angle` (radians) in the axial plane, its surface displaced by about `rough` mm."""
        reach = max(radii[:2]) if angle else 0.0
        half = (max(radii[0], reach), max(radii[1], reach), radii[2])
        box = self.box(
            (centre[0] - half[0], centre[1] - half[1], centre[2] - half[2]), (centre[0] + half[0], centre[1] + half[1], centre[2] + half[2])
        )
        dx, dy, dz = self.x[box] - centre[0], self.y[box] - centre[1], self.z[box] - centre[2]
        if angle:
            cos, sin = float(np.cos(angle)), float(np.sin(angle))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        # The relative radius, 1 on the surface, times the smallest radius: exact for a ball, an approximation of the depth otherwise.
        radius = np.sqrt((dx / radii[0]) ** 2 + (dy / radii[1]) ** 2 + (dz / radii[2]) ** 2)
        depth = (1 - radius) * np.float32(min(radii))
        return Shape(box, depth + np.float32(rough) * self.rough[box] if rough else depth)

    def tube(self, points: NDArray[np.floating], radii: NDArray[np.floating], *, rough: float = 0.0) -> Shape:
        """The union of balls at `points` `[n, 3]` with `radii` `[n]`, which approximates a tube if the points are close together."""
        widest = float(radii.max())
        low, high = points.min(0) - widest, points.max(0) + widest
        box = self.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        depth = np.full(self.x[box].shape, -100.0, dtype=np.float32)
        x, y, z = self.x[box], self.y[box], self.z[box]
        for (px, py, pz), radius in zip(points.tolist(), radii.tolist(), strict=True):
            ball = self.box((px - radius, py - radius, pz - radius), (px + radius, py + radius, pz + radius))
            part = tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(ball, box, strict=True))
            dx, dy, dz = x[part] - px, y[part] - py, z[part] - pz
            np.maximum(depth[part], radius - np.sqrt(dx * dx + dy * dy + dz * dz), out=depth[part])
        return Shape(box, depth + np.float32(rough) * self.rough[box] if rough else depth)

    def column(self, levels: tuple[float, ...], centres: tuple[tuple[float, float], ...], radii: tuple[tuple[float, float], ...]) -> Shape:
        """A column with elliptic cross-sections.

        Args:
            levels: increasing z of the given sections; those between are interpolated linearly.
            centres: (x, y) of each.
            radii: (x, y) of each.
        """
        across = np.array([[*c, *r] for c, r in zip(centres, radii, strict=True)])
        cx, cy, rx, ry = (np.interp(self.levels, levels, across[:, i]) for i in range(4))
        low = (float((cx - rx).min()), float((cy - ry).min()), levels[0])
        box = self.box(low, (float((cx + rx).max()), float((cy + ry).max()), levels[-1]))
        cx, cy, rx, ry = (np.asarray(v[box[0], None, None], dtype=np.float32) for v in (cx, cy, rx, ry))
        radius = np.sqrt(((self.x[box] - cx) / rx) ** 2 + ((self.y[box] - cy) / ry) ** 2)
        ends = np.minimum(self.z[box] - levels[0], levels[-1] - self.z[box])
        return Shape(box, np.minimum((1 - radius) * np.minimum(rx, ry), ends))

    def paint(self, shape: Shape, hu: float | Field, *, edge: float = EDGE, strength: float | Field = 1.0) -> None:
        """Mix `hu` into the voxels of `shape`.

        Args:
            shape: where.
            hu: Hounsfield units, one value or one per voxel of the shape's box.
            edge: width of the transition at the surface, mm.
            strength: largest weight of `hu`, 0 to 1.
        """
        # The weight rises linearly from 0 to 1 over the edge and is one half on the surface. Written in place: this is the inner loop.
        weight = np.multiply(shape.depth, np.float32(1 / edge))
        weight += np.float32(0.5)
        np.clip(weight, 0, 1, out=weight)
        if not np.isscalar(strength) or strength != 1.0:
            weight *= strength
        here = self.hu[shape.box]
        change = np.subtract(hu, here, dtype=np.float32)
        change *= weight
        here += change


def curve(points: tuple[Point, ...], n: int) -> NDArray[np.float64]:
    """`n` points `[n, 3]` along a smoothed polyline through `points`, evenly spaced on the polyline."""
    nodes = np.array(points)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1))])
    at = np.linspace(0, length[-1], n)
    smooth = np.stack([np.interp(at, length, nodes[:, axis]) for axis in range(3)], axis=1)
    # One pass of a binomial filter rounds the corners of the polyline.
    inner = 0.25 * smooth[:-2] + 0.5 * smooth[1:-1] + 0.25 * smooth[2:]
    return np.asarray(np.concatenate([smooth[:1], inner, smooth[-1:]]), dtype=np.float64)


def smooth_field(generator: np.random.Generator, nodes: tuple[int, int, int]) -> Field:
    """A smooth random field `SHAPE` with a standard deviation of about 1, interpolated from `nodes` random numbers along each axis."""
    coarse = generator.standard_normal(nodes, dtype=np.float32)
    over_x = coarse @ _splines(nodes[2], SHAPE[2]).T
    over_y = _splines(nodes[1], SHAPE[1]) @ over_x
    return np.asarray(np.tensordot(_splines(nodes[0], SHAPE[0]), over_y, axes=1), dtype=np.float32)


@lru_cache(maxsize=32)
def _splines(n_nodes: int, n: int) -> Field:
    """Weights `[n, n_nodes]` of cubic B-splines, scaled so that independent standard normal nodes give values of variance 1."""
    distance = np.abs(np.linspace(0, n_nodes - 1, n)[:, None] - np.arange(n_nodes))
    # The two pieces of the cubic B-spline, for distances below 1 and from 1 to 2 nodes.
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return np.asarray(weights / np.sqrt((weights**2).sum(1, keepdims=True)), dtype=np.float32)


def _line(n: int) -> NDArray[np.float64]:
    """Centres of `n` voxels along an axis, mm from the volume's centre."""
    return np.asarray((np.arange(n) + 0.5 - n / 2) * VOXEL_MM, dtype=np.float64)
