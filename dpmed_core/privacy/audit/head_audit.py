"""The audit of a private head: hundreds of trainings with the canary and without, and four tests of what is claimed.

    mu      a lower bound of mu from telling the two apart is not above the claimed mu
    noise   weights in empty directions have the claimed variance, neither less nor more
    shift   the canary moves the weights by no more than the clipping bound allows
    reuse   the noise of two trainings is uncorrelated

The first needs no knowledge of the mechanism and is blind to small errors; the others know what a head's weights are made of and see them.
All of them together call a head that keeps its word inconsistent in at most 3.5 % of audits.
"""

import math
import time
from dataclasses import replace

import numpy as np
from scipy.stats import chi2, norm

from dpmed_core.errors import SpecError
from dpmed_core.privacy.audit.canary_world import CANARY_IMAGES, N_UNITS, CanaryWorld, canary_world
from dpmed_core.privacy.audit.findings import MU, NOISE, REUSE, SHIFT, Audit
from dpmed_core.privacy.audit.mu_bound import mu_lower_bound
from dpmed_core.privacy.audit.released import ClaimedScale, Released, claimed_scale, released
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.recipes.linear_head import train_heads
from dpmed_core.training.recipes.train_probe import ProbePlan, accounted_steps
from dpmed_core.training.spec import PrivacyUnit

MU_ERROR, OTHER_ERROR = 0.02, 0.005
"""Probability with which the bound of mu is too large, and with which each of the other tests rejects what is as claimed."""
AT_ONCE = 100
"""Trainings in one matrix product."""


def audit_head(plan: ProbePlan, *, unit: PrivacyUnit, n_units: int, n_findings: int, n_trainings: int, with_start: bool = False) -> Audit:
    """An audit of recipe `probe` as `plan` trains it, on data without any patient.

    Args:
        plan: of the training; steps, bound and noise are its own.
        unit: what it clips and protects as one.
        n_units: units that the plan was made for.
        n_findings: findings of the training.
        n_trainings: trainings with the canary, and as many without.
        with_start: whether the heads begin at a public start.

    Raises:
        SpecError: the plan has no privacy.
    """
    if not plan.noise_multiplier > 0:
        raise SpecError("A training without privacy claims nothing that could be audited: name a private run or an epsilon.")
    began = time.process_time()
    # As many steps of the same relative size on fewer units: the rate is divided by their number.
    settings = replace(plan.settings, learning_rate=plan.settings.learning_rate * N_UNITS / n_units)
    world = canary_world(n_findings=n_findings, canary_images=CANARY_IMAGES if unit is PrivacyUnit.PATIENT else 1, with_start=with_start)
    inside, outside = trained(world, replace(plan, settings=settings), n_trainings)
    claimed_mu = math.sqrt(accounted_steps(plan)) / plan.noise_multiplier
    scale = claimed_scale(settings, noise_multiplier=plan.noise_multiplier, n_units=N_UNITS, with_start=with_start)
    lower = mu_lower_bound(inside.statistics, outside.statistics, error=MU_ERROR)
    noise_ratio, noise_fails = noise_test(outside, scale)
    shift_ratio, shift_error, shift_fails = shift_test(inside, outside, scale)
    reuse, reuse_fails = reuse_test(outside)
    verdicts = {MU: lower > claimed_mu, NOISE: noise_fails, SHIFT: shift_fails, REUSE: reuse_fails}
    failed = tuple(name for name, fails in verdicts.items() if fails)
    seconds = time.process_time() - began
    return Audit(claimed_mu, lower, noise_ratio, shift_ratio, shift_error, reuse, failed, not failed, n_trainings, seconds)


def trained(world: CanaryWorld, plan: ProbePlan, n_trainings: int) -> tuple[Released, Released]:
    """What heads hold that were trained with the canary, and without."""

    def heads_of(with_canary: bool) -> Released:
        data, random = world.with_canary if with_canary else world.without, SecureRandom()
        counts = [min(AT_ONCE, n_trainings - start) for start in range(0, n_trainings, AT_ONCE)]
        start, noise = world.start_weights, plan.noise_multiplier
        return released([head for n in counts for head in train_heads(data, plan.settings, [noise] * n, random, start_weights=start)])

    return heads_of(True), heads_of(False)


def noise_test(outside: Released, scale: ClaimedScale) -> tuple[float, bool]:
    """The variance of the noise over the claimed one, and whether it differs: a sum of squares against chi squared, two-sided."""
    n_directions, n_findings = outside.noise.shape[1:]
    freedom = float(((n_directions - outside.explained) * n_findings).sum())
    squares = float(np.square(outside.noise).sum()) / scale.noise**2
    tail = min(chi2.cdf(squares, freedom), chi2.sf(squares, freedom))
    return squares / freedom, bool(tail < OTHER_ERROR / 2)


def shift_test(inside: Released, outside: Released, scale: ClaimedScale) -> tuple[float, float, bool]:
    """How far the canary moves the weights, over what is allowed, its standard error, and whether it is farther: a test of two means."""
    shift = abs(float(inside.canary.mean() - outside.canary.mean()))
    error = math.sqrt(inside.canary.var(ddof=1) / len(inside.canary) + outside.canary.var(ddof=1) / len(outside.canary))
    return shift / scale.shift, error / scale.shift, bool(shift > scale.shift + norm.isf(OTHER_ERROR) * error)


def reuse_test(outside: Released) -> tuple[float, bool]:
    """The correlation of the noise of consecutive trainings, and whether there is any: by the normal limit of a sum of products."""
    flat = outside.noise.reshape(len(outside.noise), -1)
    products = (flat[:-1] * flat[1:]).sum(axis=1)
    lengths = np.square(flat).sum(axis=1)
    correlation = float(products.sum() / max(lengths.mean() * len(products), 1e-300))
    # Of two independent normal vectors the product has mean 0; products of consecutive pairs are uncorrelated.
    deviate = products.sum() / max(math.sqrt(float(np.square(products).sum())), 1e-300)
    return correlation, bool(abs(deviate) > norm.isf(OTHER_ERROR / 2))
