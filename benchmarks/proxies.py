"""Public proxy tasks on which the settings of recipes were fixed: none holds a patient's radiograph or the encoder's training data.

`adult`: phantoms like the demo's. `child`: 28 x 28 pixels, small round bodies, other tones, most of them ill, one image per patient.
`ward`: few patients with very unequal numbers of portable radiographs, faint disease, lines and letters on the image, wrong labels.
`digits`: real handwriting (8 x 8 pixels, in scikit-learn), unlike any chest. `shapes`: textures and blobs. A setting is judged by its mean
and its worst regret over all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from dpmed_core.phantoms.chest.anatomy import Grid
from dpmed_core.phantoms.chest.population import FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import attenuation, draw_body, exposed, render_radiographs

SIDE = 64
ADULT_SEED = 901


@dataclass(frozen=True, eq=False)
class Proxy:
    """Radiographs `[n, SIDE, SIDE]`, 8-bit, labels `[n, n_findings]`, the patient of each, and the share of patients to train on."""

    name: str
    radiographs: NDArray[np.uint8]
    labels: NDArray[np.float32]
    patients: NDArray[np.intp]
    train_share: float

    def train_rows(self, *, fold: int) -> NDArray[np.bool_]:
        """Which radiographs are trained on, whole patients, in the random split with index `fold`."""
        n = int(self.patients.max()) + 1
        chosen = np.random.default_rng([fold, n]).random(n) < self.train_share
        return np.asarray(chosen[self.patients])


def adult(n_images: int) -> Proxy:
    """Phantoms like the demo's, of other patients."""
    population = draw_population(n_images, seed=ADULT_SEED)
    radiographs = render_radiographs(population, size=SIDE, seed=ADULT_SEED)
    return Proxy("adult", radiographs, population[list(FINDINGS)].to_numpy(np.float32), _numbered(population["patient"]), 0.6)


def adult_patients(n_images: int) -> NDArray[np.intp]:
    """The patient of each image of `adult`."""
    return _numbered(draw_population(n_images, seed=ADULT_SEED)["patient"])


def child(n_images: int) -> Proxy:
    """Children: one finding, 88 % positive, which is a consolidation or a perihilar haze."""
    rng = np.random.default_rng(902)
    population = draw_population(n_images, seed=902)
    for finding in FINDINGS:
        population[f"severity_{finding}"] *= 0.25
    ill = rng.random(n_images) < 0.88
    viral = rng.random(n_images) < 0.4
    how = np.where(ill, rng.beta(1.6, 1.4, n_images), 0.12 * rng.random(n_images))
    side = np.where(rng.random(n_images) < 0.6, "right", "left")
    for name in ("right", "left"):
        column = f"severity_pneumonic_infiltrates_{name}"
        population[column] = np.where(~viral & ((side == name) | (rng.random(n_images) < 0.25)), 1.5 * how, population[column])
    population["severity_congestion"] = np.where(viral, 1.3 * how, population["severity_congestion"])
    population["portable"] = (rng.random(n_images) < 0.5).astype(int)
    radiographs = np.stack([_child_image(population, i) for i in range(n_images)])
    return Proxy("child", radiographs, ill.astype(np.float32)[:, None], np.arange(n_images), 0.76)


def _child_image(population: pd.DataFrame, index: int) -> NDArray[np.uint8]:
    """One child's radiograph: a small round body, other tones, cropped, with the detail of 28 pixels a side."""
    radiograph, rng = population.iloc[index], np.random.default_rng([902, index])
    severity = {finding: float(radiograph[f"severity_{finding}"]) for finding in FINDINGS}
    body = draw_body(radiograph, severity, "encoder", rng)
    body = replace(
        body,
        fat=0.4 + 0.3 * rng.random(),
        width=rng.uniform(0.62, 0.8),
        apex=rng.uniform(-0.72, -0.5),
        diaphragm=rng.uniform(0.12, 0.36),
        heart=rng.uniform(0.8, 1.12),
        knob=0.35,
        breast=0.0,
        bone=rng.uniform(0.4, 0.8),
        rib_spacing=rng.uniform(0.11, 0.14),
        rotation=rng.normal(0, 0.05),
    )
    picture = exposed(1.1 * attenuation(Grid.of(48), body, severity, rng), radiograph, "encoder", rng)
    picture = np.clip((picture - rng.uniform(-0.1, 0.1)) * rng.uniform(0.75, 1.1), 0, 1) ** rng.uniform(0.7, 1.3)
    margin = int(rng.integers(0, 6))
    return at_side(picture[margin : 48 - margin, int(rng.integers(0, 4)) : 48 - int(rng.integers(0, 4))], 28)


