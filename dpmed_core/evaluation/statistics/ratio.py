"""Ratios of sums over cases, by subgroup: a share of images, a mean of squared errors.

A ratio R = sum of num_p / sum of den_p over patients p has the influence value

    d_p = (num_p - R den_p) / den / (1 - den_p / den) sqrt((I - 1) / I),        den = sum of den_p over the I patients with den_p > 0,

which is what R loses when patient p is left out, times the jackknife's factor (`statistics.jackknife.influence_values`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping
from dpmed_core.evaluation.statistics.jackknife import influence_values

Floats = NDArray[np.float64]


class Ratio(NamedTuple):
    """A ratio in each subgroup.

    Attributes:
        values: `[n_groups]`; NaN where the denominator is 0.
        influence: d_p of each cell `[n_cells]`.
        total: denominators `[n_groups]`.
        n_patients: patients in the denominator `[n_groups]`.
        n_effective: the same, weighed by what each holds of it: (sum den_p)^2 / sum den_p^2 (Kish 1965, "Survey Sampling").
    """

    values: Floats
    influence: Floats
    total: Floats
    n_patients: Floats
    n_effective: Floats


def ratio(numerator: Floats, denominator: Floats, grouping: Grouping) -> Ratio:
    """The ratio of sums over each subgroup's cells.

    >>> import pandas as pd
    >>> from dpmed_core.evaluation.scores.grouping import group_cases
    >>> grouping = group_cases(pd.DataFrame(index=range(4)), (), np.arange(4), n_patients=4)  # four patients of one image
    >>> share = ratio(np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4), grouping)
    >>> float(share.values[0]), round(float((share.influence**2).sum()), 6)  # p (1 - p) / (n - 1), the jackknife's variance
    (0.75, 0.0625)

    Args:
        numerator: `[n_cells]`.
        denominator: `[n_cells]`, not below 0.
        grouping: the subgroups.
    """
    group = grouping.cell_group
    total, squares = grouping.sum_cells(denominator), grouping.sum_cells(np.square(denominator))
    n_patients = grouping.sum_cells((denominator > 0).astype(float))
    # Where nobody is in the denominator the ratio is 0 / 0: NaN, not 0, since a share of 0 would be a result.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = grouping.sum_cells(numerator) / total
        residual = (numerator - values[group] * denominator) / total[group]
        influence = influence_values(residual, denominator / total[group], n_patients[group])
    return Ratio(values, influence, total, n_patients, np.square(total) / np.maximum(squares, 1))
