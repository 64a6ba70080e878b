"""What an audit found, in words."""

from dpmed_core.privacy.audit.head_audit import MU, NOISE, REUSE, SHIFT, Audit

FAILURES = {
    MU: "the two kinds of training can be told from each other better than the guarantee allows",
    NOISE: "the noise does not have the size that was accounted for",
    SHIFT: "one patient moves the weights by more than the clipping bound",
    REUSE: "noise is used more than once",
}
"""What it means that a test rejects."""


def audit_sentences(audit: Audit) -> list[str]:
    """The verdict, what was proven against what is claimed, and what it does not show."""
    reasons = "; ".join(FAILURES[name] for name in audit.failed)
    return [
        "Consistent with the claim." if audit.consistent else f"Not consistent with the claim: {reasons}.",
        f"From {audit.n_trainings:,} trainings with a made-up worst-case patient and {audit.n_trainings:,} without, the attack proves a μ "
        f"of at least {audit.lower_bound_mu:.2f} (98 % confidence); claimed is at most {audit.claimed_mu:.2f}.",
        f"The noise has {audit.noise_ratio:.3f} of its claimed variance; noise of consecutive trainings correlates by {audit.reuse:.3f}.",
        f"The patient moves the weights by {audit.shift_ratio:.2f} of what the bound allows (standard error {audit.shift_error:.2f}).",
        "An audit can find that a guarantee is broken; it cannot prove that it holds.",
    ]
