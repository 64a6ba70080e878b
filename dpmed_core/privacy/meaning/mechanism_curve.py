"""The trade-off curve of what a training did, as one unit, or one patient with several images, experiences it."""

import math

import numpy as np

from dpmed_core.errors import SpecError
from dpmed_core.privacy.meaning.tradeoff import GaussianTradeOff, ProfileTradeOff, TradeOff
from dpmed_core.training.accounting.dominating_gaussian import DELTA0, loss_distribution
from dpmed_core.training.accounting.pld import LARGEST_GROUP, Mechanism

GRID = 1000
"""Epsilons at which the privacy loss distribution of sampled steps is read; the curve is the largest of as many pairs of lines."""
COARSE_INTERVAL, FINEST_INTERVAL = 1e-2, 1e-4
"""Discretisation of sampled steps where only the range of epsilon is sought, and the finest afterwards."""


def tradeoff_of(mechanism: Mechanism) -> TradeOff:
    """The trade-off curve of Gaussian steps on the same units; exact for full batches, by privacy loss distributions for sampled ones.

    T full-batch steps of noise s, in which a patient has k images, are one Gaussian mechanism with mu = k sqrt(T) / s; 16 of noise 8 and
    one image have mu 1/2. A patient with more than `LARGEST_GROUP` sampled images gets the curve of the steps without sampling, which
    dominates it.

    >>> tradeoff_of(Mechanism(noise_multiplier=8.0, sample_rate=1.0, steps=16))
    GaussianTradeOff(mu=0.5)

    Raises:
        SpecError: there is no noise, or too little to be discretised.
    """
    if not mechanism.noise_multiplier > 0:
        raise SpecError("A training without noise has no guarantee to give a meaning to: name a private run.")
    if mechanism.sample_rate >= 1 or mechanism.images_per_patient > LARGEST_GROUP:
        return GaussianTradeOff(mechanism.images_per_patient * math.sqrt(mechanism.steps) / mechanism.noise_multiplier)
    return _sampled(mechanism)


def _sampled(mechanism: Mechanism) -> ProfileTradeOff:
    """The curve from the delta of dp-accounting's privacy loss distributions, pessimistic in both directions, on a grid of epsilon."""
    reach = float(loss_distribution(mechanism, COARSE_INTERVAL).get_epsilon_for_delta(DELTA0))
    if not math.isfinite(reach):
        raise SpecError("This training has so little noise that its trade-off curve cannot be computed: it protects next to nothing.")
    fine = loss_distribution(mechanism, min(COARSE_INTERVAL, max(FINEST_INTERVAL, reach / (10 * GRID))))
    epsilons = np.linspace(0.0, max(reach, 1e-3), GRID + 1)
    return ProfileTradeOff(epsilons, np.asarray(fine.get_delta_for_epsilon(list(epsilons)), dtype=float))
