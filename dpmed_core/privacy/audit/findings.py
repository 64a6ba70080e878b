"""What audits find: of a head, and of a network's steps."""

from dataclasses import asdict, dataclass

MU, NOISE, SHIFT, REUSE, GUESSES = "mu", "noise", "shift", "reuse", "guesses"
"""The tests, by name; see `head_audit` and `step_audit`."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        claimed_mu: of the guarantee.
        lower_bound_mu: what the attack on the canary proves, with a confidence of 98 %.
        noise_ratio: variance of the noise in the released weights over the claimed one.
        shift_ratio: how far the canary moves the weights over what the clipping bound allows.
        shift_error: its standard error.
        reuse: correlation of the noise of consecutive trainings.
        failed: the tests that reject.
        consistent: none does.
        n_trainings: with the canary, and as many without.
        seconds: processor seconds.
    """

    claimed_mu: float
    lower_bound_mu: float
    noise_ratio: float
    shift_ratio: float
    shift_error: float
    reuse: float
    failed: tuple[str, ...]
    consistent: bool
    n_trainings: int
    seconds: float

    def to_fields(self) -> dict[str, object]:
        """The audit as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class StepAudit:
    """What an audit of a network's steps found.

    Attributes:
        claimed_mu: of the Gaussian mechanism that dominates the audited steps.
        lower_bound_mu: what the attack on the canaries proves, with a confidence of 98 %.
        guessed_right: share of right guesses at which canaries are in.
        guesses_allowed: the largest probability of a right guess under the guarantee.
        noise_ratio: variance of the noise over the claimed one.
        least_noise_ratio: the same in the parameter of the network that has least.
        shift_ratio: what canaries add over what clipping and sampling allow.
        shift_error: its standard error.
        reuse: the largest correlation of the noise of two steps.
        failed: the tests that reject.
        consistent: none does.
        n_canaries: in and out together.
        canary_images: images of a canary.
        steps: audited steps.
        of_steps: steps of the training that the guarantee is of.
        seconds: processor seconds.
    """

    claimed_mu: float
    lower_bound_mu: float
    guessed_right: float
    guesses_allowed: float
    noise_ratio: float
    least_noise_ratio: float
    shift_ratio: float
    shift_error: float
    reuse: float
    failed: tuple[str, ...]
    consistent: bool
    n_canaries: int
    canary_images: int
    steps: int
    of_steps: int
    seconds: float

    def to_fields(self) -> dict[str, object]:
        """The audit as plain values for JSON."""
        return asdict(self)
