"""Whether a chest radiograph is displayed as a negative, with bright lungs, because its header is wrong or was altered.

The image, less a frame of one grey level, is reduced to `SIDE` x `SIDE` pixels of mean zero and standard deviation one. Three
convolutions with some nineteen thousand weights look for what tells bright bone, vessels and letters from dark lung wherever it lies; their
means and maxima are added up. The score is what they say of the image less what they say of its negative: the negative has the same score
with the other sign, whatever the weights, so nothing about the detector prefers one answer.

A radiograph counts as a negative only below `-CERTAIN`; between that and 0 it is doubtful, which changes nothing but asks for a look. What
the weights were fitted on stands in `polarity.json` beside them; `python -m benchmarks.polarity_fit` fits them, and
`python -m benchmarks polarity` measures them on patients that they were not fitted on.
"""

from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

SIDE, SAMPLED_SIDE = 48, 256
CERTAIN = 1.0
"""Size of the score, in logits, from which on it counts."""
FRAME, LEAST_SIDE = 0.02, 8
"""Outer rows and columns whose grey values differ by at most this are a frame, unless less than `LEAST_SIDE` pixels a side remain."""
FARTHEST = 4.0
"""Grey values farther from the mean, in standard deviations, count as this far."""
STRIDE = 2
LAYERS = ("first", "second", "third")
WEIGHTS = Path(__file__).with_suffix(".safetensors")

Weights = dict[str, NDArray[np.float32]]


class Polarity(StrEnum):
    """What a chest radiograph looks like: displayed as usual, with dark lungs; rather a negative than not; a negative."""

    USUAL = "usual"
    DOUBTFUL = "doubtful"
    NEGATIVE = "negative"


def polarity_of(image: NDArray[np.float32]) -> Polarity:
    """What `image` `[rows, columns]` in [0, 1], a chest radiograph, looks like."""
    score = polarity_score(image)
    return Polarity.NEGATIVE if score < -CERTAIN else Polarity.DOUBTFUL if score < 0 else Polarity.USUAL


def is_negative(image: NDArray[np.float32]) -> bool:
    """Whether `image` `[rows, columns]` in [0, 1], a chest radiograph, looks like a negative, beyond doubt as `CERTAIN` draws it."""
    return polarity_of(image) is Polarity.NEGATIVE


def polarity_score(image: NDArray[np.float32], weights: Weights | None = None) -> float:
    """The log-odds that `image` is no negative: above 0 for a correct image, below 0 for a negative, 0 for a constant one.

    Args:
        image: `[rows, columns]` in [0, 1].
        weights: other ones than those that ship with DPMed.
    """
    small = reduced(image)
    both = np.stack([small, small[:, ::-1]])[:, None]
    said = _evidence(np.concatenate([both, -both]), shipped_weights() if weights is None else weights)
    return float((said[:2] - said[2:]).mean())


@cache
def shipped_weights() -> Weights:
    """The weights that ship with DPMed, by layer and name."""
    return dict(load_file(WEIGHTS))


def reduced(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image without its frame, `[SIDE, SIDE]`, of mean zero and standard deviation one; zero everywhere if it is constant."""
    step = max(1, min(image.shape) // SAMPLED_SIDE)  # thinned out first: the reduction then costs the same for every size
    sampled = np.ascontiguousarray(_without_frame(image[::step, ::step]))
    way = Image.Resampling.BOX if min(sampled.shape) >= 2 * SIDE else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(sampled).resize((SIDE, SIDE), way), dtype=np.float32)
    if np.ptp(small) < 1e-5:
        return np.zeros_like(small)
    return np.asarray(np.clip((small - small.mean()) / (small.std() + 1e-6), -FARTHEST, FARTHEST), dtype=np.float32)


def _without_frame(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image within its outer rows and columns of one grey level: padding and collimators say nothing about the lungs."""
    rows, columns = (np.flatnonzero(np.ptp(image, axis=axis) > FRAME) for axis in (1, 0))
    if len(rows) == 0 or len(columns) == 0:
        return image
    within = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return within if min(within.shape) >= LEAST_SIDE else image


def _evidence(images: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """What the network says of each of `images` `[n, 1, SIDE, SIDE]`: `[n]`."""
    maps = images
    for layer in LAYERS:
        maps = np.maximum(_convolved(maps, weights[f"{layer}.weight"], weights[f"{layer}.bias"]), 0)
    pooled = np.concatenate([maps.mean(axis=(2, 3)), maps.max(axis=(2, 3))], axis=1)
    return np.asarray(pooled @ weights["last.weight"][0])


def _convolved(maps: NDArray[np.float32], kernels: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """`maps` `[n, channels, rows, columns]`, zero beyond their edges, convolved with `kernels` `[out, channels, k, k]`."""
    size = kernels.shape[-1]
    padded = np.pad(maps, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::STRIDE, ::STRIDE]
    found = np.tensordot(windows, kernels, axes=((1, 4, 5), (1, 2, 3))) + bias
    return np.asarray(np.moveaxis(found, -1, 1))
