"""What full-batch Gaussian steps spend and how much noise they need: exact, in closed form, in microseconds.

T steps of noise multiplier s on all units compose exactly to one Gaussian mechanism: they are mu-Gaussian differentially private with
mu = sqrt(T) / s (Dong, Roth & Su 2022, "Gaussian differential privacy", arXiv 1905.02383, corollary 3.3), whose epsilon at delta is known
(Balle & Wang 2018, "Improving the Gaussian mechanism for differential privacy", arXiv 1805.06530, theorem 8). The curve is the same for a
unit's record emptied and for an empty record filled.
"""

import math

from scipy.optimize import brentq
from scipy.stats import norm

from dpmed_core.training.spec import PrivacyTarget

MU_RANGE = (1e-12, 200.0)
"""Holds every target's mu: epsilon 1000, the largest that a target may have, has a mu below 44."""
ROUND_UP = 1 + 1e-9
"""Noise is larger by this factor than the root finder's answer, whose last digits may err to either side."""


def gaussian_delta(epsilon: float, mu: float) -> float:
    """The delta at which a mu-Gaussian mechanism is (epsilon, delta)-private.

    Source: Balle & Wang 2018, theorem 8. Their noise for sensitivity 1, epsilon 1 and delta 1e-5 is 3.7306, so that mu = 1 / 3.7306:

    >>> round(gaussian_delta(1.0, 1 / 3.7306), 8)
    1e-05

    At epsilon 0 it is the total variation distance between N(0, 1) and N(mu, 1), erf(mu / sqrt(8)):

    >>> round(gaussian_delta(0.0, 1.0), 6) == round(math.erf(1 / math.sqrt(8)), 6) == 0.382925
    True
    """
    # exp(epsilon) and the normal distribution's tail are multiplied as logarithms: one overflows, the other underflows
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon at which a mu-Gaussian mechanism is (epsilon, delta)-private; 0 where it is (0, delta)-private.

    dp-accounting gives 4.37718 for a Gaussian mechanism of noise 1 (`from_gaussian_mechanism(1.0).get_epsilon_for_delta(1e-5)`):

    >>> round(gaussian_epsilon(1.0, 1e-5), 5)
    4.37718
    >>> gaussian_epsilon(0.0, 1e-5)
    0.0

    A patient swapped for another ("replace one") moves a sum by twice the clipping bound, an emptied record ("zero-out") by the bound once:
    mu doubles. What is epsilon 1 for emptied records is, at the same delta, for patients swapped:

    >>> round(gaussian_epsilon(2 * gaussian_mu(PrivacyTarget(1.0, 1e-5)), 1e-5), 4)
    2.1547
    """
    if mu == 0 or gaussian_delta(0.0, mu) <= delta:
        return 0.0
    # Above every solution: delta(epsilon) <= Phi(mu / 2 - epsilon / mu), and Phi(-t) < exp(-t^2 / 2)
    upper = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)) + 1
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, mu) - delta, 0.0, upper, xtol=1e-12, rtol=1e-12))


def gaussian_mu(target: PrivacyTarget) -> float:
    """The largest mu with which a Gaussian mechanism meets `target`.

    One step needs noise 1 / mu, which Balle & Wang 2018 give as 3.7306 for epsilon 1 and delta 1e-5 (the classical formula
    sqrt(2 log(1.25 / delta)) / epsilon asks for 4.8448); T steps need sqrt(T) times as much:

    >>> round(1 / gaussian_mu(PrivacyTarget(1.0, 1e-5)), 4)
    3.7306

    It is 0 where nothing may be learnt.
    """
    if target.learns_nothing:
        return 0.0
    # delta grows with mu, over many orders of magnitude: the root is sought in log(mu)
    log_mu = brentq(lambda x: gaussian_delta(target.epsilon, math.exp(x)) - target.delta, *map(math.log, MU_RANGE), xtol=1e-13, rtol=1e-13)
    return math.exp(log_mu) / ROUND_UP
