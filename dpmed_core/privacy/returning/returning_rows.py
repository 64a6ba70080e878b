"""Returning patients by budget and unit: the later images whose answers shift, and the sensitivity for new disease. No patient by name.

Each patient's earlier images train, in a random half of the trainings; the later ones are scored by all models. Within one call all
budgets and units share the halves, as in `privacy.exposure`. The same is measured with halves drawn anew, with nothing to find.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.exposure.exposure_rows import Arm
from dpmed_core.privacy.exposure.shadow_trainings import Halves, draw_halves, shadow_scores
from dpmed_core.privacy.returning.new_disease import Detections
from dpmed_core.privacy.returning.ordered_images import OrderedImages
from dpmed_core.privacy.returning.shifts import ScoreSums, shifts

ACCOUNTANT = "analytic-gaussian"


@dataclass(frozen=True)
class ReturningRow:
    """What returning patients meet at one budget.

    Attributes:
        epsilon: None for the non-private reference.
        delta: None with it.
        accountant: None with it.
        unit: what was clipped and protected as one.
        n_patients: training patients.
        n_returning: those of them with later images.
        n_images: later images.
        n_trainings: shadow trainings.
        shifted: later images whose answers shift with their patient's presence in training, at a false-discovery rate of 5 %.
        largest_shift: the largest difference of mean probabilities, of any later image and finding; above 0 by chance alone.
        control_shifted: the images that shift where who was in is drawn anew, so that there is nothing to find.
        control_largest_shift: the largest difference then.
        new_disease_images: pairs of a later image and a finding that is new there; None, as all that follows, where they are of too few
            patients.
        new_disease_patients: patients with any.
        new_sensitivity_in: share that models trained with the patient call positive.
        new_sensitivity_out: share that models trained without call positive.
        difference: the first minus the second.
        low: limit of its 95 % interval over patients, alone.
        high: the other one.
        control_difference: the difference where who was in is drawn anew.
    """

    epsilon: float | None
    delta: float | None
    accountant: str | None
    unit: str
    n_patients: int
    n_returning: int
    n_images: int
    n_trainings: int
    shifted: int
    largest_shift: float
    control_shifted: int
    control_largest_shift: float
    new_disease_images: int | None = None
    new_disease_patients: int | None = None
    new_sensitivity_in: float | None = None
    new_sensitivity_out: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    control_difference: float | None = None

    def to_fields(self) -> dict[str, object]:
        """The row as plain values for JSON."""
        return asdict(self)


def returning_rows(
    images: OrderedImages,
    arms: Sequence[Arm],
    *,
    n_trainings: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ReturningRow]:
    """One row for each of `arms`, in their order.

    Args:
        images: of all training patients, by time.
        arms: budgets and units.
        n_trainings: shadow trainings of each arm.
        rng: draws who is in which training; noise has its own, secure source.
        progress: told how many of all trainings are done.
    """
    n_patients, done = images.earlier.n_patients, 0
    halves, drawn_anew = (draw_halves(n_trainings, n_patients, rng) for _ in range(2))
    groups = rng.permutation(n_patients) % 2
    both = np.concatenate([images.earlier.features, images.later.features])

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, n_trainings * len(arms))

    rows = []
    for arm in arms:
        true, control = (_Found.nothing(images, groups) for _ in range(2))
        scores = shadow_scores(images.earlier, halves, both, unit=arm.unit, target=arm.target, step=step)
        for of_training, inside, anew in zip(scores, halves, drawn_anew, strict=True):
            true.add(of_training, inside)
            control.add(of_training, anew)
        rows.append(_row(arm, images, true, control, n_trainings=n_trainings))
    return rows


@dataclass(frozen=True, eq=False)
class _Found:
    """What the trainings of one arm add up to, under one account of who was in."""

    images: OrderedImages
    sums: ScoreSums
    detections: Detections

    @classmethod
    def nothing(cls, images: OrderedImages, groups: NDArray[np.intp]) -> "_Found":
        """Before the first training."""
        return cls(images, ScoreSums(images.later.labels.shape), Detections(images, groups))

    def add(self, scores: NDArray[np.float64], inside: Halves) -> None:
        """Add one training: the scores of earlier and later images, and who was in."""
        earlier, later = np.split(scores, [len(self.images.earlier.patients)])
        self.sums.add(later, inside[self.images.later.patients])
        self.detections.add(earlier, later, inside)


def _row(arm: Arm, images: OrderedImages, true: _Found, control: _Found, *, n_trainings: int) -> ReturningRow:
    """The row of one arm."""
    shift, by_chance = shifts(true.sums), shifts(control.sums)
    new, new_by_chance = true.detections.sensitivity(), control.detections.sensitivity()
    return ReturningRow(
        epsilon=arm.target.epsilon if arm.target else None,
        delta=arm.target.delta if arm.target else None,
        accountant=ACCOUNTANT if arm.target else None,
        unit=arm.unit.value,
        n_patients=images.earlier.n_patients,
        n_returning=images.n_returning,
        n_images=len(images.later.patients),
        n_trainings=n_trainings,
        shifted=shift.n_shifted,
        largest_shift=shift.largest,
        control_shifted=by_chance.n_shifted,
        control_largest_shift=by_chance.largest,
        new_disease_images=new.n_images,
        new_disease_patients=new.n_patients,
        new_sensitivity_in=new.with_patient,
        new_sensitivity_out=new.without_patient,
        difference=new.difference,
        low=new.low,
        high=new.high,
        control_difference=new_by_chance.difference,
    )
