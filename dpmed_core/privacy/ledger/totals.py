"""What the draws of a ledger compose to, for each patient.

Per patient the mechanisms compose to an upper bound of epsilon in two ways, of which the smaller one counts: privacy loss distributions
(exact for full-batch steps), and the Gaussian that dominates them all (`dominating_gaussian`), whose squared mu is the sum of theirs.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.ledger.book import Book, Draw, Reservation
from dpmed_core.privacy.ledger.patients import Membership, PatientSet
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.spec import PrivacyUnit

EXACT = "exact composition of Gaussian mechanisms"
PLD = "the smaller of privacy loss distributions and a dominating Gaussian mechanism"
TOLERANCE = 1 + 1e-12
"""Sums of squares may differ in their last digits with the order of entries."""


@dataclass(frozen=True)
class PatientTotals:
    """What was spent on patients by all private models together.

    Attributes:
        epsilon: of the patient with the largest total, at `delta`; infinite where no bound is computed.
        delta: at which epsilon holds.
        median: epsilon of the median patient, among those on whom anything was spent, in the order of their squared mu.
        n_patients: patients on whom anything was spent.
        n_above_cap: patients whose total is above the cap; 0 where there is none.
        n_draws: private trainings, each with noise of its own, that were begun or are reserved.
        n_non_private: trainings without privacy; they have no bound.
        n_image_level: trainings among `n_draws` whose unit is the image.
        n_open: trainings among `n_draws` that are queued or under way, counted with all their steps.
        n_of_unknown_patients: trainings among `n_draws` of which no record tells the patients, so that they count for everybody.
        accountant: how epsilon was composed, in words.
        unknown: what was spent and cannot be told, in phrases; not in the other numbers.
        n_measuring: trainings that measured exposure: without privacy as a whole, and no model of them was kept.
    """

    epsilon: float
    delta: float
    median: float
    n_patients: int
    n_above_cap: int
    n_draws: int
    n_non_private: int
    n_image_level: int
    n_open: int
    n_of_unknown_patients: int
    accountant: str
    unknown: tuple[str, ...] = ()
    n_measuring: int = 0


@dataclass(frozen=True, eq=False)
class Spent:
    """The squared mu and the delta0 of each patient, added up.

    Attributes:
        patients: as persons, sorted.
        squared_mu: `[n_patients]`.
        delta0: `[n_patients]`.
    """

    patients: NDArray[np.str_]
    squared_mu: NDArray[np.float64]
    delta0: NDArray[np.float64]


def spent_by(charges: Sequence[Draw | Reservation], members: Membership) -> Spent:
    """What `charges` cost each of the patients of `members`."""
    squared_mu, delta0 = np.zeros((2, len(members.patients)))
    by_set: dict[str, list[Draw | Reservation]] = {}
    for charge in charges:
        if charge.private:
            by_set.setdefault(charge.patients, []).append(charge)
    for name, group in by_set.items():
        # A set's charges are added up exactly before they meet its members: the order of entries must not show in the last digit.
        squared_mu[members.of_set[name]] += math.fsum(charge.squared_mu for charge in group)
        delta0[members.of_set[name]] += math.fsum(charge.delta0 for charge in group if isinstance(charge, Draw))
    return Spent(members.patients, squared_mu, delta0)


def totals(
    book: Book,
    *,
    delta: float,
    only: PatientSet | None = None,
    planned: Sequence[Draw | Reservation] = (),
    budget: float | None = None,
) -> PatientTotals:
    """What all private models spent on each patient, and on the one who lost most.

    Args:
        book: the ledger.
        delta: at which to compose.
        only: patients to look at; None for all.
        planned: what is not in the book yet.
        budget: the cap's squared mu; None where there is no cap.
    """
    everything: list[Draw | Reservation] = [*book.draws, *book.reserved, *planned]
    members = Membership.among(book.sets, {charge.patients for charge in everything}, only=only)
    touching = {name for name, present in members.of_set.items() if present.any() or name not in book.sets}
    charges = [c for c in everything if c.patients in touching]
    private = [c for c in charges if c.private and (isinstance(c, Reservation) or c.mechanism.steps > 0)]
    spent = spent_by(private, members)
    of_patients = spent.squared_mu > 0
    epsilon, median = _largest_and_median(private, members, spent, delta)
    return PatientTotals(
        epsilon=epsilon,
        delta=delta,
        median=median,
        n_patients=int(of_patients.sum()),
        n_above_cap=0 if budget is None else int((spent.squared_mu > budget * TOLERANCE).sum()),
        n_draws=n_draws(private),
        n_non_private=n_draws([c for c in charges if not c.private]),
        n_image_level=n_draws([c for c in private if isinstance(c, Draw) and c.unit is PrivacyUnit.IMAGE]),
        n_open=n_draws([c for c in private if c not in planned and (isinstance(c, Reservation) or c.is_open)]),
        n_of_unknown_patients=n_draws([c for c in private if c.patients not in book.sets]),
        accountant=accountant_of(private),
        unknown=book.unknown,
        n_measuring=_n_measuring(book, only),
    )


def _n_measuring(book: Book, only: PatientSet | None) -> int:
    """Trainings that measured exposure on any of the patients `only`, or on anybody."""
    members = Membership.among(book.sets, {str(entry.body["patients"]) for entry in book.measured}, only=only)
    return sum(int(entry.body["trainings"]) for entry in book.measured if members.of_set[str(entry.body["patients"])].any())


def accountant_of(charges: Sequence[Draw | Reservation]) -> str:
    """How `charges` are composed, in words."""
    return PLD if any(isinstance(c, Draw) and c.mechanism.sample_rate < 1 for c in charges) else EXACT


def composed_for(book: Book, charges: Sequence[Draw], only: PatientSet | None, delta: float) -> float:
    """Epsilon of some draws together, for the patient among `only` (None: among all) who lost most."""
    taken = [draw for draw in charges if draw.private and draw.mechanism.steps > 0]
    members = Membership.among(book.sets, {draw.patients for draw in taken}, only=only)
    return _largest_and_median(taken, members, spent_by(taken, members), delta)[0]


def n_draws(charges: Sequence[Draw | Reservation]) -> int:
    """Trainings, each with noise of its own: attempts that continued from a checkpoint are part of the one that they continue."""
    return sum(isinstance(charge, Reservation) or charge.is_fresh for charge in charges)


def _largest_and_median(charges: Sequence[Draw | Reservation], members: Membership, spent: Spent, delta: float) -> tuple[float, float]:
    """The largest epsilon over patients, and that of the median patient among those on whom anything was spent."""
    order = np.flatnonzero(spent.squared_mu > 0)
    if not len(order):
        return (_epsilon(_mechanisms(charges, None, members), delta) if charges and not len(members.patients) else 0.0), 0.0
    order = order[np.argsort(spent.squared_mu[order], kind="stable")[::-1]]
    computed: dict[bytes, float] = {}

    def epsilon_of(patient: int) -> float:
        signature = np.array([members.of_set[name][patient] for name in sorted(members.of_set)]).tobytes()
        if signature not in computed:
            computed[signature] = _epsilon(_mechanisms(charges, patient, members), delta)
        return computed[signature]

    largest = 0.0
    for patient in order:
        # The dominating Gaussian bounds every later patient too, whose squared mu is smaller: none of them can be larger any more.
        if _gaussian_bound(spent.squared_mu[patient], spent.delta0.max(), delta) <= largest * TOLERANCE:
            break
        largest = max(largest, epsilon_of(int(patient)))
    return largest, epsilon_of(int(order[len(order) // 2]))


def _mechanisms(charges: Sequence[Draw | Reservation], patient: int | None, members: Membership) -> "Composed":
    """What one patient took part in, equal mechanisms together; None for one in every set."""
    own = [c for c in charges if patient is None or members.of_set[c.patients][patient]]
    steps: Counter[tuple[float, float, int]] = Counter()
    for charge in own:
        if isinstance(charge, Draw):
            m = charge.mechanism
            steps[m.noise_multiplier, m.sample_rate, m.images_per_patient] += m.steps
    mechanisms = [Mechanism(noise, rate, n, images) for (noise, rate, images), n in sorted(steps.items())]
    # A reservation is the Gaussian mechanism that spends its target: one step of noise 1 / mu.
    mechanisms += [Mechanism(1 / math.sqrt(c.squared_mu), 1.0, 1) for c in own if isinstance(c, Reservation) and c.squared_mu]
    return Composed(tuple(mechanisms), math.fsum(c.squared_mu for c in own), math.fsum(c.delta0 for c in own if isinstance(c, Draw)))


@dataclass(frozen=True)
class Composed:
    """What one patient took part in.

    Attributes:
        mechanisms: with equal ones together.
        squared_mu: of the Gaussian that dominates them.
        delta0: the probability up to which it does.
    """

    mechanisms: tuple[Mechanism, ...]
    squared_mu: float
    delta0: float


def _epsilon(composed: Composed, delta: float) -> float:
    """The smaller of two upper bounds."""
    if all(m.sample_rate >= 1 for m in composed.mechanisms):
        return composed_epsilon(composed.mechanisms, delta)
    return min(composed_epsilon(composed.mechanisms, delta), _gaussian_bound(composed.squared_mu, composed.delta0, delta))


def _gaussian_bound(squared_mu: float, delta0: float, delta: float) -> float:
    """Epsilon of the dominating Gaussian at what `delta0` leaves of `delta`."""
    return gaussian_epsilon(math.sqrt(squared_mu), delta - delta0) if delta > delta0 else math.inf
