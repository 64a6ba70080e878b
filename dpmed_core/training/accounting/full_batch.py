"""The guarantee of full-batch steps, as it is stored and shown; no torch."""

import math

from dpmed_core.errors import SpecError
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.accounting.pld import check_full_batch
from dpmed_core.training.result import NEIGHBORING_RELATION, NO_TRAINING, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit


def guarantee_full_batch(
    target: PrivacyTarget, *, noise_multiplier: float, steps: int, max_grad_norm: float, unit: PrivacyUnit, n_units: int
) -> PrivacyGuarantee:
    """The guarantee of `steps` full-batch Gaussian steps at the target's delta.

    Args:
        target: what was asked for; its delta is used, and its epsilon is the limit.
        noise_multiplier: standard deviation of the noise over the clipping bound.
        steps: noisy steps.
        max_grad_norm: the clipping bound.
        unit: what is clipped as one.
        n_units: training units.

    Raises:
        SpecError: the steps spend more than the target.
    """
    # T steps of noise s are one Gaussian mechanism with mu = sqrt(T) / s (`gaussian_dp`).
    epsilon = gaussian_epsilon(math.sqrt(steps) / noise_multiplier, target.delta)
    refuse_overspending(epsilon, target)
    # The closed form is exact and is what counts; the second accountant's value is stored beside it for comparison.
    check = check_full_batch(noise_multiplier=noise_multiplier, steps=steps, delta=target.delta, epsilon=target.epsilon)
    return PrivacyGuarantee(
        epsilon=epsilon,
        delta=target.delta,
        unit=unit,
        accountant="analytic-gaussian",
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        sample_rate=1.0,
        steps=steps,
        n_units=n_units,
        check_epsilon=check,
        check_accountant="pld",
    )


def nothing_spent(unit: PrivacyUnit, *, n_units: int) -> PrivacyGuarantee:
    """The guarantee of a model that no training patient enters: its output is the same whatever their records are.

    Args:
        unit: that the other models of the cohort protect.
        n_units: training units.
    """
    return PrivacyGuarantee(
        epsilon=0.0,
        delta=0.0,
        unit=unit,
        accountant=NO_TRAINING,
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=0.0,
        max_grad_norm=0.0,
        sample_rate=0.0,
        steps=0,
        n_units=n_units,
        check_epsilon=0.0,
        check_accountant=NO_TRAINING,
    )


def refuse_overspending(epsilon: float, target: PrivacyTarget) -> None:
    """Raise a SpecError if `epsilon` is more than the target."""
    if epsilon > target.epsilon:
        raise SpecError(
            f"The training would spend epsilon {epsilon:.4g}, more than the {target.epsilon:g} asked for: choose a larger epsilon."
        )
