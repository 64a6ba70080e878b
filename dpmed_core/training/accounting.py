"""How much noise a target needs, and how much privacy a training spent.

Full-batch Gaussian steps compose exactly to one Gaussian mechanism: T steps of noise multiplier s are mu-Gaussian differentially private
with mu = sqrt(T) / s (Dong, Roth & Su 2022, "Gaussian differential privacy"), whose epsilon at delta is known in closed form (Balle &
Wang 2018, "Improving the Gaussian mechanism for differential privacy", theorem 8). Poisson-sampled steps are counted by Opacus's PRV
accountant (Gopi, Lee & Wutschitz 2021) or, where that would take too long, by Renyi differential privacy (Mironov, Talwar & Zhang 2019).
dp-accounting's privacy loss distributions, which bound both directions (a unit added, a unit removed), check either; the larger of the
two is what is reported.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import dp_accounting
from dp_accounting.pld import PLDAccountant
from opacus.accountants import PRVAccountant, RDPAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from dpmed_core.errors import SpecError
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

log = logging.getLogger(__name__)

RELATIVE_ERROR = 0.005
"""PRV's discretisation error, as a share of epsilon."""
TIGHTNESS = 0.005
"""Calibrated noise spends at least (1 - TIGHTNESS) of the target."""
MAX_GRID_POINTS = 4_000_000
"""PRV grids above this size would take seconds a query: RDP is used instead."""
MAX_PRIVACY_LOSS = 600.0
"""PRV exponentiates privacy losses; above this size they would overflow: RDP is used instead."""
RDP_ORDERS = (*(1 + x / 10 for x in range(1, 100)), *range(12, 64), 64, 80, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)
"""Renyi orders; Opacus's own end at 63, with which no epsilon below about 0.12 can be certified at delta 1e-5."""
PLD_INTERVAL = 1e-4
NOISE_RANGE = (1e-2, 1e6)
MU_RANGE = (1e-12, 200.0)
ROUND_UP = 1 + 1e-9


def gaussian_delta(epsilon: float, mu: float) -> float:
    """The delta at which a mu-Gaussian mechanism is (epsilon, delta)-private. Source: Balle & Wang 2018, theorem 8."""
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon at which a mu-Gaussian mechanism is (epsilon, delta)-private."""
    if gaussian_delta(0.0, mu) <= delta:
        return 0.0
    upper = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)) + 1
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, mu) - delta, 0.0, upper, xtol=1e-12, rtol=1e-12))


def calibrate_full_batch(target: PrivacyTarget, *, steps: int) -> float:
    """The smallest noise multiplier with which `steps` full-batch Gaussian steps meet `target`."""
    log_mu = brentq(lambda x: gaussian_epsilon(math.exp(x), target.delta) - target.epsilon, *map(math.log, MU_RANGE), xtol=1e-12)
    return math.sqrt(steps) / math.exp(log_mu) * ROUND_UP


def guarantee_full_batch(
    target: PrivacyTarget, *, noise_multiplier: float, steps: int, max_grad_norm: float, unit: PrivacyUnit, n_units: int
) -> PrivacyGuarantee:
    """What `steps` full-batch Gaussian steps spend at the target's delta.

    Raises:
        SpecError: it is more than the target.
    """
    event = dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(noise_multiplier), steps)
    epsilon = gaussian_epsilon(math.sqrt(steps) / noise_multiplier, target.delta)
    return _guarantee(target, epsilon, "analytic-gaussian", event, noise_multiplier, max_grad_norm, 1.0, steps, unit, n_units)


@dataclass(frozen=True)
class Calibration:
    """Noise that meets a target.

    Attributes:
        noise_multiplier: standard deviation of the noise over the clipping bound.
        accountant: "prv" or, as a fallback, "rdp".
    """

    noise_multiplier: float
    accountant: str


@lru_cache(maxsize=256)
def calibrate_poisson(target: PrivacyTarget, *, sample_rate: float, steps: int) -> Calibration:
    """The noise multiplier with which `steps` Poisson-sampled Gaussian steps spend between (1 - TIGHTNESS) and 1 of `target`.

    Raises:
        SpecError: no noise in `NOISE_RANGE` meets the target.
    """
    by_rdp = _meet(target, lambda noise: _rdp_epsilon(noise, sample_rate, steps, target.delta), NOISE_RANGE)

    def spent(noise: float) -> float:
        return max(prv_epsilon(noise, sample_rate, steps, target), pld_epsilon(_poisson_event(noise, sample_rate, steps), target))

    try:
        return Calibration(_meet(target, spent, (by_rdp / 4, by_rdp * 1.02)), "prv")
    except _PrvUnsuitableError as reason:
        log.info("using RDP instead of PRV: %s", reason)
        return Calibration(by_rdp, "rdp")


def guarantee_poisson(
    target: PrivacyTarget,
    calibration: Calibration,
    *,
    sample_rate: float,
    steps: int,
    max_grad_norm: float,
    unit: PrivacyUnit,
    n_units: int,
) -> PrivacyGuarantee:
    """What `steps` Poisson-sampled Gaussian steps spend at the target's delta.

    Raises:
        SpecError: it is more than the target.
    """
    noise = calibration.noise_multiplier
    count = prv_epsilon if calibration.accountant == "prv" else lambda n, q, t, target: _rdp_epsilon(n, q, t, target.delta)
    epsilon = count(noise, sample_rate, steps, target)
    event = _poisson_event(noise, sample_rate, steps)
    return _guarantee(target, epsilon, calibration.accountant, event, noise, max_grad_norm, sample_rate, steps, unit, n_units)


def prv_epsilon(noise_multiplier: float, sample_rate: float, steps: int, target: PrivacyTarget) -> float:
    """Upper bound of epsilon at the target's delta by Opacus's PRV accountant (a unit removed).

    Raises:
        _PrvUnsuitableError: it would take too long or leave the range of floating-point numbers.
    """
    accountant = PRVAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    error, delta_error = RELATIVE_ERROR * target.epsilon, target.delta / 1000
    mesh = error / math.sqrt(steps * math.log(12 / delta_error) / 2)
    reach = _rdp_epsilon(noise_multiplier, sample_rate, steps, delta_error / 4) + 3
    if reach > MAX_PRIVACY_LOSS or 2 * reach / mesh > MAX_GRID_POINTS:
        raise _PrvUnsuitableError(f"privacy losses up to {reach:.3g} in steps of {mesh:.3g}")
    with _without_order_warnings():
        try:
            return float(accountant.get_epsilon(target.delta, eps_error=error, delta_error=delta_error))
        except (RuntimeError, ValueError) as error_of_opacus:
            raise _PrvUnsuitableError("it does not converge") from error_of_opacus


def pld_epsilon(event: dp_accounting.DpEvent, target: PrivacyTarget) -> float:
    """Upper bound of epsilon at the target's delta by dp-accounting's privacy loss distributions, both directions."""
    relation = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
    accountant = PLDAccountant(relation, value_discretization_interval=max(PLD_INTERVAL, PLD_INTERVAL * target.epsilon))
    return float(accountant.compose(event).get_epsilon(target.delta))


class _PrvUnsuitableError(Exception):
    """The PRV accountant cannot count this training in reasonable time or precision."""


def _poisson_event(noise_multiplier: float, sample_rate: float, steps: int) -> dp_accounting.DpEvent:
    step = dp_accounting.PoissonSampledDpEvent(sample_rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    return dp_accounting.SelfComposedDpEvent(step, steps)


def _rdp_epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with _without_order_warnings():
        return float(accountant.get_epsilon(delta, alphas=RDP_ORDERS))


@contextmanager
def _without_order_warnings() -> Iterator[None]:
    """Opacus warns where a larger or smaller Renyi order might give a tighter bound; the bound holds all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield


