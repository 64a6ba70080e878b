"""The price of a mechanism in one additive number: the squared mu of a Gaussian mechanism that tells at least as much.

Full-batch Gaussian steps are a Gaussian mechanism, and their price is exact. Poisson-sampled steps are not: their price is the smallest mu
with which "with probability delta0 everything is revealed, otherwise a mu-Gaussian mechanism" dominates them. By Blackwell's theorem
(Dong, Roth & Su 2022, arXiv 1905.02383, theorem 2) they can then be simulated from that one, so that whatever bounds the simulation bounds
them: the squares of mu add up, and the delta0 add up, also where each mechanism was chosen after the outputs of the earlier ones were seen
(`privacy.ledger.cap`).
"""

import math
from pathlib import Path

import numpy as np
from dp_accounting.pld import privacy_loss_distribution as pld
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

from dpmed_core.training.accounting.calibration_cache import cached
from dpmed_core.training.accounting.gaussian_dp import ROUND_UP
from dpmed_core.training.accounting.pld import LARGEST_GROUP, Mechanism

DELTA0 = 1e-10
"""Probability with which sampled steps may reveal more than their dominating Gaussian."""
MU_RANGE = (1e-6, 1e3)
"""Where the price is sought."""
GRID = 400
"""Points of epsilon at which the two are compared; between two points the comparison is pessimistic."""


def squared_mu(mechanism: Mechanism, *, cache_dir: Path | None = None) -> float:
    """The squared mu of a Gaussian mechanism that dominates `mechanism`, up to a probability of `delta0_of(mechanism)`.

    Four full-batch steps of noise 2 are one Gaussian mechanism of mu 1; for a patient with three images, of mu 3:

    >>> squared_mu(Mechanism(2.0, 1.0, 4)), squared_mu(Mechanism(2.0, 1.0, 4, images_per_patient=3))
    (1.0, 9.0)

    Args:
        mechanism: Gaussian steps.
        cache_dir: folder of the calibration cache; None for no cache.
    """
    if not mechanism.steps:
        return 0.0
    without_sampling = mechanism.steps * (mechanism.images_per_patient / mechanism.noise_multiplier) ** 2
    if not _is_sampled(mechanism):
        return without_sampling
    request = {
        "dominating": [mechanism.noise_multiplier, mechanism.sample_rate, mechanism.steps, mechanism.images_per_patient],
        "delta0": DELTA0,
    }
    # As text, since JSON has no infinity.
    found = cached(cache_dir, request, lambda: {"squared_mu": repr(_sampled_squared_mu(mechanism))})
    return min(without_sampling, float(str(found["squared_mu"])))


def delta0_of(mechanism: Mechanism) -> float:
    """The probability up to which the Gaussian of `squared_mu` dominates `mechanism`; 0 where it is exact."""
    return DELTA0 if mechanism.steps and _is_sampled(mechanism) else 0.0


def gaussian_deltas(epsilons: NDArray[np.float64], mu: float) -> NDArray[np.float64]:
    """`gaussian_dp.gaussian_delta` for many epsilons at once."""
    return np.asarray(norm.cdf(mu / 2 - epsilons / mu) - np.exp(epsilons + norm.logcdf(-mu / 2 - epsilons / mu)))


def _is_sampled(mechanism: Mechanism) -> bool:
    """Whether sampling is used in the price; steps without it dominate sampled ones, which is the price of large groups of images."""
    return mechanism.sample_rate < 1 and mechanism.images_per_patient <= LARGEST_GROUP


def _sampled_squared_mu(mechanism: Mechanism) -> float:
    """The smallest squared mu with delta(epsilon) <= delta0 + (1 - delta0) delta_mu(epsilon) at every epsilon.

    Comparing at epsilon >= 0 for both directions is enough: the curve of one direction below 0 follows from that of the other above 0, and
    both sides of the inequality transform alike.
    """
    # From the largest loss on, delta(epsilon) <= delta0, and any mu will do.
    coarse = loss_distribution(mechanism, 1e-2)
    reach = float(coarse.get_epsilon_for_delta(DELTA0))
    if not math.isfinite(reach):
        return math.inf  # too much to be discretised: the steps without sampling bound it
    epsilons = np.linspace(0.0, max(reach, 1e-3), GRID + 1)
    fine = loss_distribution(mechanism, min(1e-2, max(1e-4, reach / (10 * GRID))))
    # delta falls with epsilon: what holds at the right end of an interval for the value at its left end holds in all of it.
    spent = np.asarray(fine.get_delta_for_epsilon(list(epsilons[:-1])))
    needed, at = (spent - DELTA0) / (1 - DELTA0), epsilons[1:]

    def shortfall(log_mu: float) -> float:
        return float((needed - gaussian_deltas(at, math.exp(log_mu))).max())

    least, most = map(math.log, MU_RANGE)
    if shortfall(most) > 0:
        return math.inf
    log_mu = brentq(shortfall, least, most, xtol=1e-9) if shortfall(least) > 0 else least
    return float((math.exp(log_mu) * (1 + 1e-6) * ROUND_UP) ** 2)


def loss_distribution(mechanism: Mechanism, interval: float) -> pld.PrivacyLossDistribution:
    """The privacy loss distribution of all steps, for a unit added and for a unit removed, discretised pessimistically."""
    k, rate = mechanism.images_per_patient, mechanism.sample_rate
    if k == 1:
        one = pld.from_gaussian_mechanism(mechanism.noise_multiplier, value_discretization_interval=interval, sampling_prob=rate)
    else:
        images = range(k + 1)
        one = pld.from_mixture_gaussian_mechanism(
            mechanism.noise_multiplier,
            [float(n) for n in images],
            [float(p) for p in binom.pmf(images, k, rate)],
            value_discretization_interval=interval,
        )
    return one.self_compose(mechanism.steps)
