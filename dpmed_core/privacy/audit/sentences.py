"""What an audit found, in words."""

from dpmed_core.privacy.audit.findings import GUESSES, MU, NOISE, REUSE, SHIFT, Audit, StepAudit

FAILURES = {
    MU: "the two kinds of training can be told from each other better than the guarantee allows",
    GUESSES: "guesses at who took part are right more often than the guarantee allows",
    NOISE: "the noise does not have the size that was accounted for",
    SHIFT: "one patient moves the weights by more than the clipping bound",
    REUSE: "noise is used more than once",
}
"""What it means that a test rejects."""
STEP_FAILURES = {
    **FAILURES,
    MU: "made-up patients who took part can be told from those who did not better than the guarantee allows",
    SHIFT: "one patient adds more to the steps than the clipping bound and the sampling allow",
}
"""The same of a network's steps."""
NO_PROOF = "An audit can find that a guarantee is broken; it cannot prove that it holds."


def audit_sentences(audit: Audit | StepAudit) -> list[str]:
    """The verdict, what was proven against what is claimed, and what it does not show."""
    failures = FAILURES if isinstance(audit, Audit) else STEP_FAILURES
    reasons = "; ".join(failures[name] for name in audit.failed)
    verdict = "Consistent with the claim." if audit.consistent else f"Not consistent with the claim: {reasons}."
    return [verdict, *(_of_head(audit) if isinstance(audit, Audit) else _of_steps(audit)), NO_PROOF]


def _of_head(audit: Audit) -> list[str]:
    return [
        f"From {audit.n_trainings:,} trainings with a made-up worst-case patient and {audit.n_trainings:,} without, the attack proves a μ "
        f"of at least {audit.lower_bound_mu:.2f} (98 % confidence); claimed is at most {audit.claimed_mu:.2f}.",
        f"The noise has {audit.noise_ratio:.3f} of its claimed variance; noise of consecutive trainings correlates by {audit.reuse:.3f}.",
        f"The patient moves the weights by {audit.shift_ratio:.2f} of what the bound allows (standard error {audit.shift_error:.2f}).",
    ]


def _of_steps(audit: StepAudit) -> list[str]:
    part = "all" if audit.steps == audit.of_steps else f"the first {audit.steps:,} of"
    return [
        f"One training on {audit.n_canaries:,} made-up units and nobody else, half of them with an empty record, watched at {part} "
        f"{audit.of_steps:,} steps: the attack proves a μ of at least {audit.lower_bound_mu:.2f} (98 % confidence); "
        f"claimed of these steps is at most {audit.claimed_mu:.2f}.",
        f"Of 100 guesses at who took part, {100 * audit.guessed_right:.1f} were right; "
        f"the guarantee allows {100 * audit.guesses_allowed:.1f}.",
        f"The noise has {audit.noise_ratio:.4f} of its claimed variance, {audit.least_noise_ratio:.3f} in the parameter that has least; the"
        f" largest correlation between the noise of two steps is {audit.reuse:.3f}.",
        f"Units that took part add {audit.shift_ratio:.2f} of what clipping and sampling allow (standard error {audit.shift_error:.2f}).",
    ]
