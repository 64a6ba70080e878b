"""How far two raters of the same cases agree."""

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
        share: of the cases on which they say the same.
        kappa: Cohen's kappa, agreement beyond chance; NaN where one answer was given throughout by both.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    share: float
    kappa: float
    low: float
    high: float


def agreement(first: Answers, second: Answers) -> Agreement:
    """The agreement of two raters' answers `[n]`.

    kappa = (p_o - p_e) / (1 - p_e), with its large-sample variance.

    Source: Cohen 1960, Educational and Psychological Measurement 20; Fleiss, Cohen & Everitt 1969, Psychological Bulletin 72.
    """
    n = len(first)
    table = np.array([[np.mean((first == a) & (second == b)) for b in (False, True)] for a in (False, True)])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if math.isclose(expected, 1.0):
        return Agreement(observed, math.nan, math.nan, math.nan)
    kappa = (observed - expected) / (1 - expected)
    reach = norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt(_variance(table, rows, columns, kappa, expected) / n)
    return Agreement(observed, kappa, max(-1.0, kappa - reach), min(1.0, kappa + reach))


def _variance(table: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64], kappa: float, expected: float) -> float:
    """The variance of kappa, times n."""
    same = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    apart = (1 - kappa) ** 2 * sum(table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    return max(0.0, float(same + apart - (kappa - expected * (1 - kappa)) ** 2)) / (1 - expected) ** 2
