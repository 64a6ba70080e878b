"""How much noise Poisson-sampled Gaussian steps need to meet a target, and which epsilon they spend.

The accountant is PRV, privacy loss random variables (Gopi, Lee & Wutschitz 2021, "Numerical composition of differential privacy", arXiv
2106.02848), in both directions: Opacus implements the loss of a unit removed (its record emptied), `UnitAddedPRV` is the loss of a unit
added (an empty record filled), and the larger epsilon counts. (For one step the first dominates at every epsilon >= 0; for compositions no
proof is known, see Lebeda et al. 2024, arXiv 2405.20769.) Privacy loss distributions of dp-accounting (`pld`) are a second, independent
accountant: noise is calibrated so that both meet the target, and the larger of the two is reported.

Where a calibration would take longer than `PRV_SECONDS`, or PRV would leave the range of floating-point numbers, the accountant is RDP,
Renyi differential privacy (Mironov, Talwar & Zhang 2019, arXiv 1908.10530), and the run says so. RDP needs no check to be an upper bound:
its epsilon is reported as it is, the PLD value beside it.

Full-batch steps are counted exactly and not here: see `gaussian_dp` and `full_batch`.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from opacus.accountants import RDPAccountant
from opacus.accountants.analysis.prv import (
    Domain,
    PoissonSubsampledGaussianPRV,
    TruncatedPrivacyRandomVariable,
    compose_heterogeneous,
    discretize,
)
from scipy.integrate import IntegrationWarning
from scipy.special import erfc

from dpmed_core.errors import SpecError
from dpmed_core.training.accounting.calibration_cache import cached
from dpmed_core.training.accounting.full_batch import refuse_overspending
from dpmed_core.training.accounting.pld import check_sampled
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

log = logging.getLogger(__name__)

RELATIVE_ERROR = 0.005
"""PRV's discretisation error, as a share of epsilon."""
TIGHTNESS = 0.005
"""Calibration stops as soon as the noise spends between (1 - TIGHTNESS) and 1 of the target: less noise is not worth the time."""
PRV_SECONDS = 120.0
"""Seconds after which a calibration by PRV gives up; RDP, which takes a fraction of a second, is used instead."""
MAX_GRID_POINTS = 4_000_000
"""On a larger grid one PRV evaluation takes seconds, and time is checked only between evaluations."""
MAX_PRIVACY_LOSS = 600.0
"""PRV exponentiates privacy losses; a double overflows at exp(709)."""
RDP_ORDERS = (*(1 + x / 10 for x in range(1, 100)), *range(12, 64), 64, 80, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)
"""Renyi orders. Opacus's default orders end at 63, and then no epsilon below about 0.12 can be certified at delta 1e-5."""
NOISE_RANGE = (1e-2, 1e6)
"""Noise multipliers among which a calibration searches."""


@dataclass(frozen=True)
class AccountedEpsilon:
    """What Poisson-sampled steps spend at a delta.

    Attributes:
        epsilon: the larger of PRV and PLD where the accountant is "prv"; the RDP value where it is "rdp".
        accountant: "prv" or, as a fallback, "rdp".
        check_epsilon: by PLD, dp-accounting's privacy loss distributions.
    """

    epsilon: float
    accountant: str
    check_epsilon: float


@dataclass(frozen=True)
class Calibration:
    """Noise that meets a target.

    Attributes:
        noise_multiplier: standard deviation of the noise over the clipping bound.
        accountant: "prv" or, as a fallback, "rdp".
    """

    noise_multiplier: float
    accountant: str


