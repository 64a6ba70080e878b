"""What two maps have in common, and what a map is worth."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

ALIKE = 0.5
"""Rank correlation with the map of a model with random weights from which a map is called hardly telling."""
SCALE_QUANTILE = 0.995


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps' absolute values, -1 to 1; NaN where one is constant.

    Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv 1810.03292.
    """
    a, b = (rankdata(np.abs(m).ravel()) for m in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else float("nan")


def sanity_of(with_random: float) -> str:
    """What a map is worth, by its rank correlation with the map of a model with random weights."""
    if np.isnan(with_random):
        return "This map is the same everywhere: it says nothing."
    correlation = f"(rank correlation {with_random:.2f})".replace("-", "−")
    if with_random >= ALIKE:
        return f"A model that learnt nothing gives much the same map {correlation}: this one shows the image rather than the model."
    return f"A model that learnt nothing gives another map {correlation}: this one depends on what was learnt."


def shared_scale(maps: NDArray[np.floating]) -> float:
    """The largest value of the colour scale that all `maps` share, robust against single pixels; 0 where all are 0."""
    return max((float(np.quantile(np.abs(m), SCALE_QUANTILE)) for m in maps), default=0.0)
