"""Which range of values is displayed where a file does not say: that between two percentiles of its own values."""

import numpy as np
from numpy.typing import NDArray

TAILS_PERCENT = (0.5, 99.5)
"""Percentiles of the pixel values that become black and white."""
TAILS_WORDS = "the range between the 0.5th and the 99.5th percentile of its values is displayed"
FLAT = 1 / 12
"""An image that a window displays within a smaller share of the grey levels shows hardly anything."""
COLOURED, COLOURED_SHARE = 16 / 255, 0.01
"""Difference between two of red, green and blue by which a pixel is coloured, and the share of pixels by which an image is."""
SAMPLED_PIXELS = 1 << 16

NOT_NUMBERS = "holds values that are not numbers (NaN or infinite): export it again."


def tails(values: NDArray[np.floating], counts: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """The percentiles `TAILS_PERCENT` of `values`; their least and greatest value where nearly all of them are the same.

    Args:
        values: of pixels.
        counts: how many pixels have each of `values`; None for one.
    """
    if counts is None:
        low, high = np.percentile(values, TAILS_PERCENT)
    else:
        order = np.argsort(values, kind="stable")
        below = np.cumsum(counts[order])
        indices = np.searchsorted(below, np.array(TAILS_PERCENT) / 100 * (below[-1] - 1), side="right")
        low, high = values[order][indices]
    return (float(low), float(high)) if high > low else (float(values.min()), float(values.max()))


def between(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.float64]:
    """`values` scaled linearly so that `low` becomes 0 and `high` 1, and clipped.

    >>> between(np.array([0.0, 100.0, 150.0, 300.0]), 100, 200)
    array([0. , 0. , 0.5, 1. ])
    """
    return np.asarray(np.clip((values - low) / (high - low), 0, 1))


def is_coloured(rgb: NDArray[np.generic], *, white: float) -> bool:
    """Whether `rgb` `[rows, columns, 3]`, values up to `white`, shows colours rather than greys; a sample of its pixels is examined."""
    flat = rgb.reshape(-1, 3)
    sample = flat[:: max(1, len(flat) // SAMPLED_PIXELS)].astype(np.float32) / white
    return bool((np.ptp(sample, axis=1) > COLOURED).mean() > COLOURED_SHARE)
