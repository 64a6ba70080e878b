"""How much noise full-batch Gaussian steps need, and what they spend: exact, in closed form, in microseconds.

T steps of noise multiplier s on all units compose exactly to one Gaussian mechanism: they are mu-Gaussian differentially private with
mu = sqrt(T) / s (Dong, Roth & Su 2022, "Gaussian differential privacy", corollary 3.3), whose epsilon at delta is known (Balle & Wang 2018,
"Improving the Gaussian mechanism for differential privacy", theorem 8). The curve is the same for a unit added and for a unit removed.
"""

import math

from scipy.optimize import brentq
from scipy.stats import norm

from dpmed_core.training.spec import PrivacyTarget

MU_RANGE = (1e-12, 200.0)
ROUND_UP = 1 + 1e-9


def gaussian_delta(epsilon: float, mu: float) -> float:
    """The delta at which a mu-Gaussian mechanism is (epsilon, delta)-private. Source: Balle & Wang 2018, theorem 8."""
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon at which a mu-Gaussian mechanism is (epsilon, delta)-private; 0 where it is (0, delta)-private."""
    if mu == 0 or gaussian_delta(0.0, mu) <= delta:
        return 0.0
    upper = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)) + 1
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, mu) - delta, 0.0, upper, xtol=1e-12, rtol=1e-12))


def gaussian_mu(target: PrivacyTarget) -> float:
    """The largest mu with which a Gaussian mechanism meets `target`."""
    log_mu = brentq(lambda x: gaussian_delta(target.epsilon, math.exp(x)) - target.delta, *map(math.log, MU_RANGE), xtol=1e-13, rtol=1e-13)
    return math.exp(log_mu) / ROUND_UP


def calibrate_full_batch(target: PrivacyTarget, *, steps: int) -> float:
    """The smallest noise multiplier with which `steps` full-batch Gaussian steps meet `target`."""
    return math.sqrt(steps) / gaussian_mu(target)
