"""Agreement of two raters on the same cases."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from dpmed_core.evaluation.statistics.intervals import CONFIDENCE

Answers = NDArray[np.bool_]


class Agreement(NamedTuple):
    """Agreement of two raters.

    Attributes:
        share: of the cases on which their answers are equal.
        kappa: Cohen's kappa, agreement beyond chance; NaN where both gave one and the same answer throughout.
        low: lower bound of its 95 % interval.
        high: upper bound.
    """

    share: float
    kappa: float
    low: float
    high: float


def agreement(first: Answers, second: Answers) -> Agreement:
    """The agreement of two raters' answers `[n]`.

    kappa = (p_o - p_e) / (1 - p_e), with its large-sample variance: p_o is the observed share of equal answers, p_e the share that two
    independent raters with the same numbers of positive answers would reach.

    >>> first, second = np.array([True, True, False, False]), np.array([True, False, False, False])
    >>> round(agreement(first, second).share, 2), round(agreement(first, second).kappa, 2)
    (0.75, 0.5)
    >>> counts = [58, 12, 4, 31]  # both positive, second only, first only, neither: the example of `ci.kappa` in the R package statpsych
    >>> first, second = np.repeat([True, False, True, False], counts), np.repeat([True, True, False, False], counts)
    >>> [round(float(value), 4) for value in agreement(first, second)]
    [0.8476, 0.6757, 0.5317, 0.8196]

    Source: Cohen 1960, Educational and Psychological Measurement 20; Fleiss, Cohen & Everitt 1969, Psychological Bulletin 72.
    """
    n = len(first)
    table = np.array([[np.mean((first == a) & (second == b)) for b in (False, True)] for a in (False, True)])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if math.isclose(expected, 1.0):  # chance agrees always, so kappa would be 0 / 0
        return Agreement(observed, math.nan, math.nan, math.nan)
    kappa = (observed - expected) / (1 - expected)
    reach = norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt(_variance(table, rows, columns, kappa, expected) / n)
    return Agreement(observed, kappa, max(-1.0, kappa - reach), min(1.0, kappa + reach))


def _variance(table: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64], kappa: float, expected: float) -> float:
    """n times the large-sample variance of kappa (Fleiss, Cohen & Everitt 1969), from the shares of the four pairs of answers."""
    same = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    apart = (1 - kappa) ** 2 * sum(table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    return max(0.0, float(same + apart - (kappa - expected * (1 - kappa)) ** 2)) / (1 - expected) ** 2
