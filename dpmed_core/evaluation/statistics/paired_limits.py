"""Limits of the difference of two estimates on the same patients, from each one's own limits and their correlation.

Near 1 the estimated variance of a difference of AUROCs says too little: a model that makes one error has a small one, and a model without
any error has none at all, while its own limits still say how few patients it was seen in. So each estimate moves along its own path, from
its lower limit at u = -1 over the estimate at 0 to its upper limit at u = 1, straight on the scale on which its limits are symmetric (the
logit). With the correlation r of the estimates, the limits of the difference are its least and its largest value where

    (u_1^2 - 2 r u_1 u_2 + u_2^2) / (1 - r^2) <= 1.

On the scale of the paths that region is the likelihood region of two normal estimates, and the extremes in it are the limits of the
profile likelihood (Venzon & Moolgavkar 1988, Applied Statistics 37). Where the paths are straight this is the usual paired interval; two
estimates that move together cannot move apart; two independent ones have nearly the limits of Newcombe 1998, Statistics in Medicine 17.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
N_ANGLES, N_FINER = 40, 9
STEP = 2 * np.pi / N_ANGLES


class Path(Protocol):
    """How estimates move between their limits."""

    def value(self, u: Floats) -> Floats:
        """The estimates moved to u: at their lower limits at -1, themselves at 0, at their upper limits at 1."""


def paired_distances(first: Path, second: Path, correlation: Floats) -> tuple[Floats, Floats]:
    """How far the limits of first minus second lie below and above the estimate.

    Args:
        first, second: the paths of the estimates, of arrays of one shape.
        correlation: of the estimates, of the same shape.
    """
    still = np.zeros_like(correlation)
    estimate = first.value(still) - second.value(still)
    apart = np.sqrt(np.maximum(1 - np.square(correlation), 0))

    def difference(angle: Floats) -> Floats:
        u = np.cos(angle)
        return first.value(u) - second.value(correlation * u + apart * np.sin(angle))

    coarse = np.broadcast_to(_column(np.arange(N_ANGLES) * STEP, still.ndim), (N_ANGLES, *still.shape))
    values = difference(coarse)
    ends = []
    # A search over the whole boundary, then finer about its best point: near 1 there may be two extremes, so climbing is not enough.
    for which in (np.argmin, np.argmax):
        angle, value = _best(which, coarse, values)
        for step in (STEP, 2 * STEP / (N_FINER - 1)):
            tried = angle + _column(np.linspace(-step, step, N_FINER), still.ndim)
            angle, value = _best(which, tried, difference(tried))
        ends.append(value)
    return estimate - ends[0], ends[1] - estimate


def _column(values: NDArray[np.floating[Any]], n_axes: int) -> Floats:
    return values.astype(np.float64).reshape(-1, *[1] * n_axes)


def _best(which: Callable[..., NDArray[np.intp]], tried: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Of the angles tried, along the first axis, the one with the extreme value, and that value."""
    best = which(np.where(np.isnan(values), 0.0, values), axis=0)[None]
    return np.take_along_axis(tried, best, axis=0)[0], np.take_along_axis(values, best, axis=0)[0]
