"""The detector of negatives on whole, cropped and turned radiographs: how many correct ones it takes for negatives, how many it finds.

    python -m benchmarks polarity            # the table; needs DPMED_REAL_COHORTS
    python -m benchmarks.polarity --fit      # the weights of `dpmed_core/imaging/polarity.py` anew

Of the part of ChestX-ray14, the patients of one half are those that the weights were fitted on, and the other half is measured; of the
synthetic radiographs, other seeds.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from dpmed_core.imaging.polarity import features, is_negative
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs

Images = list[NDArray[np.float32]]
FIT_HALF, MEASURED_HALF = 0, 1
N_DEMO, DEMO_SEED, FIT_SEED = 400, 0, 1009
N_CHILDREN = 3000


def _crop(top: float, bottom: float, left: float, right: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def cut(image: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = image.shape
        return np.ascontiguousarray(image[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)])

    return cut


VIEWS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "whole": lambda image: image,
    "left two thirds": _crop(0, 1, 0, 2 / 3),
    "right two thirds": _crop(0, 1, 1 / 3, 1),
    "upper two thirds": _crop(0, 2 / 3, 0, 1),
    "lower two thirds": _crop(1 / 3, 1, 0, 1),
    "left half": _crop(0, 1, 0, 0.5),
    "right half": _crop(0, 1, 0.5, 1),
    "middle": _crop(0.15, 0.85, 0.15, 0.85),
    "upper left": _crop(0, 0.67, 0, 0.67),
    "upper right": _crop(0, 0.67, 0.33, 1),
    "lower left": _crop(0.33, 1, 0, 0.67),
    "lower right": _crop(0.33, 1, 0.33, 1),
    "turned by 90 degrees": lambda image: np.ascontiguousarray(np.rot90(image)),
    "turned by 180 degrees": lambda image: np.ascontiguousarray(image[::-1, ::-1]),
    "turned by 270 degrees": lambda image: np.ascontiguousarray(np.rot90(image, 3)),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def rows() -> list[dict[str, object]]:
    """One row for each set of radiographs and view of them: shares of correct ones taken for negatives, and of negatives found."""
    return [row for name, images in measured_sets() for row in _rows_of(name, images)]


def measured_sets() -> Iterator[tuple[str, Images]]:
    """The radiographs that the weights were not fitted on."""
    yield "ChestX-ray14, the other half of the patients", adults(MEASURED_HALF)
    yield "synthetic, the demo's", synthetic(DEMO_SEED)


def _rows_of(name: str, images: Images) -> Iterator[dict[str, object]]:
    for view, seen in VIEWS.items():
        correct = [seen(image) for image in images]
        false, found = (float(np.mean([is_negative(image) for image in shown])) for shown in (correct, [1 - one for one in correct]))
        yield {"radiographs": name, "view": view, "n": len(images), "false_positives": round(false, 4), "negatives_found": round(found, 4)}


def adults(half: int) -> Images:
    """The radiographs of one half of the patients of the part of ChestX-ray14; a patient's half follows from a hash of its number."""
    folder = Path(os.environ["DPMED_REAL_COHORTS"]) / "nih1000"
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    of_half = [int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 2 == half for patient in table["patient_id"]]
    return [np.asarray(Image.open(folder / name), dtype=np.float32) / 255 for name in table["image"][of_half]]


def children() -> Images:
    """Radiographs of children."""
    with np.load(next((Path(os.environ["DPMED_REAL_COHORTS"]) / "pneumoniamnist").glob("*.npz"))) as file:
        pixels = np.concatenate([file[f"{part}_images"] for part in ("train", "val", "test")])[:N_CHILDREN]
    return list(pixels.astype(np.float32) / 255)


def fit() -> NDArray[np.float64]:
    """The weights: each set of radiographs and each view counts the same, whatever its number of images."""
    from sklearn.linear_model import LogisticRegression

    sets = [
        [features(seen(image)) for image in images]
        for images in (children(), adults(FIT_HALF), synthetic(FIT_SEED))
        for seen in VIEWS.values()
    ]
    found = np.concatenate(sets)
    importance = np.concatenate([np.full(len(one), 1000 / len(one)) for one in sets])
    scale = found.std(axis=0)
    # A correct image and its negative mirror each other in the features: without intercept, the score has the other sign too.
    both, answers = np.concatenate([found, -found]) / scale, np.repeat([1, 0], len(found))
    model = LogisticRegression(fit_intercept=False, max_iter=3000).fit(both, answers, sample_weight=np.tile(importance, 2))
    return np.asarray(model.coef_[0] / scale, dtype=np.float64)


def synthetic(seed: int) -> Images:
    """Synthetic radiographs of the demo cohort's kind."""
    drawn = render_radiographs(draw_population(N_DEMO, seed=seed), size=128, seed=seed)
    return list(drawn.astype(np.float32) / 255)


if __name__ == "__main__":
    assert sys.argv[1:] == ["--fit"], "python -m benchmarks.polarity --fit, or python -m benchmarks polarity"
    sys.stdout.write(", ".join(f"{weight:.4g}" for weight in fit()) + "\n")
