"""The odds of an attacker in plain words, consequences first.

Readers understand odds, and what would happen, better than how a mechanism works (Nanayakkara, Smart, Cummings, Kaptchuk & Redmiles 2023,
"What are the chances?", arXiv 2303.00738). Bounds are printed rounded up, never down.
"""

from dpmed_core.phrases import rounded_up
from dpmed_core.privacy.meaning.attack_odds import AttackOdds


def odds_sentences(odds: AttackOdds) -> list[str]:
    """What any attacker can reach at most: who took part, naming few, being named, and learning more of a patient."""
    coin = odds.posterior[0]
    first, *others = (f"at most {_in_100(100 * r.at_most)} in 100" for r in odds.reconstruction)
    more = "".join(f", {chance(r.prior)} {at_most}" for r, at_most in zip(odds.reconstruction[1:], others, strict=True))
    learnt = f"{chance(odds.reconstruction[0].prior)} becomes {first} with it{more}"
    return [
        f"Who took part: of 100 fifty-fifty guesses the best attacker gets at most {_in_100(odds.guess_right)} right; "
        "without the model it would be 50.",
        f"Naming few: an attacker who falsely accuses 1 in 100 of those who did not take part finds at most "
        f"{_in_100(100 * odds.tpr_at_1pct)} in 100 of those who did; one who falsely accuses 1 in 1,000, at most "
        f"{_in_100(1000 * odds.tpr_at_01pct)} in 1,000.",
        f"Being named: of patients who took part with a chance of {chance(coin.prior)} and are named by the attacker who falsely accuses "
        f"{chance(coin.false_positives)}, at most {_in_100(100 * coin.at_most)} in 100 did.",
        f"Learning an attribute, an identity or an image of a patient: a chance without the model of {learnt}.",
    ]


def chance(probability: float) -> str:
    """A chance as people say it.

    >>> chance(0.5), chance(0.01), chance(0.001), chance(0.3)
    ('1 in 2', '1 in 100', '1 in 1,000', '30 in 100')
    """
    one_in = 1 / probability
    return f"1 in {round(one_in):,}" if abs(one_in - round(one_in)) < 1e-9 else f"{100 * probability:g} in 100"


def _in_100(value: float) -> str:
    """A bound at three significant digits, rounded up."""
    return f"{rounded_up(value, 3):g}"
