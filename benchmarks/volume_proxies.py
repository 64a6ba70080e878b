"""Procedural volumes on which the settings of recipes for CT were fixed: bodies of ellipsoids in Hounsfield units, simpler than phantoms.

`mass`: a bent tube among organs, half of them with a darker mass along it. `faint`: the same with smaller and fainter masses, more noise,
and two scans of some patients. `cavity`: another and rare finding, a cavity with gas in place of an organ. They serve to choose settings
that learn best over all of them, and for nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dpmed_core.imaging.volume_grid import SHAPE, SPACING_MM

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VolumeProxy:
    """Volumes `[n, *SHAPE]` (int16, Hounsfield units), labels `[n, 1]`, and the patient of each."""

    name: str
    volumes: NDArray[np.int16]
    labels: NDArray[np.float32]
    patients: NDArray[np.intp]


def masses(n: int, *, name: str, seed: int, radius_mm: tuple[float, float], contrast: float, noise: float, twice: float) -> VolumeProxy:
    """Volumes with and without a mass in a bent tube.

    Args:
        n: number of volumes.
        name: of the proxy.
        seed: of all random numbers.
        radius_mm: smallest and largest radius of the mass.
        contrast: mean contrast of the mass to its surroundings, in Hounsfield units below them.
        noise: standard deviation of a voxel, in Hounsfield units.
        twice: share of the patients with two scans.
    """
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n), 1 + (rng.random(n) < twice))[:n]
    ill = rng.random(n) < 0.5
    volumes = np.empty((n, *SHAPE), np.int16)
    for i in range(n):
        own, of_patient = np.random.default_rng([seed, 1, i]), np.random.default_rng([seed, 2, int(patients[i])])
        volume = body(of_patient)
        tube, points = bent_tube(of_patient)
        volume = np.where(tube, of_patient.uniform(70, 120), volume)
        if ill[patients[i]]:
            centre = points[of_patient.integers(len(points))] + of_patient.normal(0, 3, 3)
            mass = distance_mm(centre) < of_patient.uniform(*radius_mm)
            volume = np.where(mass, volume - contrast * of_patient.uniform(0.5, 1.5), volume)
        volumes[i] = scanned(volume, noise, own)
    return VolumeProxy(name, volumes, ill[patients].astype(np.float32)[:, None], patients)


def cavities(n: int, *, seed: int) -> VolumeProxy:
    """Volumes of which one in five has a cavity with gas in place of an organ."""
    rng = np.random.default_rng(seed)
    ill = rng.random(n) < 0.2
    volumes = np.empty((n, *SHAPE), np.int16)
    for i in range(n):
        own = np.random.default_rng([seed, i])
        volume, centre = body(own), own.uniform((60, 120, 120), (200, 260, 260))
        volume = np.where(distance_mm(centre) < own.uniform(10, 18), -700 if ill[i] else 60, volume)
        volumes[i] = scanned(volume, 25, own)
    return VolumeProxy("cavity", volumes, ill.astype(np.float32)[:, None], np.arange(n))


def body(rng: np.random.Generator) -> Floats:
    """A trunk with fat, a spine, bowel gas and a few organs."""
    volume = np.full(SHAPE, -1000, np.float32)
    half = np.array([999, rng.uniform(95, 135), rng.uniform(130, 175)])
    middle = np.array([128, 192, 192]) + rng.normal(0, 6, 3)
    trunk = ellipsoid(middle, half)
    volume[trunk < 1] = -100
    volume[trunk < rng.uniform(0.6, 0.85)] = rng.uniform(20, 50)
    volume[ellipsoid(middle + np.array([0, 0.7 * half[1], 0]), np.array([999, 22, 24])) < 1] = rng.uniform(200, 400)
    for _ in range(6):
        centre = middle + rng.uniform(-0.6, 0.6, 3) * (110, half[1], half[2])
        volume[(ellipsoid(centre, rng.uniform(18, 55, 3)) < 1) & (trunk < 0.7)] = rng.uniform(30, 140)
    for _ in range(3):
        centre = middle + rng.uniform(-0.6, 0.6, 3) * (110, half[1], half[2])
        volume[(ellipsoid(centre, rng.uniform(8, 20, 3)) < 1) & (trunk < 0.7)] = -800
    return volume


def bent_tube(rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """A tube across the middle of the body, and points along it in millimetres."""
    t = np.linspace(-1, 1, 15)
    middle = np.array([128, 190, 192]) + rng.normal(0, 8, 3)
    points = middle + np.stack([20 * t * rng.uniform(0.3, 1.5), -18 * (1 - t**2) * rng.uniform(0.5, 1.3), 62 * t], axis=1)
    inside = np.zeros(SHAPE, bool)
    for point in points:
        inside |= distance_mm(point) < rng.uniform(9, 13)
    return inside, points


def scanned(volume: Floats, noise: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """The volume after a small shift, blur and noise of the scanner, in Hounsfield units."""
    moved = np.roll(volume, tuple(rng.integers(-2, 3, 3)), (0, 1, 2))
    seen = gaussian_filter(moved, 0.6) + noise * rng.standard_normal(SHAPE, np.float32)
    return np.rint(np.clip(seen, -1024, 3000)).astype(np.int16)


def ellipsoid(centre: NDArray[np.float64], half: NDArray[np.float64]) -> Floats:
    """For each voxel the squared distance from `centre` (mm), in units of the half axes `half` (mm); 1 on the ellipsoid."""
    axes = [((np.arange(n) * mm - c) / h) ** 2 for n, mm, c, h in zip(SHAPE, SPACING_MM, centre, half, strict=True)]
    return np.asarray(axes[0][:, None, None] + axes[1][:, None] + axes[2], dtype=np.float32)


def distance_mm(centre: NDArray[np.float64]) -> Floats:
    """For each voxel its distance from `centre`, in millimetres."""
    return np.sqrt(ellipsoid(centre, np.ones(3)))


VOLUME_PROXIES: dict[str, Callable[[int], VolumeProxy]] = {
    "mass": partial(masses, name="mass", seed=911, radius_mm=(12, 24), contrast=45, noise=20, twice=0),
    "faint": partial(masses, name="faint", seed=912, radius_mm=(8, 18), contrast=35, noise=35, twice=0.4),
    "cavity": partial(cavities, seed=913),
}
"""By name; each draws a given number of volumes."""
