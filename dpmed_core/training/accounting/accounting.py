"""How much noise Poisson-sampled steps need for a target, and how much privacy a training spent.

Full-batch steps are exact (`gaussian`). Poisson-sampled Gaussian steps are counted by privacy loss random variables (Gopi, Lee & Wutschitz
2021, "Numerical composition of differential privacy") in both directions: Opacus has the loss of a unit removed, `UnitAddedPRV` is the
loss of a unit added, and the larger epsilon counts. (For one step the first dominates at every epsilon >= 0; for compositions that is not
proved, see Lebeda et al. 2024, arXiv 2405.20769.) Where that would take longer than `SECONDS` or leave the range of floating-point numbers,
Renyi differential privacy (Mironov, Talwar & Zhang 2019) counts instead, and the run says so. dp-accounting's privacy loss distributions
(`pld`) check either; the larger of the two is what is reported.
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
from dpmed_core.settings import load_settings
from dpmed_core.training.accounting.calibration_cache import remembered
from dpmed_core.training.accounting.full_batch import refuse_overspending
from dpmed_core.training.accounting.pld import check_sampled
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

log = logging.getLogger(__name__)

RELATIVE_ERROR = 0.005
"""PRV's discretisation error, as a share of epsilon."""
TIGHTNESS = 0.005
"""Calibrated noise spends at least (1 - TIGHTNESS) of the target."""
SECONDS = 120.0
"""Time that a calibration may take by PRV; then Renyi differential privacy, which takes a fraction of a second, counts."""
MAX_GRID_POINTS = 4_000_000
"""PRV grids above this size take seconds a query, which no look at the clock between queries would stop."""
MAX_PRIVACY_LOSS = 600.0
"""PRV exponentiates privacy losses; above this size they would overflow."""
RDP_ORDERS = (*(1 + x / 10 for x in range(1, 100)), *range(12, 64), 64, 80, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)
"""Renyi orders; Opacus's own end at 63, with which no epsilon below about 0.12 can be certified at delta 1e-5."""
NOISE_RANGE = (1e-2, 1e6)


