"""The mean of a difference over repeated random splits of the same patients."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dpmed_core.evaluation.statistics.intervals import TAIL, upper_quantile

FEWEST_SPLITS = 3
"""With fewer splits the variance between them says next to nothing."""


class Resampled(NamedTuple):
    """A mean over splits, its standard error, degrees of freedom, and 95 % interval."""

    mean: float
    error: float
    freedom: int
    low: float
    high: float


def corrected_resampled(differences: ArrayLike, *, test_to_train: float) -> Resampled:
    """The corrected resampled t interval of differences `[n_splits]`.

    The splits share patients, so that their differences are correlated and their variance over K is too small. The variance of the mean is
    taken as (1 / K + n_test / n_train) s^2, with K - 1 degrees of freedom. Source: Nadeau & Bengio 2003, Machine Learning 52.

    >>> found = corrected_resampled([0.02, 0.04, 0.06], test_to_train=0.25)
    >>> round(found.mean, 3), round(found.error, 4), found.freedom  # s = 0.02, sqrt(1 / 3 + 1 / 4) x 0.02
    (0.04, 0.0153, 2)

    Args:
        differences: one a split, at least two.
        test_to_train: patients of the test part over those of the training part.
    """
    values = np.asarray(differences, dtype=float)
    mean, freedom = float(values.mean()), len(values) - 1
    error = float(np.sqrt((1 / len(values) + test_to_train) * values.var(ddof=1)))
    reach = float(upper_quantile(TAIL, freedom)) * error
    return Resampled(mean, error, freedom, mean - reach, mean + reach)
