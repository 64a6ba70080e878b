"""The second accountant: privacy loss distributions of dp-accounting, and what several mechanisms on the same people compose to.

Privacy loss distributions (Koskela, Jalko & Honkela 2020; Doroshenko et al. 2022) are discretised pessimistically, so that what they say
is an upper bound in either direction (a unit added, a unit removed); the interval is pinned to a share of epsilon, so that the same
question has the same answer everywhere.
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
"""Discretisation of compositions of unlike mechanisms, for epsilon up to 1, and as a share of epsilon above."""
LARGEST_GROUP = 8
"""Most images of a patient for which image-level sampled steps are composed at patient level."""


@dataclass(frozen=True)
class Mechanism:
    """Steps that were taken on the same people.

    Attributes:
        noise_multiplier: noise over the most that one unit can move a step's sum.
        sample_rate: probability with which a unit enters a step; 1 for full batches.
        steps: noisy steps.
        films_per_patient: most images of one patient, where the unit was the image; 1 where it was the patient.
    """

    noise_multiplier: float
    sample_rate: float
    steps: int
    images_per_patient: int = 1


def sampled_event(noise_multiplier: float, sample_rate: float, steps: int) -> dp_accounting.DpEvent:
    """Poisson-sampled Gaussian steps, in dp-accounting's words."""
    step = dp_accounting.PoissonSampledDpEvent(sample_rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    return dp_accounting.SelfComposedDpEvent(step, steps)


def pld_epsilon(event: dp_accounting.DpEvent, delta: float, *, interval: float) -> float:
    """Upper bound of epsilon at `delta`, both directions."""
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=interval)
    return float(accountant.compose(event).get_epsilon(delta))


def check_full_batch(*, noise_multiplier: float, steps: int, delta: float, epsilon: float) -> float:
    """The epsilon of full-batch steps by privacy loss distributions; `epsilon` is about what is expected."""
    event = dp_accounting.GaussianDpEvent(noise_multiplier / math.sqrt(steps))
    return pld_epsilon(event, delta, interval=FULL_BATCH_INTERVAL * epsilon)


def check_sampled(*, noise_multiplier: float, sample_rate: float, steps: int, delta: float, epsilon: float) -> float:
    """The epsilon of Poisson-sampled steps by privacy loss distributions; `epsilon` is about what is expected."""
    event = sampled_event(noise_multiplier, sample_rate, steps)
    return pld_epsilon(event, delta, interval=SAMPLED_INTERVAL * max(1.0, epsilon))


def composed_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """What `mechanisms` on the same patients spend together, at `delta`, for each patient.

    Full-batch Gaussians compose exactly to one: their mu add in squares. A patient with k images moves the sum of an image-level step by at
    most k bounds: exactly k times the mu where batches are full; where images are sampled one by one, a Binomial(k, sample rate) number of
    bounds, whose mixture of Gaussians dominates every patient's (Ganesh 2024, "Tight group-level DP guarantees for DP-SGD with sampling
    via mixture of Gaussians mechanisms", arXiv 2401.10294). Beyond `LARGEST_GROUP` sampled images that is worth next to nothing, and
    counts as infinite.
    """
    full = [m for m in mechanisms if m.sample_rate >= 1 and m.steps]
    mu = math.sqrt(sum(m.steps * (m.images_per_patient / m.noise_multiplier) ** 2 for m in full))
    sampled = [m for m in mechanisms if m.sample_rate < 1 and m.steps]
    if any(m.images_per_patient > LARGEST_GROUP for m in sampled):
        return math.inf
    if not sampled:
        return gaussian_epsilon(mu, delta)
    events = [_patient_event(m) for m in sampled] + ([dp_accounting.GaussianDpEvent(1 / mu)] if mu else [])
    event = dp_accounting.ComposedDpEvent(events)
    coarse = pld_epsilon(event, delta, interval=20 * COMPOSED_INTERVAL)
    return min(coarse, pld_epsilon(event, delta, interval=COMPOSED_INTERVAL * max(1.0, coarse)))


def _patient_event(mechanism: Mechanism) -> dp_accounting.DpEvent:
    k, rate = mechanism.images_per_patient, mechanism.sample_rate
    if k == 1:
        return sampled_event(mechanism.noise_multiplier, rate, mechanism.steps)
    images = range(k + 1)
    step = dp_event.MixtureOfGaussiansDpEvent(
        mechanism.noise_multiplier, [float(n) for n in images], [float(p) for p in binom.pmf(images, k, rate)]
    )
    return dp_accounting.SelfComposedDpEvent(step, mechanism.steps)
