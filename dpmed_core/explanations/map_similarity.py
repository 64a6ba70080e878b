"""How similar two explanation maps are, and the sanity check that follows from it."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

SIMILAR_CORRELATION = 0.5
"""Rank correlation with the map of a model with random weights from which on the page says that a map shows the image, not the model."""
SCALE_QUANTILE = 0.995


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps' absolute values, -1 to 1; NaN where one is constant.

    >>> round(rank_correlation(np.array([1.0, -2.0, 3.0]), np.array([10.0, 20.0, -30.0])), 6)
    1.0

    Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv 1810.03292.
    """
    # Absolute values: two maps that mark the same regions with opposite signs look alike to a reader.
    a, b = (rankdata(np.abs(m).ravel()) for m in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else float("nan")


def sanity_sentence(with_random: float) -> str:
    """The result of the sanity check in words, from a map's rank correlation with the map of a model with random weights."""
    if np.isnan(with_random):
        return "This map has the same value everywhere: it shows nothing."
    correlation = f"(rank correlation {with_random:.2f})".replace("-", "−")
    if with_random >= SIMILAR_CORRELATION:
        return f"An untrained model gives a similar map {correlation}: this map reflects the image more than the trained model."
    return f"An untrained model gives a different map {correlation}: this map depends on what the model has learnt."


def shared_scale(maps: NDArray[np.floating]) -> float:
    """The end of the colour scale that all `maps` share: the largest 99.5th percentile of their absolute values; 0 without maps."""
    # A quantile, not the maximum: a single extreme pixel would leave the rest of every map without colour.
    return max((float(np.quantile(np.abs(m), SCALE_QUANTILE)) for m in maps), default=0.0)