def _meet(target: PrivacyTarget, spent: Callable[[float], float], bounds: tuple[float, float]) -> float:
    """A noise multiplier whose spending is within TIGHTNESS below the target.

    Found by the secant method between the logarithms of noise and epsilon, which are nearly proportional, or by bisection where a secant
    leaves the bracket; `spent` must not increase with noise.
    """
    low, high = map(math.log, bounds)
    goal = math.log(target.epsilon) + math.log1p(-TIGHTNESS / 2)
    x, slope, last = high, -1.5, None
    for _ in range(60):
        epsilon = spent(math.exp(x))
        if (1 - TIGHTNESS) * target.epsilon <= epsilon <= target.epsilon:
            return math.exp(x)
        if epsilon > target.epsilon and x == high:
            raise SpecError(f"epsilon {target.epsilon:g} at delta {target.delta:g} cannot be met with any noise: choose a larger epsilon.")
        low, high = (x, high) if epsilon > target.epsilon else (low, x)
        y = math.log(max(epsilon, 1e-300))
        slope = (y - last[1]) / (x - last[0]) if last else slope
        last = x, y
        x = _inside(low, high, x + (goal - y) / slope if slope < 0 else low)
    return math.exp(high)


def _inside(low: float, high: float, proposal: float) -> float:
    """`proposal` if it lies between the two, else their middle."""
    return proposal if low < proposal < high else (low + high) / 2


def _guarantee(
    target: PrivacyTarget,
    epsilon: float,
    accountant: str,
    event: dp_accounting.DpEvent,
    noise_multiplier: float,
    max_grad_norm: float,
    sample_rate: float,
    steps: int,
    unit: PrivacyUnit,
    n_units: int,
) -> PrivacyGuarantee:
    check = pld_epsilon(event, target)
    spent = epsilon if accountant == "analytic-gaussian" else max(epsilon, check if accountant == "prv" else epsilon)
    if spent > target.epsilon:
        raise SpecError(
            f"The training would spend epsilon {spent:.4g}, more than the {target.epsilon:g} asked for: choose a larger epsilon."
        )
    return PrivacyGuarantee(
        epsilon=spent,
        delta=target.delta,
        unit=unit,
        accountant=accountant,
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        sample_rate=sample_rate,
        steps=steps,
        n_units=n_units,
        check_epsilon=check,
        check_accountant="pld",
    )
