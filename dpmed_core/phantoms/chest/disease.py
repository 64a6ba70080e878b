"""How each finding changes the radiograph: as a change of density at its usual site."""

import numpy as np
from scipy.ndimage import gaussian_filter

from dpmed_core.phantoms.chest.anatomy import LEFT, RIGHT, Body, Field, Grid, cage_half_width, diaphragm_height, smooth_step

HILUM = (0.20, -0.05)


def vessels(grid: Grid, side: int, congestion: float, generator: np.random.Generator) -> Field:
    """Branching lung vessels of one side; congestion widens those of the upper lung (cephalisation).

    In polar coordinates around the hilum, a vessel is a narrow ridge along an angle that bends with the radius.
    """
    dx, dy = side * grid.x - HILUM[0], grid.y - HILUM[1]
    radius = np.sqrt(dx * dx + dy * dy) + 1e-3
    angle = np.arctan2(dy, dx)
    total = np.zeros_like(radius)
    for branch in np.linspace(-1.45, 1.75, 11) + generator.normal(0, 0.10, 11):
        bend = generator.normal(0, 0.45)
        upper = branch < 0
        calibre = (0.011 + 0.006 * generator.random()) * (1 + (0.9 if upper else 0.25) * congestion) * (0.8 if upper else 1.1)
        offset = (angle - branch - bend * radius) * radius / (calibre * (1.15 - np.minimum(radius, 0.9)))
        total += np.exp(-np.minimum(offset * offset, 30)) * np.exp(-radius / (0.26 + 0.10 * congestion))
    beyond_hilum = 1 - np.exp(-((radius / 0.09) ** 2))
    return np.asarray(0.24 * (1 + 0.35 * congestion) * beyond_hilum * np.minimum(total, 1.3), dtype=np.float32)


def haze(grid: Grid, side: int, congestion: float, generator: np.random.Generator) -> Field:
    """Perihilar haze and septal lines of pulmonary venous congestion, on one side."""
    wings = np.exp(-(((side * grid.x - 0.26) / 0.22) ** 2) - ((grid.y - 0.02) / 0.34) ** 2)
    septa = gaussian_filter(generator.standard_normal(grid.x.shape).astype(np.float32), (0.5, 2.2)) * smooth_step(grid.y - 0.05, 0.15)
    return np.asarray(congestion * (0.17 * wings + 0.09 * septa), dtype=np.float32)


def effusion(grid: Grid, body: Body, side: int, severity: float) -> Field:
    """The share of the lung's air that fluid replaces, 0 to 1: a meniscus that rises along the chest wall and blunts the angle."""
    if severity <= 0:
        return np.zeros_like(grid.x)
    outward = np.clip(side * grid.x / np.maximum(cage_half_width(body, grid.y), 0.05), 0, 1)
    # The fluid level is measured from the costophrenic angle, at 90 % of the half-width.
    angle_depth = float(diaphragm_height(body, side, np.float32(side * 0.9 * body.width) * np.ones(1, dtype=np.float32))[0])
    level = angle_depth + 0.03 - 0.52 * severity - 0.16 * outward**4 * min(1.0, 2.5 * severity) + 0.10 * (1 - outward)
    return smooth_step(grid.y - level, 0.035)


def infiltrate(grid: Grid, side: int, severity: float, generator: np.random.Generator) -> Field:
    """A patchy, ill-defined opacity with the texture of the air that remains in it."""
    centre_x, centre_y = generator.uniform(0.30, 0.58), generator.uniform(-0.35, 0.34)
    spread_x, spread_y = generator.uniform(0.09, 0.19, 2)
    patch = np.exp(-(((side * grid.x - centre_x) / spread_x) ** 2) - ((grid.y - centre_y) / spread_y) ** 2)
    # Smoothing by a fortieth of the side makes the texture independent of the resolution.
    grain = gaussian_filter(generator.standard_normal(grid.x.shape).astype(np.float32), grid.x.shape[0] / 40)
    grain = np.clip(1 + 0.55 * grain / max(float(grain.std()), 1e-6), 0, 2.2)
    return np.asarray(0.34 * severity * patch * grain, dtype=np.float32)


def atelectasis(grid: Grid, body: Body, side: int, severity: float, generator: np.random.Generator) -> Field:
    """A band of collapsed lung above the diaphragm, and a denser base."""
    floor = diaphragm_height(body, side, grid.x)
    tilt, height = generator.normal(0, 0.22), generator.uniform(0.06, 0.22)
    line = grid.y - floor + height + tilt * (side * grid.x - 0.4)
    band = np.exp(-((line / (0.018 + 0.02 * severity)) ** 2)) * np.exp(-(((side * grid.x - 0.40) / 0.20) ** 2))
    wedge = np.exp(-np.clip(floor - grid.y, 0, None) / 0.09) * np.exp(-(((side * grid.x - 0.22) / 0.20) ** 2))
    return np.asarray(severity * (0.26 * band + 0.22 * wedge), dtype=np.float32)


def opacities(grid: Grid, body: Body, side: int, severity: dict[str, float], generator: np.random.Generator) -> Field:
    """The density that vessels and disease add within one lung.

    Every component is drawn even at severity 0, so that the random numbers, hence the rest of the image, do not depend on the findings.
    """
    name = "right" if side == RIGHT else "left"
    congestion = severity["congestion"]
    return (
        vessels(grid, side, congestion, generator)
        + haze(grid, side, congestion, generator)
        + infiltrate(grid, side, severity[f"pneumonic_infiltrates_{name}"], generator)
        + atelectasis(grid, body, side, severity[f"atelectasis_{name}"], generator)
    )


SIDES = (RIGHT, LEFT)
