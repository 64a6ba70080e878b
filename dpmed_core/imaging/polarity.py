"""Whether a chest radiograph is displayed as a negative, with bright lungs, because its header is wrong or was altered.

The image is reduced to `SIDE` x `SIDE` pixels with mean zero and standard deviation one. `features` measures what does not depend on where
the lungs lie: whether the grey levels have a long dark or a long bright tail, over the whole image and in thin structures of three
sizes (ribs, vessels and letters are bright), whether dark regions have more structure than bright ones, and how bright edges, middle, rows
and columns are. Every feature of the negative is the feature of the image with the other sign, and so is the score, their weighted sum.

A radiograph counts as a negative only below `-CERTAIN`; between, nothing is certain and nothing is changed. The weights are those of a
logistic regression without intercept (`python -m benchmarks.polarity --fit`) on whole, cropped and turned radiographs: of children
(PneumoniaMNIST, CC BY 4.0), of half the patients of a part of ChestX-ray14, and synthetic ones. `python -m benchmarks polarity` measures it
on the other half.

Source: Yang et al. 2023, doi 10.1038/s41597-022-01721-8; Wang et al. 2017, doi 10.1109/CVPR.2017.369.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, SAMPLED_SIDE = 32, 256
CERTAIN = 2.2
"""Size of the score, in logits, from which on it counts."""
QUANTILES = (0.02, 0.1, 0.25, 0.75, 0.9, 0.98)
FINE_SIGMAS, COARSER = (0.7, 1.5, 3.0), 1.6
"""Standard deviations, in reduced pixels, of the structures that are measured, and the ratio of both Gaussians of a difference."""
EDGE_ROWS, EDGE_COLUMNS, MIDDLE = 4, 3, slice(10, 22)
LARGEST_SKEWNESS = 8.0
# fmt: off
WEIGHTS = np.array(
    (
        -8.129, -5.841, 3.155, -1.552, -5.397, -1.539, -31.01, 0.04894,
        -7.819, -4.286, 3.978, -2.895, 4.212, -0.6572, 1.942, -3.439,
        2.466, 2.433, -2.516, 0.05408, -0.008891, 8.113, 2.38,
    )
)
# fmt: on


def is_negative(image: NDArray[np.float32]) -> bool:
    """Whether `image` `[rows, columns]` in [0, 1], a chest radiograph, certainly shows bright lungs beside a dark mediastinum."""
    return polarity_score(image) < -CERTAIN


def polarity_score(image: NDArray[np.float32]) -> float:
    """The weighted sum of the features: above 0 for a correct image, below 0 for a negative, 0 for a constant one."""
    return float(features(image) @ WEIGHTS)


def features(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the score is made of `[23]`; the features of `1 - image` are those of `image` with the other sign."""
    small = _reduced(image)
    low, lower, quarter, upper, higher, high = np.quantile(small, QUANTILES)
    found = [_skewness(small), float(np.median(small)), low + high, lower + higher, quarter + upper]
    for sigma in FINE_SIGMAS:
        fine = _blurred(small, sigma) - _blurred(small, sigma * COARSER)
        found += [_skewness(fine), _agreement(np.abs(fine), _blurred(small, 2 * sigma))]
    rises = np.hypot(*np.gradient(_blurred(small, FINE_SIGMAS[0])))
    edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    columns, rows = small.mean(axis=0), small.mean(axis=1)
    found += [
        _agreement(rises, small),
        -edge.mean(),
        small[MIDDLE, MIDDLE].mean(),
        -small[:EDGE_ROWS].mean(),
        -small[-EDGE_ROWS:].mean(),
        -small[:, :EDGE_COLUMNS].mean(),
        -small[:, -EDGE_COLUMNS:].mean(),
        -edge.min() - edge.max(),
        _skewness(columns),
        _skewness(rows),
        columns.max() + columns.min(),
        rows.max() + rows.min(),
    ]
    return np.array(found, dtype=np.float64)


def _reduced(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """The image at `SIDE` x `SIDE` pixels, with mean zero and standard deviation one; zero everywhere if it is constant."""
    step = max(1, min(image.shape) // SAMPLED_SIDE)  # thinned out first: the reduction then costs the same for every size
    sampled = np.ascontiguousarray(image[::step, ::step])
    way = Image.Resampling.BOX if min(sampled.shape) >= SIDE else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(sampled).resize((SIDE, SIDE), way), dtype=np.float64)
    return np.asarray((small - small.mean()) / (small.std() + 1e-6))


def _blurred(small: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """`small` convolved with a Gaussian, whose weights sum to one at the edges too."""
    distance = np.arange(SIDE)[:, None] - np.arange(SIDE)[None, :]
    kernel = np.exp(-0.5 * (distance / sigma) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.asarray(kernel @ small @ kernel.T)


def _skewness(values: NDArray[np.float64]) -> float:
    """The third standardised moment, within `LARGEST_SKEWNESS`."""
    centred = values - values.mean()
    return float(np.clip((centred**3).mean() / (values.std() + 1e-6) ** 3, -LARGEST_SKEWNESS, LARGEST_SKEWNESS))


def _agreement(structure: NDArray[np.float64], brightness: NDArray[np.float64]) -> float:
    """How much brighter the image is where it has more structure: their covariance in standard deviations of the structure."""
    return float(((structure - structure.mean()) * brightness).mean() / (structure.std() + 1e-6))
