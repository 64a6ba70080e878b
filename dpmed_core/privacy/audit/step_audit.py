"""The audit of a network's private steps: one training on thousands of canaries, seen at every step, and five tests of what is claimed.

    mu      a lower bound of mu from telling canaries that are in from canaries that are out is not above the claimed mu
    guesses the best guesses at who is in are not right more often than the guarantee allows
    noise   all that is noise alone has the claimed variance, in every parameter and at every step
    shift   canaries add no more than one clipping bound whenever they are sampled, and are sampled as claimed
    reuse   the noise of two steps is uncorrelated

The first two would hold for any mechanism with this guarantee and see gross errors; the others know what a step is made of. All of them
together call steps that keep their word inconsistent in at most 4 % of audits.
"""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dpmed_core.privacy.audit.findings import GUESSES, MU, NOISE, REUSE, SHIFT, StepAudit
from dpmed_core.privacy.audit.head_audit import MU_ERROR, OTHER_ERROR
from dpmed_core.privacy.audit.mu_bound import mu_lower_bound
from dpmed_core.privacy.audit.step_tests import guesses, guesses_test, noise_test, reuse_test, scores, shift_test
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import mu_of
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit

if TYPE_CHECKING:
    from dpmed_core.training.dirac_canaries import ObservedSteps

N_CANARIES, CANARY_IMAGES = 3000, 3
"""Canaries, in and out together, and images of one that is in, where the unit is the patient."""
MOST_STEPS = 2000
"""Steps of an audit's training: of a longer one the first are audited, against the claim for as many."""


def audit_steps(
    recipe: str,
    guarantee: PrivacyGuarantee,
    *,
    n_findings: int,
    encoders_dir: Path,
    n_canaries: int = N_CANARIES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> StepAudit:
    """An audit of the steps with which `recipe` trains a network, on data without any patient.

    Args:
        recipe: name of a recipe that trains a network.
        guarantee: of the training; noise, clipping bound, sample rate and steps are its own.
        n_findings: findings of the training.
        encoders_dir: folder of the public encoders.
        n_canaries: canaries, in and out together.
        progress: told how many of the steps are done.
    """
    from dpmed_core.training.dirac_canaries import observe_training  # loads torch
    from dpmed_core.training.recipes.networks import NETWORKS

    began = time.process_time()
    steps = min(guarantee.steps, MOST_STEPS)
    seen = observe_training(
        NETWORKS[recipe],
        guarantee,
        steps=steps,
        n_findings=n_findings,
        n_canaries=n_canaries,
        canary_images=canary_images(guarantee.unit),
        encoders_dir=encoders_dir,
        progress=progress,
    )
    return judged(seen, guarantee, began=began)


def canary_images(unit: PrivacyUnit) -> int:
    """Images of a canary: several where they are to be clipped together."""
    return CANARY_IMAGES if unit is PrivacyUnit.PATIENT else 1


def judged(seen: "ObservedSteps", guarantee: PrivacyGuarantee, *, began: float) -> StepAudit:
    """What `seen` says of the steps of `guarantee`; `began` is the processor time at which the audit began."""
    steps, n_canaries = seen.canaries.shape
    mechanism = Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, steps)
    claimed_mu, allowed = _claim(mechanism)
    rate, inside, outside = mechanism.sample_rate, seen.inside, seen.canaries[:, ~seen.inside]
    # Estimated from a quarter: where the noise is not as claimed, the score is still the best there is.
    noise = float(np.sqrt(np.square(outside[:, : outside.shape[1] // 4]).mean()))
    scored, totals = scores(seen.canaries, noise=max(noise, 1e-6), sample_rate=rate), seen.canaries.sum(axis=0)
    statistics = np.column_stack([scored, totals])
    lower = mu_lower_bound(statistics[inside], statistics[~inside], error=MU_ERROR)
    right, of = guesses(scored, inside)
    squares = np.column_stack([seen.squares, np.square(outside).sum(axis=1)])
    sizes = np.append(seen.sizes, outside.shape[1])
    found = noise_test(squares, sizes, noise_multiplier=mechanism.noise_multiplier, error=OTHER_ERROR)
    shift_ratio, shift_error, shift_fails = shift_test(seen.canaries, inside, sample_rate=rate, error=OTHER_ERROR)
    reuse, reuse_fails = reuse_test(outside, error=OTHER_ERROR)
    verdicts = {
        MU: lower > claimed_mu,
        GUESSES: guesses_test(right, of, allowed=allowed, error=OTHER_ERROR),
        NOISE: found.fails,
        SHIFT: shift_fails,
        REUSE: reuse_fails,
    }
    failed = tuple(name for name, fails in verdicts.items() if fails)
    return StepAudit(
        claimed_mu=claimed_mu,
        lower_bound_mu=lower,
        guessed_right=right / of,
        guesses_allowed=allowed,
        noise_ratio=found.ratio,
        least_noise_ratio=found.least_ratio,
        shift_ratio=shift_ratio,
        shift_error=shift_error,
        reuse=reuse,
        failed=failed,
        consistent=not failed,
        n_canaries=n_canaries,
        canary_images=canary_images(guarantee.unit),
        steps=steps,
        of_steps=guarantee.steps,
        seconds=time.process_time() - began,
    )


@cache
def _claim(mechanism: Mechanism) -> tuple[float, float]:
    """The mu that is claimed, and the largest probability of a right guess, 1 - min over alpha of (alpha + f(alpha)) / 2."""
    return mu_of(mechanism), (1 + tradeoff_of(mechanism).total_variation) / 2
