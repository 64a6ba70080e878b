"""The cap: how much may be spent on one patient, enforced before the first gradient.

A patient's charges are added as squared mu of dominating Gaussian mechanisms (`dominating_gaussian`), and a model is refused that would
carry any of its patients past the squared mu of the cap's epsilon and delta. Fixed in advance, this sum is a privacy filter: it bounds what
is spent also where each budget was chosen after the earlier models were seen, which composing chosen budgets after the fact does not.

Sources: Smith & Thakurta 2022, "Fully adaptive composition for Gaussian differential privacy", arXiv 2210.17520; Koskela, Tobaben & Honkela
2023, "Individual privacy accounting with Gaussian differential privacy", arXiv 2209.15596. The probabilities delta0 up to which sampled
steps are dominated add up by the union bound; together they may take `DELTA0_SHARE` of the cap's delta, on top of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import LedgerError
from dpmed_core.phrases import counted, delta_text, epsilon_text, rounded_down
from dpmed_core.privacy.ledger.book import Book, Cap, Draw, Reservation
from dpmed_core.privacy.ledger.patients import Membership
from dpmed_core.privacy.ledger.totals import TOLERANCE, spent_by
from dpmed_core.training.accounting.gaussian_dp import ROUND_UP, gaussian_epsilon, gaussian_mu

DELTA0_SHARE = 0.01
"""How much of the cap's delta the probabilities delta0 of one patient's sampled runs may take together."""


def budget_of(cap: Cap) -> float:
    """The largest sum of squared mu that the cap allows a patient."""
    return gaussian_mu(cap.target) ** 2


def cap_sentence(cap: Cap) -> str:
    """The cap in words."""
    return (
        f"Cap: no further private model is trained that would carry a patient past ε = {epsilon_text(cap.epsilon)} at "
        f"δ = {delta_text(cap.delta)}, whatever was seen before its budget was chosen (for networks, δ is larger by at most "
        f"{DELTA0_SHARE:.0%}; Gaussian differential privacy filter)."
    )


@dataclass(frozen=True)
class PastCap:
    """Why models are not trained under the cap.

    Attributes:
        reason: what they would carry patients to, as a sentence that begins with "with".
        way_out: what can be done, a sentence.
    """

    reason: str
    way_out: str


def refuse_past_cap(book: Book, new: Sequence[Draw | Reservation], *, replacing: frozenset[str] = frozenset()) -> None:
    """Refuse `new` where it would carry any of its patients past the cap.

    Args:
        book: the ledger.
        new: draws or reservations that are to be added.
        replacing: runs whose reservations `new` takes the place of.

    Raises:
        LedgerError: it would, and the message says what would fit; or what was spent before cannot be told.
    """
    if (past := past_cap(book, new, replacing=replacing)) is not None:
        n_private = sum(one.private for one in new)
        raise LedgerError(f"{counted(n_private, 'private model was', 'private models were')} not trained: {past.reason} {past.way_out}")


def past_cap(book: Book, new: Sequence[Draw | Reservation], *, replacing: frozenset[str] = frozenset()) -> PastCap | None:
    """Why `new` would carry a patient past the cap; None where it would not. See `refuse_past_cap`.

    Raises:
        LedgerError: what was spent before cannot be told.
    """
    cap = book.cap
    private: list[Draw | Reservation] = [one for one in new if one.private]
    if cap is None or not private:
        return None
    refuse_unknown(book)
    before: list[Draw | Reservation] = [*book.draws, *(r for r in book.reserved if r.run_id not in replacing)]
    members = Membership.among(book.sets, {one.patients for one in (*before, *private)})
    spent, after = spent_by(before, members), spent_by([*before, *private], members)
    concerned = after.squared_mu > spent.squared_mu
    if not concerned.any():  # nobody is known to be in it, so that everybody may be
        concerned[:] = True
    budget = budget_of(cap)
    worst_before, worst_after = _largest(spent.squared_mu[concerned]), _largest(after.squared_mu[concerned])
    if not len(members.patients):
        worst_after = math.fsum(one.squared_mu for one in (*before, *private))
        worst_before = worst_after - math.fsum(one.squared_mu for one in private)
    if worst_after <= budget * TOLERANCE and _largest(after.delta0[concerned]) <= DELTA0_SHARE * cap.delta:
        return None
    left = math.sqrt(max(0.0, budget - worst_before))
    # A run of the target that needs exactly `left` is calibrated to a mu that is smaller by ROUND_UP.
    fits = rounded_down(gaussian_epsilon(left * ROUND_UP, cap.delta), 3) if left > 0 else 0.0
    n_over = int((after.squared_mu[concerned] > budget * TOLERANCE).sum())
    return PastCap(
        f"with {'it' if len(private) == 1 else 'them'} {counted(n_over, 'patient', 'patients')} would reach up to "
        f"ε = {epsilon_text(gaussian_epsilon(math.sqrt(worst_after), cap.delta))} at δ = {delta_text(cap.delta)}, past the cap of "
        f"ε = {epsilon_text(cap.epsilon)}; so far it is up to ε = {epsilon_text(gaussian_epsilon(math.sqrt(worst_before), cap.delta))}.",
        f"What fits is one model of ε up to {fits:g} at this δ."
        if fits > 0
        else "Nothing more fits: the privacy officer can raise the cap with `ledger cap`.",
    )


def refuse_unknown(book: Book) -> None:
    """Refuse what a cap limits, where a part of what was spent cannot be told: it may have been anything.

    Raises:
        LedgerError: nobody has answered for it yet.
    """
    if book.unanswered:
        named = ", ".join(book.unanswered[:3]) + (" and others" if len(book.unanswered) > 3 else "")
        raise LedgerError(
            f"What was spent cannot be told of {named}, so nothing private is trained or released under the cap: "
            "restore the data folder from a backup, or answer for it with `ledger accept`."
        )


def _largest(values: NDArray[np.float64]) -> float:
    return float(values.max()) if values.size else 0.0