def ward(n_images: int) -> Proxy:
    """Few patients, some with very many radiographs; five faint findings; a tenth of the labels are wrong."""
    rng = np.random.default_rng(903)
    population = draw_population(n_images, seed=903)
    weights = rng.pareto(1.1, n_images // 4) + 1
    patients = np.sort(rng.choice(len(weights), n_images, p=weights / weights.sum()))
    drawn = population.groupby("patient").first().reset_index()
    population[["age", "sex", "heart_failure", "copd", "diabetes"]] = drawn.loc[
        patients % len(drawn), ["age", "sex", "heart_failure", "copd", "diabetes"]
    ].to_numpy()
    for finding in FINDINGS:
        population[f"severity_{finding}"] *= 0.65
    population["portable"] = (rng.random(n_images) < 0.6).astype(int)
    radiographs = render_radiographs(population.infer_objects(), size=SIDE, seed=903)
    radiographs = np.stack([with_lines(radiograph, np.random.default_rng([903, i])) for i, radiograph in enumerate(radiographs)])
    labels = population[list(FINDINGS[:5])].to_numpy(np.float32)
    wrong = rng.random(labels.shape) < 0.1
    return Proxy("ward", radiographs, np.where(wrong, 1 - labels, labels).astype(np.float32), _numbered(pd.Series(patients)), 0.8)


def with_lines(radiograph: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A radiograph with leads, a side marker in a corner, a vignette, and another tone curve."""
    picture = radiograph.astype(np.float32) / 255
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE * 2 - 1
    for _ in range(rng.integers(0, 4)):
        a, b, c, d = rng.normal(0, 0.5, 4)
        picture += rng.uniform(0.1, 0.3) * np.exp(-(((y - a - b * x - c * x * x) / 0.02) ** 2)) * (x > d)
    if rng.random() < 0.5:
        row, column = rng.integers(2, 10), rng.choice([3, 54])
        picture[row : row + 6, column : column + int(rng.integers(2, 6))] = 1
    picture -= rng.uniform(0, 0.3) * (x * x + y * y) / 2
    local = picture - rng.uniform(0, 0.7) * gaussian_filter(picture, 12)
    local = (local - local.min()) / max(float(np.ptp(local)), 1e-6)
    return np.rint(255 * local ** rng.uniform(0.8, 1.4)).astype(np.uint8)


def digits() -> Proxy:
    """Scikit-learn's handwritten digits, each against the others."""
    found = load_digits()
    radiographs = np.stack([at_side(image / 16, 8) for image in found.images])
    return Proxy("digits", radiographs, (found.target[:, None] == np.arange(10)).astype(np.float32), np.arange(len(radiographs)), 0.7)


def shapes(n_images: int) -> Proxy:
    """Fields of texture with or without a blob, stripes, an edge, a shadow."""
    rng = np.random.default_rng(904)
    labels = (rng.random((n_images, 4)) < (0.5, 0.2, 0.3, 0.1)).astype(np.float32)
    radiographs = np.stack([_field(row, np.random.default_rng([904, i])) for i, row in enumerate(labels)])
    return Proxy("shapes", radiographs, labels, np.arange(n_images) // 2, 0.5)


def _field(present: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE * 2 - 1
    picture = gaussian_filter(rng.standard_normal((SIDE, SIDE)), rng.uniform(0.8, 4))
    picture = 0.12 * picture / picture.std() + 0.4 + 0.2 * rng.normal() * x + 0.2 * rng.normal() * y
    cx, cy = rng.uniform(-0.6, 0.6, 2)
    picture += present[0] * 0.22 * np.exp(-(((x - cx) / 0.2) ** 2) - ((y - cy) / 0.2) ** 2)
    picture += present[1] * 0.05 * np.sin(rng.uniform(14, 22) * (x + 0.3 * y))
    picture += present[2] * 0.12 * (y > cy)
    picture -= present[3] * 0.14 * np.exp(-(((x - 0.5) / 0.3) ** 2))
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def at_side(picture: NDArray[np.floating], resolution: int) -> NDArray[np.uint8]:
    """The picture `[SIDE, SIDE]`, 8-bit, with the detail of `resolution` pixels a side."""
    coarse = Image.fromarray(np.asarray(picture, dtype=np.float32)).resize((resolution, resolution), Image.Resampling.LANCZOS)
    shown = coarse.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.rint(255 * np.clip(np.asarray(shown), 0, 1)).astype(np.uint8)


def _numbered(patients: pd.Series) -> NDArray[np.intp]:
    return np.asarray(pd.factorize(patients)[0], dtype=np.intp)


PROXIES: dict[str, Callable[[], Proxy]] = {
    "adult": partial(adult, 1600),
    "child": partial(child, 5000),
    "ward": partial(ward, 1000),
    "digits": digits,
    "shapes": partial(shapes, 1600),
}
