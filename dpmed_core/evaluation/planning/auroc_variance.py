"""What the variance of an AUROC, and of a difference of two on the same cases, will be: from the design, before there are scores."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def auroc_variance(auroc: ArrayLike, n_positive: ArrayLike, n_negative: ArrayLike) -> Floats:
    """Variance of an AUROC A estimated in so many independent cases,

    V(A) = A (1 - A) (1 + N (1 - A) / (2 - A) + N A / (1 + A)) / (n_positive n_negative),   N = (n_positive + n_negative) / 2 - 1,

    which is Hanley & McNeil's 1982 variance under exponential scores with both classes' numbers replaced by their mean in the numerator,
    so that it depends on A alone and not on which class is the rarer. Source: Newcombe 2006, Statistics in Medicine 25, method 5.

    >>> round(float(auroc_variance(0.8, 20, 80)) ** 0.5, 4)
    0.0556
    """
    a, m, n = (np.asarray(x, dtype=float) for x in (auroc, n_positive, n_negative))
    n_star = (m + n) / 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(a * (1 - a) * (1 + n_star * (1 - a) / (2 - a) + n_star * a / (1 + a)) / (m * n))


def difference_variance(
    private: ArrayLike, reference: ArrayLike, *, between_arms: ArrayLike, between_trainings: ArrayLike, n_trainings: int
) -> Floats:
    """Variance that the patients give to the mean over trainings of private minus non-private AUROC.

    A mean over m trainings with equal variances V and correlation r has the variance V (1 + (m - 1) r) / m; the reference is one model.

    >>> float(difference_variance(4.0, 4.0, between_arms=0.75, between_trainings=1.0, n_trainings=3))  # 4 + 4 - 2 x 0.75 x 4
    2.0

    Args:
        private: variance of a private model's AUROC.
        reference: of the reference's.
        between_arms: correlation of the two, which score the same cases.
        between_trainings: correlation of two private trainings'.
        n_trainings: m.
    """
    v1, v0, r10, r11 = (np.asarray(x, dtype=float) for x in (private, reference, between_arms, between_trainings))
    of_mean = v1 * (1 + (n_trainings - 1) * r11) / n_trainings
    return np.asarray(np.maximum(of_mean + v0 - 2 * r10 * np.sqrt(v1 * v0), 0))
