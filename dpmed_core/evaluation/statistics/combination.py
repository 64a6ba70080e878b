"""Limits of a linear combination from the limits of its parts (MOVER, the method of variance estimates recovery).

For sum_i c_i theta_i, where the parts have limits l_i and u_i and their estimates correlations r_ij, let a_i = c_i (theta_i - l_i) where
c_i > 0 and c_i (u_i - theta_i) where c_i < 0: the parts' distances to their less favourable limits, with the sign of their coefficients.

    lower limit = estimate - sqrt(sum_ij a_i r_ij a_j),

and the upper limit likewise with the other distances. Where the parts' limits are symmetric this is the usual interval. An independent
addition that has a variance alone, such as chance in training, adds (quantile x its error)^2 below the root, with the quantile of its own
degrees of freedom (modified large samples).

Source: Zou & Donner 2008, Statistics in Medicine 27; Graybill & Wang 1980, Journal of the American Statistical Association 75.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from dpmed_core.evaluation.statistics.intervals import TAIL, upper_quantile

Floats = NDArray[np.float64]
SMALLEST_DEVIATE, LARGEST_DEVIATE = 1e-6, 8.0
"""Between these normal deviates p-values are computed, from 1/2 to 1e-15."""
N_BISECTIONS, N_CHORDS = 8, 3


@dataclass(frozen=True, eq=False)
class Combination:
    """n linear combinations of k parts each.

    Attributes:
        coefficients: `[n, k]`.
        parts: the parts' estimates `[n, k]`; a combination with an unknown part is unknown.
        distances_at: how far the parts' lower and upper limits lie from their estimates `[n, k]`, for tails `[n, 1]` beyond them.
        correlation: of the parts' estimates `[n, k, k]`, 1 on the diagonal.
        other_variance: of an independent addition with mean 0 `[n]`.
        other_freedom: its degrees of freedom `[n]`.
    """

    coefficients: Floats
    parts: Floats
    distances_at: Callable[[Floats], tuple[Floats, Floats]] = field(repr=False)
    correlation: Floats = field(repr=False)
    other_variance: Floats = field(repr=False)
    other_freedom: Floats = field(repr=False)

    @property
    def estimate(self) -> Floats:
        """The combinations' values `[n]`."""
        return np.asarray((self.coefficients * self.parts).sum(axis=1))

    def distances(self, tail: ArrayLike = TAIL) -> tuple[Floats, Floats]:
        """How far the lower and the upper limits lie from the estimates `[n]` each; `tail` is a number or `[n]`."""
        tails = np.broadcast_to(np.asarray(tail, dtype=float), len(self.parts))
        below, above = self.distances_at(tails[:, None])
        other = np.square(upper_quantile(tails, self.other_freedom)) * self.other_variance

        def distance(of_positive: Floats, of_negative: Floats) -> Floats:
            signed = self.coefficients * np.where(self.coefficients > 0, of_positive, of_negative)
            along = np.einsum("nij,nj->ni", self.correlation, signed)
            # Correlations close to 1 can leave a sum a rounding error below 0.
            return np.asarray(np.sqrt(np.maximum((signed * along).sum(axis=1), 0) + other))

        return distance(below, above), distance(above, below)

    def limits(self, tail: ArrayLike = TAIL) -> tuple[Floats, Floats]:
        """Lower and upper limits `[n]` that leave `tail` beyond each."""
        below, above = self.distances(tail)
        return self.estimate - below, self.estimate + above

    def upper_p(self, value: float = 0.0) -> Floats:
        """One-sided p-values `[n]` of the hypothesis that the combination is at most `value`: the tail whose limit is just there.

        1/2 where the estimate is the value itself.
        """
        above = self.estimate - value
        # An estimate above the value is judged by its lower limit, one below it by its upper limit, on the other side of 1/2.
        sign = np.sign(above)

        def beyond(deviate: Floats) -> Floats:
            distances = self.distances(ndtr(-deviate))
            return np.asarray(np.where(sign > 0, *distances) - np.abs(above))

        # Limits move outwards as the deviate rises: bisection brackets the root closely, and chords then hit it.
        low, high = np.full_like(above, SMALLEST_DEVIATE), np.full_like(above, LARGEST_DEVIATE)
        at_low, at_high = beyond(low), beyond(high)
        root = np.where(at_high <= 0, high, low)
        between = (at_low < 0) & (at_high > 0)
        for step in range(N_BISECTIONS + N_CHORDS):
            with np.errstate(invalid="ignore", divide="ignore"):
                chord = (low * at_high - high * at_low) / (at_high - at_low)
            root = np.where(between, (low + high) / 2 if step < N_BISECTIONS else chord, root)
            at_root = beyond(root)
            inside = at_root < 0
            low, at_low = np.where(inside, root, low), np.where(inside, at_root, at_low)
            high, at_high = np.where(inside, high, root), np.where(inside, at_high, at_root)
        # Where nothing differs at all there is nothing to test: 1/2 from either side.
        return np.asarray(np.where(np.isnan(above), np.nan, np.where(above == 0, 0.5, ndtr(-sign * root))))


def correlation_of(influence: Floats) -> Floats:
    """Correlation `[k, k]` of estimates with `influence` values `[k, n_patients]`; 0 where one of them does not vary."""
    covariance = influence @ influence.T
    error = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(np.clip(covariance / np.outer(error, error), -1, 1))
    np.fill_diagonal(correlation, 1)
    return np.asarray(correlation)
