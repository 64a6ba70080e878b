"""The second accountant: privacy loss distributions (PLD) of dp-accounting, and what several mechanisms on the same patients compose to.

Privacy loss distributions (Koskela, Jälkö & Honkela 2020, arXiv 1906.03049; Doroshenko et al. 2022, arXiv 2207.04380) are discretised
pessimistically, so that their epsilon is an upper bound for a unit added and for a unit removed. The discretisation interval is a fixed
share of epsilon and not left to the library, so that the same mechanism has the same epsilon everywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import dp_accounting
from dp_accounting import dp_event
from dp_accounting.pld import PLDAccountant
from scipy.stats import binom

from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon

SAMPLED_INTERVAL = 1e-4
"""Discretisation of Poisson-sampled steps, for epsilon up to 1, and as a share of epsilon above."""
FULL_BATCH_INTERVAL = 5e-3
"""Discretisation of a single Gaussian, as a share of epsilon."""
COMPOSED_INTERVAL = 1e-3
"""Discretisation of compositions of different mechanisms, for epsilon up to 1, and as a share of epsilon above."""
LARGEST_GROUP = 8
"""Most images of a patient for which image-level sampled steps are composed at patient level."""


@dataclass(frozen=True)
class Mechanism:
    """Gaussian steps that were taken on the same patients.

    Attributes:
        noise_multiplier: standard deviation of the noise over the most that one unit can move a step's sum.
        sample_rate: probability with which a unit enters a step; 1 for full batches.
        steps: noisy steps.
        images_per_patient: most images of one patient, where the unit was the image; 1 where it was the patient.
    """

    noise_multiplier: float
    sample_rate: float
    steps: int
    images_per_patient: int = 1


def sampled_event(noise_multiplier: float, sample_rate: float, steps: int) -> dp_accounting.DpEvent:
    """Poisson-sampled Gaussian steps as an event of dp-accounting."""
    step = dp_accounting.PoissonSampledDpEvent(sample_rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    return dp_accounting.SelfComposedDpEvent(step, steps)


def pld_epsilon(event: dp_accounting.DpEvent, delta: float, *, interval: float) -> float:
    """Upper bound of epsilon at `delta`: the larger of both directions.

    For one Gaussian step of noise 1 the closed form (`gaussian_dp.gaussian_epsilon`) is 4.37718:

    >>> round(pld_epsilon(dp_accounting.GaussianDpEvent(1.0), 1e-5, interval=1e-3), 3)
    4.377

    Args:
        event: what was done.
        delta: at which epsilon is computed.
        interval: spacing of the discretised privacy losses.
    """
    # The losses of zero-out neighbours are those of a unit removed and added (`training.result.NEIGHBORING_RELATION`).
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=interval)
    return float(accountant.compose(event).get_epsilon(delta))


def check_full_batch(*, noise_multiplier: float, steps: int, delta: float, epsilon: float) -> float:
    """Epsilon of full-batch steps at `delta` by PLD; `epsilon` is roughly what to expect and sets the resolution.

    50 steps of noise sqrt(50) are one of noise 1, for which see `pld_epsilon`:

    >>> round(check_full_batch(noise_multiplier=50**0.5, steps=50, delta=1e-5, epsilon=4.4), 2)
    4.38
    """
    event = dp_accounting.GaussianDpEvent(noise_multiplier / math.sqrt(steps))
    return pld_epsilon(event, delta, interval=FULL_BATCH_INTERVAL * epsilon)


def check_sampled(*, noise_multiplier: float, sample_rate: float, steps: int, delta: float, epsilon: float) -> float:
    """Epsilon of Poisson-sampled steps at `delta` by PLD; `epsilon` is roughly what to expect and sets the resolution.

    TensorFlow Privacy's MNIST tutorial (batch 256 of 60,000, noise 1.1, 60 epochs) states 3.01, by an older and looser RDP conversion; PRV
    (`accounting.prv_epsilon`) gives the upper bound 2.397:

    >>> round(check_sampled(noise_multiplier=1.1, sample_rate=256 / 60_000, steps=14_062, delta=1e-5, epsilon=3.0), 3)
    2.382
    """
    event = sampled_event(noise_multiplier, sample_rate, steps)
    return pld_epsilon(event, delta, interval=SAMPLED_INTERVAL * max(1.0, epsilon))


def composed_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """What `mechanisms` on the same patients spend together, at `delta`, for each patient; infinite where no bound is computed.

    Full-batch Gaussian steps compose exactly to one: the squares of their mu add up. Four steps of noise 2 are one of noise 1, for which
    the closed form and dp-accounting give 4.37718 (see `gaussian_dp.gaussian_epsilon`):

    >>> round(composed_epsilon([Mechanism(noise_multiplier=2.0, sample_rate=1.0, steps=1)] * 4, 1e-5), 5)
    4.37718

    An image-level step at patient level: a patient with k images moves its sum by at most k clipping bounds. With full batches that is k
    times the mu. Where images are sampled independently it is a Binomial(k, sample rate) number of bounds, whose mixture of Gaussians
    dominates every patient's (Ganesh 2024, "Tight group-level DP guarantees for DP-SGD with sampling via mixture of Gaussians mechanisms",
    arXiv 2401.10294). Beyond `LARGEST_GROUP` sampled images no bound is computed: it would be too large to mean anything.

    >>> round(composed_epsilon([Mechanism(4.0, 1.0, 1, images_per_patient=4)], 1e-5), 5)  # 4 images at noise 4: mu 1 again
    4.37718
    >>> composed_epsilon([Mechanism(2.0, 0.1, 200, images_per_patient=9)], 1e-5)
    inf
    """
    # A step of sensitivity k and noise s has mu = k / s, and the squares of mu add up over steps and mechanisms.
    full = [m for m in mechanisms if m.sample_rate >= 1 and m.steps]
    mu = math.sqrt(sum(m.steps * (m.images_per_patient / m.noise_multiplier) ** 2 for m in full))
    sampled = [m for m in mechanisms if m.sample_rate < 1 and m.steps]
    if any(m.images_per_patient > LARGEST_GROUP for m in sampled):
        return math.inf
    if not sampled:
        return gaussian_epsilon(mu, delta)
    # The full-batch part enters as the one Gaussian of noise 1 / mu that it is equal to.
    events = [_patient_event(m) for m in sampled] + ([dp_accounting.GaussianDpEvent(1 / mu)] if mu else [])
    event = dp_accounting.ComposedDpEvent(events)
    # The coarse pass finds the size of epsilon, which sets the interval of the fine one; both are upper bounds, so the smaller one holds.
    coarse = pld_epsilon(event, delta, interval=20 * COMPOSED_INTERVAL)
    return min(coarse, pld_epsilon(event, delta, interval=COMPOSED_INTERVAL * max(1.0, coarse)))


def _patient_event(mechanism: Mechanism) -> dp_accounting.DpEvent:
    """Sampled steps as one patient with all images experiences them: each step's sensitivity is Binomial(k, sample rate) bounds."""
    k, rate = mechanism.images_per_patient, mechanism.sample_rate
    if k == 1:
        return sampled_event(mechanism.noise_multiplier, rate, mechanism.steps)
    images = range(k + 1)
    step = dp_event.MixtureOfGaussiansDpEvent(
        mechanism.noise_multiplier, [float(n) for n in images], [float(p) for p in binom.pmf(images, k, rate)]
    )
    return dp_accounting.SelfComposedDpEvent(step, mechanism.steps)
