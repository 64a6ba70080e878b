"""Variances over patients from influence values: of a statistic itself, and of its logit."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping
from dpmed_core.evaluation.statistics.intervals import freedom_of, logit

Floats = NDArray[np.float64]


def jackknife(influence: Floats, grouping: Grouping, n_effective: Floats) -> tuple[Floats, Floats]:
    """Variance `[..., n_groups]` of statistics with `influence` `[..., n_cells]`, and its degrees of freedom.

    Args:
        influence: what each statistic loses without the patient of a cell.
        grouping: the subgroups.
        n_effective: patients of the rarer class `[..., n_groups]`, weighed by their images.
    """
    squares = np.square(influence)
    variance = grouping.sum_cells(squares)
    return variance, freedom_of(variance, grouping.sum_cells(np.square(squares)), n_effective)


def logit_jackknife(values: Floats, influence: Floats, grouping: Grouping, n_effective: Floats) -> tuple[Floats, Floats]:
    """The same of the logits of `values` `[..., n_groups]`.

    Each patient is left out of the statistic and the logit taken then, not the logit's slope at the estimate: near 1, where one patient
    may hold most of the errors, the slope would make the interval too short.
    """
    centre = values[..., grouping.cell_group]
    return jackknife(logit(centre) - logit(centre - influence), grouping, n_effective)
