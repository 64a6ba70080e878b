"""Variances over patients from influence values: of a statistic itself, and of its logit."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpmed_core.evaluation.scores.grouping import Grouping
from dpmed_core.evaluation.statistics.intervals import freedom_of, logit

Floats = NDArray[np.float64]


def jackknife(influence: Floats, grouping: Grouping, n_effective: Floats) -> tuple[Floats, Floats]:
    """Variance `[..., n_groups]` of statistics with `influence` `[..., n_cells]`, and its degrees of freedom.

    The variance is the sum of d_p^2 over the patients, centred at the estimate: the cluster jackknife CV3 of MacKinnon, Nielsen & Webb
    2023, Journal of Applied Econometrics 38.

    Args:
        influence: what each statistic loses without the patient of a cell.
        grouping: the subgroups.
        n_effective: patients of the rarer class `[..., n_groups]`, weighed by their images.
    """
    squares = np.square(influence)
    variance = grouping.sum_cells(squares)
    return variance, freedom_of(variance, grouping.sum_cells(np.square(squares)), n_effective)


def jackknife_of_patients(influence: Floats, n_effective: ArrayLike) -> tuple[Floats, Floats]:
    """The same for influence values that are laid out by patient `[..., n_patients]`, as for statistics over several subgroups.

    A patient's images may stand in several subgroups: the values of one patient must be added before they are squared, so that the
    covariance of the subgroups is in the sum.
    """
    squares = np.square(influence)
    variance = squares.sum(axis=-1)
    return variance, freedom_of(variance, np.square(squares).sum(axis=-1), n_effective)


def logit_jackknife(values: Floats, influence: Floats, grouping: Grouping, n_effective: Floats) -> tuple[Floats, Floats]:
    """`jackknife` of the logits of `values` `[..., n_groups]`.

    Each patient is left out of the statistic and the logit taken then, not the logit's slope at the estimate: near 1, where one patient
    may hold most of the errors, the slope would make the interval too short.
    """
    centre = values[..., grouping.cell_group]
    return jackknife(logit(centre) - logit(centre - influence), grouping, n_effective)


def influence_values(residual: Floats, share: Floats, n_patients: Floats) -> Floats:
    """d_p: what a mean loses without patient p (`left_out`), times sqrt((I - 1) / I) for a mean over I patients.

    The factor makes the sum of d_p^2 the jackknife's variance (I - 1) / I sum (loss)^2, so that the factor need not be carried along.

    >>> values = np.array([1.0, 2.0, 6.0])
    >>> d = influence_values((values - 3) / 3, np.full(3, 1 / 3), np.full(3, 3))
    >>> round(float(d @ d), 6), round(float(values.var(ddof=1) / 3), 6)  # the variance of a mean
    (2.333333, 2.333333)

    Args:
        residual: the patient's part of the sum minus its expectation, over the denominator.
        share: what the patient holds of the denominator, 0 to 1.
        n_patients: patients in the denominator.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return left_out(residual, share) * np.sqrt((n_patients - 1) / n_patients)


def left_out(residual: Floats, share: Floats) -> Floats:
    """residual / (1 - share), what a mean loses without a patient who holds `share` of it; 0 where the patient is alone.

    >>> values = np.array([1.0, 2.0, 6.0])  # mean 3; without the last it is 1.5, so it loses 1.5
    >>> left_out((values - 3) / 3, np.full(3, 1 / 3)).round(12).tolist()
    [-1.0, -0.5, 1.5]
    """
    # The maximum only keeps the branch that is not chosen from dividing by 0; an unknown share stays unknown.
    return np.where(share < 1, residual / np.maximum(1 - share, 1e-12), np.where(np.isnan(share), np.nan, 0.0))
