"""The expected calibration error, and what it is for a perfectly calibrated model with the same scores.

The error is biased: labels scatter around any score, so it is above 0 even where every score is right, the more so the fewer images a bin
holds. For labels drawn from the scores themselves its expectation is the sum over bins of E|S - E S| / n, S the positives of a bin. A bin's
scores are alike, so that S is nearly binomial with their mean p; the mean absolute deviation of that is known in closed form,

    E|S - b p| = 2 v C(b, v) p^v (1 - p)^(b - v + 1),      v = floor(b p) + 1,

and is scaled to the standard deviation that S really has.

Source: Naeini et al. 2015, AAAI (the error); de Moivre 1730, as in Diaconis & Zabell 1991, Statistical Science 6 (the deviation).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

N_BINS = 10
Floats = NDArray[np.float64]


def expected_calibration_error(scores: Floats, labels: Floats) -> float:
    """Mean over bins of |mean score - share of positives|, weighed by the bins' images; `N_BINS` bins of equally many images by score.

    >>> expected_calibration_error(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.0
    >>> round(expected_calibration_error(np.full(10, 0.2), np.repeat([1.0, 0.0], [4, 6])), 3)  # (4 x 0.8 + 6 x 0.2) / 10
    0.44
    """
    return float(sum(abs(scores[part].sum() - labels[part].sum()) for part in _bins(scores)) / len(scores))


def calibration_error_floor(scores: Floats) -> float:
    """The expected calibration error that is to be expected of a perfectly calibrated model with these scores, images independent.

    >>> round(calibration_error_floor(np.full(40, 0.5)), 4)  # ten bins of four images: E|S - 2| is 3/4, over 4 images
    0.1875

    Args:
        scores: `[n_cases]`, probabilities; those outside 0 to 1 count as 0 or 1.
    """
    scores = np.clip(scores, 0.0, 1.0)
    parts = _bins(scores)
    sizes, means = np.array([float(len(part)) for part in parts]), np.array([scores[part].mean() for part in parts])
    squares = np.array([np.square(scores[part] - scores[part].mean()).mean() for part in parts])
    v = np.minimum(np.floor(sizes * means) + 1, sizes)
    ways = gammaln(sizes + 1) - gammaln(v + 1) - gammaln(sizes - v + 1)
    deviation = 2 * v * np.exp(ways + xlogy(v, means) + xlogy(sizes - v + 1, 1 - means))
    binomial = means * (1 - means)
    # A bin's scores differ a little, which makes its count vary less than a binomial one.
    scale = np.sqrt(np.divide(np.maximum(binomial - squares, 0), binomial, out=np.zeros_like(binomial), where=binomial > 0))
    return float((deviation * scale).sum() / len(scores))


def _bins(scores: Floats) -> Sequence[NDArray[np.intp]]:
    """Bins of equally many images, not of equal width: few patients have high scores, and a bin of two of them would say nothing."""
    return np.array_split(np.argsort(scores, kind="stable"), min(N_BINS, len(scores)))
