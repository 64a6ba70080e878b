"""The detector of negatives on whole, cropped, turned, framed and windowed radiographs.

    python -m benchmarks polarity            # the table; needs DPMED_REAL_COHORTS

How many correct ones it takes for negatives, and how many negatives it finds. None of the radiographs was used to fit the weights
(`benchmarks/polarity_fit.py`): the patients of one half of the part of ChestX-ray14, a hash of whose number says so; the children of
PneumoniaMNIST's test part; synthetic radiographs of other seeds. The negative of a view with a black frame has a white one, and the
reverse: both are in the table.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lateral_radiographs import draw_lateral_radiographs
from dpmed_core.imaging.polarity import CERTAIN, Weights, polarity_score
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs

Pixels = NDArray[np.float32]
Images = list[Pixels]
View = Callable[[Pixels], Pixels]
FIT_HALF, MEASURED_HALF = 0, 1
N_DEMO, DEMO_SEED, N_LATERAL = 400, 0, 200
FRAME = 0.12
"""Width of a frame, of the image's side."""


def _crop(top: float, bottom: float, left: float, right: float) -> View:
    def cut(image: Pixels) -> Pixels:
        rows, columns = image.shape
        return np.ascontiguousarray(image[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)])

    return cut


def _tilted(degrees: float, corners: float) -> View:
    return lambda image: np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=corners))


def _framed(grey: float) -> View:
    return lambda image: np.pad(image, [(round(FRAME * side),) * 2 for side in image.shape], constant_values=grey)


def _beside(grey: float) -> View:
    """The image with an empty strip on one side, as of a narrow exposure on a wide detector."""
    return lambda image: np.pad(image, ((0, 0), (0, round(0.4 * image.shape[1]))), constant_values=grey)


def _lettered(grey: float) -> View:
    """The image with an L and an I in its upper left corner, an eighth of its height."""

    def written(image: Pixels) -> Pixels:
        rows, columns = image.shape
        tall, wide, start, left = rows // 8, columns // 24 + 1, rows // 16, columns // 16
        shown = image.copy()
        shown[start : start + tall, left : left + wide] = grey
        shown[start + tall - wide : start + tall, left : left + 3 * wide] = grey
        shown[start : start + tall, left + 4 * wide : left + 5 * wide] = grey
        return shown

    return written


def _windowed(low: float, high: float) -> View:
    """The image between two quantiles of its grey values, black below and white above."""

    def shown(image: Pixels) -> Pixels:
        darkest, brightest = np.quantile(image, (low, high))
        return np.asarray(np.clip((image - darkest) / max(brightest - darkest, 1e-3), 0, 1), dtype=np.float32)

    return shown


VIEWS: dict[str, View] = {
    "whole": lambda image: image,
    "left two thirds": _crop(0, 1, 0, 2 / 3),
    "right two thirds": _crop(0, 1, 1 / 3, 1),
    "upper two thirds": _crop(0, 2 / 3, 0, 1),
    "lower two thirds": _crop(1 / 3, 1, 0, 1),
    "left half": _crop(0, 1, 0, 0.5),
    "right half": _crop(0, 1, 0.5, 1),
    "upper half": _crop(0, 0.5, 0, 1),
    "lower half": _crop(0.5, 1, 0, 1),
    "middle": _crop(0.15, 0.85, 0.15, 0.85),
    "upper left": _crop(0, 0.67, 0, 0.67),
    "upper right": _crop(0, 0.67, 0.33, 1),
    "lower left": _crop(0.33, 1, 0, 0.67),
    "lower right": _crop(0.33, 1, 0.33, 1),
    "turned by 90 degrees": lambda image: np.ascontiguousarray(np.rot90(image)),
    "turned by 180 degrees": lambda image: np.ascontiguousarray(image[::-1, ::-1]),
    "turned by 270 degrees": lambda image: np.ascontiguousarray(np.rot90(image, 3)),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "tilted by 15 degrees, corners black": _tilted(15, 0),
    "tilted by 15 degrees, corners white": _tilted(15, 1),
    "tilted by -15 degrees, corners black": _tilted(-15, 0),
    "tilted by -15 degrees, corners white": _tilted(-15, 1),
    "black frame": _framed(0),
    "white frame": _framed(1),
    "black strip beside": _beside(0),
    "white strip beside": _beside(1),
    "white letters": _lettered(1),
    "black letters": _lettered(0),
    "darker half of the greys": _windowed(0, 0.5),
    "brighter half of the greys": _windowed(0.5, 1),
    "middle half of the greys": _windowed(0.25, 0.75),
    "brightened": lambda image: image**0.5,
    "darkened": lambda image: image**2,
}


def rows() -> list[dict[str, object]]:
    """One row for each set of radiographs and view of them: shares of correct ones taken for negatives, and of negatives found."""
    return [row for name, images in measured_sets() for row in rows_of(name, images)]


def measured_sets() -> Iterator[tuple[str, Images]]:
    """The radiographs that the weights were not fitted on."""
    yield "ChestX-ray14, the other half of the patients", adults(MEASURED_HALF)
    yield "PneumoniaMNIST, test part", children("test")
    yield "synthetic, the demo's", synthetic(DEMO_SEED)
    yield "synthetic, from the side", draw_lateral_radiographs(N_LATERAL, size=128, seed=DEMO_SEED)


def rows_of(name: str, images: Images, weights: Weights | None = None) -> Iterator[dict[str, object]]:
    """The rows of one set; `weights` other than those that ship with DPMed."""
    for view in VIEWS:
        false, found = shares(images, view, weights)
        yield {"radiographs": name, "view": view, "n": len(images), "false_positives": round(false, 4), "negatives_found": round(found, 4)}


def shares(images: Iterable[Pixels], view: str, weights: Weights | None = None) -> tuple[float, float]:
    """The shares of correct images taken for negatives and of negatives found, in one of the `VIEWS`."""
    correct = [VIEWS[view](image) for image in images]
    scores = [np.array([polarity_score(image, weights) for image in shown]) for shown in (correct, [1 - one for one in correct])]
    false, found = (float(np.mean(score < -CERTAIN)) for score in scores)
    return false, found


def adults(half: int) -> Images:
    """The radiographs of one half of the patients of the part of ChestX-ray14; a patient's half follows from a hash of its number."""
    folder = Path(os.environ["DPMED_REAL_COHORTS"]) / "nih1000"
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    of_half = [int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 2 == half for patient in table["patient_id"]]
    return [np.asarray(Image.open(folder / name), dtype=np.float32) / 255 for name in table["image"][of_half]]


def children(part: str) -> Images:
    """The radiographs of children of one part, "train", "val" or "test"."""
    with np.load(next((Path(os.environ["DPMED_REAL_COHORTS"]) / "pneumoniamnist").glob("*.npz"))) as file:
        return list(file[f"{part}_images"].astype(np.float32) / 255)


def synthetic(seed: int, n_images: int = N_DEMO) -> Images:
    """Synthetic radiographs of the demo cohort's kind."""
    drawn = render_radiographs(draw_population(n_images, seed=seed), size=128, seed=seed)
    return list(drawn.astype(np.float32) / 255)
