"""What several models of one budget spend together: the guarantee of a mean, a count or a choice over them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.phrases import delta_text, epsilon_text
from dpmed_core.training.accounting.calibration_cache import cached
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.result import PrivacyGuarantee


def epsilon_together(guarantees: Sequence[PrivacyGuarantee], *, cache_dir: Path | None = None) -> float:
    """Epsilon of all models together, at the delta that they have in common, for each unit of the training set that they share.

    Three full-batch models of epsilon 1 are one Gaussian mechanism of sqrt(3) times the mu, and spend less than 3 together.

    Args:
        guarantees: one of each model, at the same delta and with the same unit.
        cache_dir: folder of the calibration cache, for sampled steps, which take seconds; None for no cache.
    """
    steps: Counter[tuple[float, float]] = Counter()
    for guarantee in guarantees:
        steps[guarantee.noise_multiplier, guarantee.sample_rate] += guarantee.steps
    delta, mechanisms = guarantees[0].delta, [Mechanism(noise, rate, n) for (noise, rate), n in sorted(steps.items())]
    request = {"together": [[m.noise_multiplier, m.sample_rate, m.steps] for m in mechanisms], "delta": delta}
    return float(str(cached(cache_dir, request, lambda: {"epsilon": composed_epsilon(mechanisms, delta)})["epsilon"]))


def together_sentence(guarantees: Sequence[PrivacyGuarantee], *, cache_dir: Path | None = None) -> str:
    """What numbers over all of `guarantees` are worth, in a sentence; empty where there is one model, whose own guarantee says it."""
    if len(guarantees) < 2:
        return ""
    first = guarantees[0]
    epsilon = epsilon_together(guarantees, cache_dir=cache_dir)
    how = "exact composition of Gaussian mechanisms" if all(g.sample_rate >= 1 for g in guarantees) else "privacy loss distributions"
    return (
        f"Numbers over all {len(guarantees)} models, such as means and counts: together ε = {epsilon_text(epsilon)} at "
        f"δ = {delta_text(first.delta)} for each {first.unit.value} ({how}, {first.neighboring_relation} neighbours)."
    )
