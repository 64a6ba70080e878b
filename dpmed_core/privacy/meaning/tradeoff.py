"""Trade-off curves: how rarely an attacker who accuses few innocents can miss, for every rate of false accusations.

An attacker sees what a mechanism released and decides whether one unit's record was in the training data or empty. Of the tests with a
false-positive rate of alpha (it says "in" and the record was empty), the best one misses at least the share f(alpha) of records that were
in. f is the mechanism's trade-off curve; f(alpha) = 1 - alpha is blind guessing, f = 0 no protection. Whatever is computed from the release
obeys the same curve.

Source: Dong, Roth & Su 2022, "Gaussian differential privacy", arXiv 1905.02383, definition 2.1; Wasserman & Zhou 2010, JASA 105.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]


class TradeOff(Protocol):
    """The trade-off curve of a mechanism, and its total variation."""

    def misses(self, false_positives: ArrayLike) -> Floats:
        """f: the least share of participants whom a test with these false-positive rates misses, in the shape of `false_positives`."""
        ...

    @property
    def total_variation(self) -> float:
        """The largest of 1 - alpha - f(alpha) over alpha, which is delta at epsilon 0."""
        ...


@dataclass(frozen=True)
class GaussianTradeOff:
    """The curve of a mu-Gaussian mechanism: f(alpha) = Phi(Phi^-1(1 - alpha) - mu).

    A test at one standard deviation has 15.87 % false positives; for mu 1 it then misses half:

    >>> round(float(GaussianTradeOff(1.0).misses(ndtr(-1.0))), 6)
    0.5

    Attributes:
        mu: distance of the two hypotheses, N(0, 1) and N(mu, 1); 0 is perfect privacy.

    Source: Dong, Roth & Su 2022, definition 2.6.
    """

    mu: float

    def misses(self, false_positives: ArrayLike) -> Floats:
        """f at each of `false_positives`, see `TradeOff`."""
        # Phi^-1(1 - alpha) is -Phi^-1(alpha), which keeps its digits where alpha is small.
        return np.asarray(ndtr(-ndtri(np.asarray(false_positives, dtype=float)) - self.mu))

    @property
    def total_variation(self) -> float:
        """2 Phi(mu / 2) - 1, where both errors are equal: the total variation distance of N(0, 1) and N(mu, 1)."""
        return float(2 * ndtr(self.mu / 2) - 1)


@dataclass(frozen=True, eq=False)
class ProfileTradeOff:
    """The curve of a mechanism whose delta is known at many epsilon, for a unit emptied and for a unit filled.

    (epsilon, delta) says that f(alpha) >= 1 - delta - e^epsilon alpha and f(alpha) >= e^-epsilon (1 - delta - alpha); the curve is the
    largest of all these lines. With finitely many epsilon it lies on or below the true one, so that bounds from it still hold.

    One line alone, epsilon 0 at delta .2, leaves an attacker who accuses a tenth falsely seven tenths to miss:

    >>> float(ProfileTradeOff(np.array([0.0]), np.array([0.2])).misses(0.1).round(6))
    0.7

    Attributes:
        epsilons: `[n]`, at least 0, the first of them 0.
        deltas: delta at each epsilon, `[n]`; the larger one of both directions.

    Source: Dong, Roth & Su 2022, propositions 2.4 and 2.13 (the privacy profile and the trade-off curve are convex duals).
    """

    epsilons: Floats = field(repr=False)
    deltas: Floats = field(repr=False)

    def misses(self, false_positives: ArrayLike) -> Floats:
        """f at each of `false_positives`, see `TradeOff`."""
        alpha = np.asarray(false_positives, dtype=float)[..., None]
        growth = np.exp(self.epsilons)
        steep, flat = 1 - self.deltas - growth * alpha, (1 - self.deltas - alpha) / growth
        return np.asarray(np.maximum(np.maximum(steep, flat).max(axis=-1), 0.0))

    @property
    def total_variation(self) -> float:
        """Delta at epsilon 0."""
        return float(self.deltas[0])