@dataclass(frozen=True)
class Spent:
    """What Poisson-sampled steps spend at a delta.

    Attributes:
        epsilon: the larger of accountant and check where the accountant is "prv", else the accountant's.
        accountant: "prv" or, as a fallback, "rdp".
        check_epsilon: by dp-accounting's privacy loss distributions.
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
    """The privacy loss of a Poisson-sampled Gaussian step when a unit is added: log N(0, s^2) / M under N(0, s^2).

    With M = (1 - q) N(0, s^2) + q N(1, s^2) the loss at x is -log(1 - q + q exp((2x - 1) / (2 s^2))), which falls with x and stays below
    -log(1 - q): P(loss <= t) = P(x >= x_t), x_t = s^2 log((exp(-t) + q - 1) / q) + 1/2.
    """

    def cdf(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(loss <= t)."""
        inside, scaled = self._position(t)
        return np.where(inside, erfc(scaled / math.sqrt(2)) / 2, 1.0)

    def pdf(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of the loss at t."""
        q, s = self.sample_rate, self.noise_multiplier
        inside, scaled = self._position(t)
        slope = s * np.exp(-t) / np.where(inside, np.exp(-t) + q - 1, 1.0)
        return np.where(inside, np.exp(-(scaled**2) / 2) / math.sqrt(2 * math.pi) * slope, 0.0)

    def _position(self, t: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether t can occur, and x_t / s."""
        q, s = self.sample_rate, self.noise_multiplier
        inside = np.asarray(-t > np.log1p(-q))
        z = np.log(np.where(inside, (np.exp(-t) + q - 1) / q, 1.0))
        return inside, s * z + 1 / (2 * s)


DIRECTIONS = (PoissonSubsampledGaussianPRV, UnitAddedPRV)


class PrvUnsuitableError(Exception):
    """The PRV accountant cannot count this training in reasonable time or precision; a defect if it leaves this module."""


def calibrate_poisson(
    target: PrivacyTarget, *, sample_rate: float, steps: int, seconds: float = SECONDS, folder: Path | None = None
) -> Calibration:
    """The noise multiplier with which `steps` Poisson-sampled Gaussian steps spend between (1 - TIGHTNESS) and 1 of `target`.

    Args:
        target: the guarantee asked for.
        sample_rate: probability with which a unit enters a step.
        steps: noisy steps.
        seconds: after which Renyi differential privacy counts.
        folder: where answers are kept; None for the data folder.

    Raises:
        SpecError: no noise in `NOISE_RANGE` meets the target.
    """
    question = {"calibrate": asdict(target), "sample_rate": sample_rate, "steps": steps, "seconds": seconds}
    found = remembered(
        _kept_in(folder), question, lambda: asdict(_calibrate(target, sample_rate=sample_rate, steps=steps, seconds=seconds))
    )
    return Calibration(float(str(found["noise_multiplier"])), str(found["accountant"]))


def account_poisson(
    calibration: Calibration, *, sample_rate: float, steps: int, delta: float, epsilon: float, folder: Path | None = None
) -> Spent:
    """What `steps` Poisson-sampled Gaussian steps spend at `delta`; `epsilon` is about what is expected and sets the resolution."""
    noise = calibration.noise_multiplier

    def count() -> dict[str, object]:
        check = check_sampled(noise_multiplier=noise, sample_rate=sample_rate, steps=steps, delta=delta, epsilon=epsilon)
        if calibration.accountant == "rdp":
            return asdict(Spent(rdp_epsilon(noise, sample_rate, steps, delta), "rdp", check))
        return asdict(Spent(max(prv_epsilon(noise, sample_rate, steps, PrivacyTarget(epsilon, delta)), check), "prv", check))

    question = {"account": asdict(calibration), "sample_rate": sample_rate, "steps": steps, "delta": delta, "epsilon": epsilon}
    found = remembered(_kept_in(folder), question, count)
    return Spent(float(str(found["epsilon"])), str(found["accountant"]), float(str(found["check_epsilon"])))


def guarantee_poisson(
    target: PrivacyTarget,
    calibration: Calibration,
    *,
    sample_rate: float,
    steps: int,
    max_grad_norm: float,
    unit: PrivacyUnit,
    n_units: int,
    folder: Path | None = None,
) -> PrivacyGuarantee:
    """What `steps` Poisson-sampled Gaussian steps spend at the target's delta.

    Raises:
        SpecError: it is more than the target.
    """
    spent = account_poisson(calibration, sample_rate=sample_rate, steps=steps, delta=target.delta, epsilon=target.epsilon, folder=folder)
    refuse_overspending(spent.epsilon, target)
    return PrivacyGuarantee(
        epsilon=spent.epsilon,
        delta=target.delta,
        unit=unit,
        accountant=spent.accountant,
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=calibration.noise_multiplier,
        max_grad_norm=max_grad_norm,
        sample_rate=sample_rate,
        steps=steps,
        n_units=n_units,
        check_epsilon=spent.check_epsilon,
        check_accountant="pld",
    )


def prv_epsilon(noise_multiplier: float, sample_rate: float, steps: int, target: PrivacyTarget) -> float:
    """Upper bound of epsilon at the target's delta by privacy loss random variables: the larger of both directions.

    Raises:
        PrvUnsuitableError: it would take too long or leave the range of floating-point numbers.
    """
    return max(prv_epsilon_one_way(kind, noise_multiplier, sample_rate, steps, target) for kind in DIRECTIONS)


def prv_epsilon_one_way(
    direction: type[PoissonSubsampledGaussianPRV], noise_multiplier: float, sample_rate: float, steps: int, target: PrivacyTarget
) -> float:
    """The same for a unit removed (`PoissonSubsampledGaussianPRV`) or added (`UnitAddedPRV`).

    Mesh and reach are those of Gopi et al. 2021, theorem 5.5 and remark 5.6; the reach follows from Renyi divergences, which bound both
    directions.

    Raises:
        PrvUnsuitableError: see `prv_epsilon`.
    """
    error, delta_error = RELATIVE_ERROR * target.epsilon, target.delta / 1000
    mesh = error / math.sqrt(steps * math.log(12 / delta_error) / 2)
    of_all = rdp_epsilon(noise_multiplier, sample_rate, steps, delta_error / 4)
    of_one = rdp_epsilon(noise_multiplier, sample_rate, 1, delta_error / (8 * steps))
    reach = max(of_all, of_one) + error + 3
    if reach > MAX_PRIVACY_LOSS or 2 * reach / mesh > MAX_GRID_POINTS:
        raise PrvUnsuitableError(f"privacy losses up to {reach:.3g} in steps of {mesh:.3g}")
    domain = Domain.create_aligned(-reach, reach, mesh)
    try:
        with _strict_integration():
            step = discretize(TruncatedPrivacyRandomVariable(direction(sample_rate, noise_multiplier), domain.t_min, domain.t_max), domain)
            composed = compose_heterogeneous([step], [steps])
            return float(composed.compute_epsilon(target.delta, delta_error, error)[2])
    except (RuntimeError, ValueError, IntegrationWarning) as problem:
        raise PrvUnsuitableError("it does not converge") from problem


def rdp_epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """Upper bound of epsilon at `delta` by Renyi differential privacy."""
    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():  # a smaller or larger order might be tighter; the bound holds all the same
        warnings.filterwarnings("ignore", message="Optimal order is the")
        return float(accountant.get_epsilon(delta, alphas=RDP_ORDERS))


def _kept_in(folder: Path | None) -> Path:
    return folder or load_settings().calibrations_dir


@contextmanager
def _strict_integration() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", IntegrationWarning)
        yield


def _calibrate(target: PrivacyTarget, *, sample_rate: float, steps: int, seconds: float) -> Calibration:
    """Noise by the quick accountants first; then by PRV near that, which mostly takes one query."""
    deadline = time.monotonic() + seconds

    def by_rdp(noise: float) -> float:
        return rdp_epsilon(noise, sample_rate, steps, target.delta)

    def by_pld(noise: float) -> float:
        if time.monotonic() > deadline:
            raise PrvUnsuitableError(f"it takes more than {seconds:g} seconds")
        return check_sampled(noise_multiplier=noise, sample_rate=sample_rate, steps=steps, delta=target.delta, epsilon=target.epsilon)

    def by_all(noise: float) -> float:
        return max(by_pld(noise), prv_epsilon(noise, sample_rate, steps, target))

    enough = _meet(target, by_rdp, NOISE_RANGE)
    bounds = (enough / 4, enough * 1.02)
    try:
        near = _meet(PrivacyTarget(target.epsilon * (1 - TIGHTNESS), target.delta), by_pld, bounds)
        return Calibration(_meet(target, by_all, bounds, start=near), "prv")
    except PrvUnsuitableError as reason:
        log.info("using RDP instead of PRV: %s", reason)
        return Calibration(enough, "rdp")


def _meet(target: PrivacyTarget, spent: Callable[[float], float], bounds: tuple[float, float], *, start: float | None = None) -> float:
    """A noise multiplier whose spending is within TIGHTNESS below the target.

    Found by the secant method between the logarithms of noise and epsilon, which are nearly proportional, or by bisection where a secant
    leaves the bracket; `spent` must not increase with noise.
    """
    low, high = map(math.log, bounds)
    goal = math.log(target.epsilon) + math.log1p(-TIGHTNESS / 2)
    x, slope, last = math.log(start) if start else high, -1.5, None
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
