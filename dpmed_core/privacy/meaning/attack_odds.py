"""What a trade-off curve allows any attacker: who took part, and what can be learnt of a patient.

With f the trade-off curve (`tradeoff`), an attacker who makes at most the share alpha of false accusations finds at most 1 - f(alpha) of
those who took part. Everything here follows from that one bound:

- **Guesses**: told that a patient took part with a probability of one half, the attacker is right with a probability of at most
  1 - min over alpha of (alpha + f(alpha)) / 2 = (1 + total variation) / 2.
- **Posterior**: of the patients with prior p of whom such a test says "took part", at most the share
  p (1 - f(alpha)) / (p (1 - f(alpha)) + (1 - p) alpha) did.
- **Reconstruction**, attribute inference and re-identification: whoever succeeds with probability p without the release succeeds with at
  most 1 - f(p) with it. With the patient's record emptied, the release does not depend on the record, so that success has probability at
  most p; success is an event of the release and the record, and so a test of "in" against "empty" whose false-positive rate is at most p.

Sources: Dong, Roth & Su 2022, arXiv 1905.02383; Kulynych, Gomez, Kaissis, Hayes, Balle, Calmon & Raisaro 2025, "Unifying re-identification,
attribute inference, and data reconstruction risks in differential privacy", arXiv 2507.06969.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from dpmed_core.errors import SpecError
from dpmed_core.privacy.meaning.tradeoff import GaussianTradeOff, TradeOff

PRIORS = (0.5, 0.1, 0.01, 0.001)
"""Chances of an attacker before the release, where the user names none: a coin, and one in ten, a hundred and a thousand."""
FALSE_POSITIVES = (0.01, 0.001)
"""The stated rates of false accusations."""
CURVE_AT = np.unique(np.concatenate([[0.0], np.logspace(-4, -1, 31), np.linspace(0.1, 1.0, 46)]).round(12))
"""False-positive rates at which a curve is written out: dense where few are accused."""


@dataclass(frozen=True)
class Reconstruction:
    """The success of an attacker who would succeed with probability `prior` without the release.

    Attributes:
        prior: without it.
        at_most: with it.
    """

    prior: float
    at_most: float


@dataclass(frozen=True)
class Posterior:
    """The share of those whom a test names, with this prior and rate of false accusations, who took part.

    Attributes:
        prior: the probability that a patient took part, before the release.
        false_positives: the test's rate of false accusations among those who did not.
        at_most: the probability after the test named the patient.
    """

    prior: float
    false_positives: float
    at_most: float


@dataclass(frozen=True)
class AttackOdds:
    """What any attacker can reach.

    Attributes:
        mu: of the Gaussian mechanism that the training is (full batches), or that dominates it (sampled steps).
        guess_right: of 100 fifty-fifty guesses at who took part, how many are right at most; 50 without any release.
        tpr_at_1pct: the share of participants that a test finds at most with 1 % false positives.
        tpr_at_01pct: with 0.1 %.
        reconstruction: success at reconstruction, attribute inference and re-identification, by prior.
        posterior: of membership, by prior and false positives.
        curve: pairs of a false-positive rate and the least share missed, f.
    """

    mu: float
    guess_right: float
    tpr_at_1pct: float
    tpr_at_01pct: float
    reconstruction: tuple[Reconstruction, ...]
    posterior: tuple[Posterior, ...]
    curve: tuple[tuple[float, float], ...] = field(repr=False)

    def to_fields(self) -> dict[str, object]:
        """The odds as plain values for JSON."""
        return asdict(self)


def attack_odds(tradeoff: TradeOff, mu: float, *, priors: Sequence[float] = PRIORS) -> AttackOdds:
    """What any attacker can reach against a mechanism with this trade-off curve.

    For a Gaussian mechanism of mu 1 the best attacker errs in Phi(-1/2) of the guesses, 30.85 %:

    >>> odds = attack_odds(GaussianTradeOff(1.0), 1.0, priors=[0.5])
    >>> round(odds.guess_right, 2), round(odds.reconstruction[0].at_most, 4)  # 1 - f(1/2) = Phi(1)
    (69.15, 0.8413)

    Args:
        tradeoff: the curve.
        mu: of `AttackOdds.mu`.
        priors: an attacker's chances without the release, each above 0 and below 1.

    Raises:
        SpecError: a prior is no chance.
    """
    if wrong := [prior for prior in priors if not 0 < prior < 1]:
        raise SpecError(f"A prior of {wrong[0]:g} is no chance: write a probability above 0 and below 1, such as 0.01.")
    found = [found_at(tradeoff, alpha) for alpha in FALSE_POSITIVES]
    named = tuple(
        Posterior(prior, alpha, prior * found_here / (prior * found_here + (1 - prior) * alpha))
        for prior in priors
        for alpha, found_here in zip(FALSE_POSITIVES, found, strict=True)
    )
    return AttackOdds(
        mu=mu,
        guess_right=50 * (1 + tradeoff.total_variation),
        tpr_at_1pct=found[0],
        tpr_at_01pct=found[1],
        reconstruction=tuple(Reconstruction(prior, found_at(tradeoff, prior)) for prior in priors),
        posterior=named,
        curve=tuple(zip(CURVE_AT.tolist(), tradeoff.misses(CURVE_AT).tolist(), strict=True)),
    )


def gaussian_odds(mu: float, *, priors: Sequence[float] = PRIORS) -> AttackOdds:
    """`attack_odds` of a Gaussian mechanism."""
    return attack_odds(GaussianTradeOff(mu), mu, priors=priors)


def found_at(tradeoff: TradeOff, false_positives: float) -> float:
    """1 - f: the largest share of participants that a test with this false-positive rate finds."""
    return float(1 - tradeoff.misses(false_positives))