class UnitAddedPRV(PoissonSubsampledGaussianPRV):  # type: ignore[misc]
    """The privacy loss of one Poisson-sampled Gaussian step when a unit is added: log(N(0, s^2) / M) at x drawn from N(0, s^2).

    M = (1 - q) N(0, s^2) + q N(1, s^2) is the step with the unit. The loss at x, -log(1 - q + q exp((2x - 1) / (2 s^2))), falls with x and
    stays below -log(1 - q). So P(loss <= t) = P(x >= x_t) with x_t = s^2 log((exp(-t) + q - 1) / q) + 1/2.
    """

    def cdf(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(loss <= t), for an array of losses t.

        The loss falls with x, so that the loss at 0, the median of N(0, s^2), is the median loss:

        >>> loss_at_0 = -math.log(1 - 0.3 + 0.3 * math.exp(-1 / (2 * 0.8**2)))
        >>> round(float(UnitAddedPRV(0.3, 0.8).cdf(np.array(loss_at_0))), 9)
        0.5
        """
        inside, scaled = self._position(t)
        return np.where(inside, erfc(scaled / math.sqrt(2)) / 2, 1.0)

    def pdf(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of the loss at t."""
        q, s = self.sample_rate, self.noise_multiplier
        inside, scaled = self._position(t)
        # Change of variables: the standard normal density at x_t / s, times |d(x_t / s) / dt|.
        slope = s * np.exp(-t) / np.where(inside, np.exp(-t) + q - 1, 1.0)
        return np.where(inside, np.exp(-(scaled**2) / 2) / math.sqrt(2 * math.pi) * slope, 0.0)

    def _position(self, t: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether a loss of t can occur, and x_t / s; where it cannot, a placeholder that callers mask."""
        q, s = self.sample_rate, self.noise_multiplier
        inside = np.asarray(-t > np.log1p(-q))
        z = np.log(np.where(inside, (np.exp(-t) + q - 1) / q, 1.0))
        return inside, s * z + 1 / (2 * s)


DIRECTIONS = (PoissonSubsampledGaussianPRV, UnitAddedPRV)
"""The losses of a unit removed and of a unit added: either neighbour's record may be the empty one, so an epsilon must hold for both."""


class PrvUnsuitableError(Exception):
    """PRV cannot count this training in reasonable time or precision. It never leaves this module: RDP takes over."""


def calibrate_poisson(
    target: PrivacyTarget, *, sample_rate: float, steps: int, seconds: float = PRV_SECONDS, cache_dir: Path | None = None
) -> Calibration:
    """A noise multiplier with which `steps` Poisson-sampled Gaussian steps spend at most `target`, and hardly less (see `TIGHTNESS`).

    Args:
        target: the guarantee asked for.
        sample_rate: probability with which a unit enters a step, 0 to 1.
        steps: noisy steps.
        seconds: time after which RDP is used.
        cache_dir: folder of the calibration cache; None for no cache.

    Raises:
        SpecError: no noise multiplier in `NOISE_RANGE` meets the target.
    """
    # `seconds` is part of the key: with less time the answer may be RDP's, which is larger.
    request = {"calibrate": asdict(target), "sample_rate": sample_rate, "steps": steps, "seconds": seconds}
    found = cached(cache_dir, request, lambda: asdict(_calibrate(target, sample_rate=sample_rate, steps=steps, seconds=seconds)))
    return Calibration(float(str(found["noise_multiplier"])), str(found["accountant"]))


def account_poisson(
    calibration: Calibration, *, sample_rate: float, steps: int, delta: float, epsilon: float, cache_dir: Path | None = None
) -> AccountedEpsilon:
    """What `steps` Poisson-sampled Gaussian steps spend at `delta`, by the accountant of `calibration` and by PLD.

    Args:
        calibration: the noise multiplier and who calibrated it.
        sample_rate: probability with which a unit enters a step.
        steps: noisy steps.
        delta: at which epsilon is computed.
        epsilon: roughly the epsilon to expect; sets the resolution of both accountants.
        cache_dir: folder of the calibration cache; None for no cache.
    """
    noise = calibration.noise_multiplier

    def count() -> dict[str, object]:
        check = check_sampled(noise_multiplier=noise, sample_rate=sample_rate, steps=steps, delta=delta, epsilon=epsilon)
        if calibration.accountant == "rdp":
            return asdict(AccountedEpsilon(rdp_epsilon(noise, sample_rate, steps, delta), "rdp", check))
        # PRV calibrated this noise and so has evaluated it before: `prv_epsilon` does not raise here.
        by_prv = prv_epsilon(noise, sample_rate, steps, PrivacyTarget(epsilon, delta))
        return asdict(AccountedEpsilon(max(by_prv, check), "prv", check))

    request = {"account": asdict(calibration), "sample_rate": sample_rate, "steps": steps, "delta": delta, "epsilon": epsilon}
    found = cached(cache_dir, request, count)
    return AccountedEpsilon(float(str(found["epsilon"])), str(found["accountant"]), float(str(found["check_epsilon"])))


def guarantee_poisson(
    target: PrivacyTarget,
    calibration: Calibration,
    *,
    sample_rate: float,
    steps: int,
    max_grad_norm: float,
    unit: PrivacyUnit,
    n_units: int,
    cache_dir: Path | None = None,
) -> PrivacyGuarantee:
    """The guarantee of `steps` Poisson-sampled Gaussian steps at the target's delta.

    Args:
        target: what was asked for; its delta is used, and its epsilon is the limit.
        calibration: the noise multiplier and who calibrated it.
        sample_rate: probability with which a unit enters a step.
        steps: noisy steps.
        max_grad_norm: the clipping bound.
        unit: what is sampled and clipped as one.
        n_units: training units.
        cache_dir: folder of the calibration cache; None for no cache.

    Raises:
        SpecError: the steps spend more than the target.
    """
    accounted = account_poisson(
        calibration, sample_rate=sample_rate, steps=steps, delta=target.delta, epsilon=target.epsilon, cache_dir=cache_dir
    )
    refuse_overspending(accounted.epsilon, target)
    return PrivacyGuarantee(
        epsilon=accounted.epsilon,
        delta=target.delta,
        unit=unit,
        accountant=accounted.accountant,
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=calibration.noise_multiplier,
        max_grad_norm=max_grad_norm,
        sample_rate=sample_rate,
        steps=steps,
        n_units=n_units,
        check_epsilon=accounted.check_epsilon,
        check_accountant="pld",
    )


def prv_epsilon(noise_multiplier: float, sample_rate: float, steps: int, target: PrivacyTarget) -> float:
    """Upper bound of epsilon at the target's delta by PRV: the larger of both directions.

    The value of dp-accounting 0.6 for the same steps, by privacy loss distributions, is 3.3597; PRV's upper bound lies within
    `RELATIVE_ERROR` of it:

    >>> round(prv_epsilon(2.0, 0.1, 200, PrivacyTarget(2.0, 1e-5)), 2)
    3.37

    Args:
        noise_multiplier: standard deviation of the noise over the clipping bound.
        sample_rate: probability with which a unit enters a step.
        steps: noisy steps.
        target: its delta is used, and its epsilon sets the resolution.

    Raises:
        PrvUnsuitableError: it would take too long or leave the range of floating-point numbers.
    """
    return max(prv_epsilon_in_direction(loss, noise_multiplier, sample_rate, steps, target) for loss in DIRECTIONS)


def prv_epsilon_in_direction(
    direction: type[PoissonSubsampledGaussianPRV], noise_multiplier: float, sample_rate: float, steps: int, target: PrivacyTarget
) -> float:
    """Upper bound of epsilon for a unit removed (`PoissonSubsampledGaussianPRV`) or added (`UnitAddedPRV`).

    The grid's spacing and its truncation are those of Gopi et al. 2021, theorem 5.5 and remark 5.6.

    Raises:
        PrvUnsuitableError: see `prv_epsilon`.
    """
    error, delta_error = RELATIVE_ERROR * target.epsilon, target.delta / 1000
    # Where to truncate follows from Renyi divergences, which bound both directions (Mironov, Talwar & Zhang 2019).
    mesh = error / math.sqrt(steps * math.log(12 / delta_error) / 2)
    of_all = rdp_epsilon(noise_multiplier, sample_rate, steps, delta_error / 4)
    of_one = rdp_epsilon(noise_multiplier, sample_rate, 1, delta_error / (8 * steps))
    reach = max(of_all, of_one) + error + 3  # + 3 as in Opacus, for losses near 0
    if reach > MAX_PRIVACY_LOSS or 2 * reach / mesh > MAX_GRID_POINTS:
        raise PrvUnsuitableError(f"privacy losses up to {reach:.3g} in steps of {mesh:.3g}")
    domain = Domain.create_aligned(-reach, reach, mesh)
    try:
        with _strict_integration():
            step = discretize(TruncatedPrivacyRandomVariable(direction(sample_rate, noise_multiplier), domain.t_min, domain.t_max), domain)
            composed = compose_heterogeneous([step], [steps])
            return float(composed.compute_epsilon(target.delta, delta_error, error)[2])  # of (lower bound, estimate, upper bound)
    except (RuntimeError, ValueError, IntegrationWarning) as problem:
        raise PrvUnsuitableError("it does not converge") from problem


def rdp_epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """Upper bound of epsilon at `delta` by Renyi differential privacy.

    One full-batch step at noise 1 has Renyi divergence a / 2 of order a. By the conversion of Canonne, Kamath & Steinke 2020 (arXiv
    2004.00010, proposition 12) epsilon is the least over a of a/2 + log((a - 1) / a) - (log(delta) + log(a)) / (a - 1), here at a = 5.4:

    >>> round(rdp_epsilon(1.0, 1.0, 1, 1e-5), 4)
    4.7285

    For 14,062 steps at rate 256 / 60,000 and noise 1.1 the RDP accountant of dp-accounting gives the same 2.5966:

    >>> round(rdp_epsilon(1.1, 256 / 60_000, 14_062, 1e-5), 4)
    2.5966
    """
    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():  # a smaller or larger order might be tighter; every order gives an upper bound
        warnings.filterwarnings("ignore", message="Optimal order is the")
        return float(accountant.get_epsilon(delta, alphas=RDP_ORDERS))


@contextmanager
def _strict_integration() -> Iterator[None]:
    # PRV shifts the discretised loss by its exact mean, an integral; where that does not converge SciPy only warns, and the bound is wrong.
    with warnings.catch_warnings():
        warnings.simplefilter("error", IntegrationWarning)
        yield


def _calibrate(target: PrivacyTarget, *, sample_rate: float, steps: int, seconds: float) -> Calibration:
    """Noise that meets `target` by PRV and PLD, else by RDP.

    RDP and PLD take milliseconds an evaluation and PRV up to seconds: they find the noise, so that PRV mostly needs one evaluation.
    """
    deadline = time.monotonic() + seconds

    def by_rdp(noise: float) -> float:
        return rdp_epsilon(noise, sample_rate, steps, target.delta)

    def by_pld(noise: float) -> float:
        if time.monotonic() > deadline:
            raise PrvUnsuitableError(f"it takes more than {seconds:g} seconds")
        return check_sampled(noise_multiplier=noise, sample_rate=sample_rate, steps=steps, delta=target.delta, epsilon=target.epsilon)

    def by_all(noise: float) -> float:
        return max(by_pld(noise), prv_epsilon(noise, sample_rate, steps, target))

    sufficient = _solve_for_noise(target, by_rdp, NOISE_RANGE)
    # RDP overestimates, so the noise sought is smaller than RDP's; 2 % above it leave room for the error of PRV.
    bounds = (sufficient / 4, sufficient * 1.02)
    try:
        # PRV's upper bound lies up to RELATIVE_ERROR above the true value: PLD aims that much lower, so that PRV then starts within range.
        near = _solve_for_noise(PrivacyTarget(target.epsilon * (1 - TIGHTNESS), target.delta), by_pld, bounds)
        return Calibration(_solve_for_noise(target, by_all, bounds, start=near), "prv")
    except PrvUnsuitableError as reason:
        log.info("using RDP instead of PRV: %s", reason)
        return Calibration(sufficient, "rdp")


def _solve_for_noise(
    target: PrivacyTarget, epsilon_of: Callable[[float], float], bounds: tuple[float, float], *, start: float | None = None
) -> float:
    """A noise multiplier whose epsilon is at most the target and within TIGHTNESS of it.

    Found by the secant method between the logarithms of noise and epsilon, which are nearly proportional, or by bisection where a secant
    leaves the bracket.

    Args:
        target: the epsilon to meet.
        epsilon_of: epsilon of a noise multiplier; must not increase with noise.
        bounds: smallest and largest noise multiplier.
        start: where to begin; None for the largest.

    Raises:
        SpecError: the largest noise multiplier spends more than the target.
    """
    low, high = map(math.log, bounds)
    goal = math.log(target.epsilon) + math.log1p(-TIGHTNESS / 2)
    x, slope, last = math.log(start) if start else high, -1.5, None  # epsilon falls about as noise^-1 to noise^-2
    for _ in range(60):
        epsilon = epsilon_of(math.exp(x))
        if (1 - TIGHTNESS) * target.epsilon <= epsilon <= target.epsilon:
            return math.exp(x)
        if epsilon > target.epsilon and x == high:
            raise SpecError(f"epsilon {target.epsilon:g} at delta {target.delta:g} cannot be met with any noise: choose a larger epsilon.")
        # Invariant: the noise at `low` spends too much, that at `high` at most the target, once either has been evaluated.
        low, high = (x, high) if epsilon > target.epsilon else (low, x)
        y = math.log(max(epsilon, 1e-300))  # epsilon is 0 under very large noise
        slope = (y - last[1]) / (x - last[0]) if last else slope
        last = x, y
        # A flat or rising secant says nothing; `low` as the proposal then leads to bisection.
        x = _inside_or_middle(low, high, x + (goal - y) / slope if slope < 0 else low)
    return math.exp(high)  # 60 halvings exhaust doubles; should this spend too much, `guarantee_poisson` refuses it


def _inside_or_middle(low: float, high: float, proposal: float) -> float:
    """`proposal` if it lies between the two, else their middle."""
    return proposal if low < proposal < high else (low + high) / 2
