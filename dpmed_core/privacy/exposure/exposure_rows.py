"""Exposure by budget and unit: the distribution of the attack over patients, the proven bound, a null, and the groups. No patient by name.

Within one call all budgets and units are measured on the same halves of the patients, so that their rows differ by the training alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dpmed_core.privacy.exposure.group_exposure import GroupExposure, group_exposures
from dpmed_core.privacy.exposure.patient_auc import PatientAuc, flagged, patient_auc
from dpmed_core.privacy.exposure.patient_groups import Members
from dpmed_core.privacy.exposure.shadow_trainings import draw_halves, shadow_likelihoods
from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Probability with which the limits of all patients at all budgets of a call hold together."""
NEARLY_CERTAIN = 0.9


@dataclass(frozen=True)
class Arm:
    """One kind of training whose exposure is measured.

    Attributes:
        unit: what is clipped and protected as one.
        target: the privacy target; None for the non-private reference.
    """

    unit: PrivacyUnit
    target: PrivacyTarget | None

    @property
    def bound(self) -> float | None:
        """The largest AUC that any attack on one unit can have, Phi(mu / sqrt(2)); None without privacy.

        The area under the curve 1 - f of a Gaussian mechanism. Source: Dong, Roth & Su 2022, arXiv 1905.02383, definition 2.6: the attack's
        scores are N(0, 1) and N(mu, 1), and the second is larger with that probability.

        >>> round(Arm(PrivacyUnit.PATIENT, PrivacyTarget(1.0, 1e-5)).bound, 3)
        0.575
        """
        return None if self.target is None else float(ndtr(gaussian_mu(self.target) / math.sqrt(2)))


@dataclass(frozen=True)
class ExposureRow:
    """How exposed the training patients are at one budget.

    Attributes:
        epsilon: None for the non-private reference.
        delta: None with it.
        unit: what was clipped and protected as one.
        n_patients: training patients, all attacked.
        n_trainings: shadow trainings.
        median_auc: the attack on the median patient.
        worst_auc: on the most exposed one.
        worst_low: limits of that AUC, holding for all patients and budgets of the call together.
        worst_high: the other one.
        share_nearly_certain: the share of patients with an AUC of at least .9.
        flagged: patients on whom the attack is better than chance, at a false-discovery rate of 5 %.
        bound: the largest AUC that the guarantee allows an attack on one unit; for the unit image it bounds one image and no patient.
        n_above_bound: patients whose limits lie above the bound; None without a bound.
        null_median_auc: the median of the same attack where who was in is drawn anew, so that there is nothing to find.
        null_flagged: the patients flagged then.
        groups: by sex, age, co-morbidity, finding and number of images.
    """

    epsilon: float | None
    delta: float | None
    unit: str
    n_patients: int
    n_trainings: int
    median_auc: float
    worst_auc: float
    worst_low: float
    worst_high: float
    share_nearly_certain: float
    flagged: int
    bound: float | None
    n_above_bound: int | None
    null_median_auc: float
    null_flagged: int
    groups: tuple[GroupExposure, ...] = field(default=(), repr=False)

    def to_fields(self) -> dict[str, object]:
        """The row as plain values for JSON."""
        return asdict(self)


def exposure_rows(
    images: TrainingImages,
    arms: Sequence[Arm],
    members: Members,
    *,
    n_trainings: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[ExposureRow], Floats]:
    """One row for each of `arms`, in their order, and what they were made of: the attack's AUC on each patient, `[n_arms, n_patients]`.

    Args:
        images: of all training patients.
        arms: budgets and units.
        members: groups of patients to compare.
        n_trainings: shadow trainings of each arm.
        rng: draws who is in which training; noise has its own, secure source.
        progress: told how many of all trainings are done.
    """
    halves, drawn_anew = (draw_halves(n_trainings, images.n_patients, rng) for _ in range(2))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, n_trainings * len(arms))

    attacks, nulls = [], []
    for arm in arms:
        likelihoods = shadow_likelihoods(images, halves, unit=arm.unit, target=arm.target, step=step)
        attacks.append(patient_auc(likelihoods, halves))
        nulls.append(patient_auc(likelihoods, drawn_anew))
    groups = group_exposures([attack.value for attack in attacks], members)
    n_comparisons = len(arms) * images.n_patients
    rows = [
        _row(arm, attack, null, tuple(of_arm), n_trainings=n_trainings, n_comparisons=n_comparisons)
        for arm, attack, null, of_arm in zip(arms, attacks, nulls, groups, strict=True)
    ]
    return rows, np.stack([attack.value for attack in attacks])


def _row(
    arm: Arm, attack: PatientAuc, null: PatientAuc, groups: tuple[GroupExposure, ...], *, n_trainings: int, n_comparisons: int
) -> ExposureRow:
    """The row of one arm; `n_comparisons` patients and arms have their limits together."""
    low, high = attack.limits(level=LEVEL, n_comparisons=n_comparisons)
    worst, bound = int(attack.value.argmax()), arm.bound
    return ExposureRow(
        epsilon=arm.target.epsilon if arm.target else None,
        delta=arm.target.delta if arm.target else None,
        unit=arm.unit.value,
        n_patients=len(attack.value),
        n_trainings=n_trainings,
        median_auc=float(np.median(attack.value)),
        worst_auc=float(attack.value[worst]),
        worst_low=float(low[worst]),
        worst_high=float(high[worst]),
        share_nearly_certain=float((attack.value >= NEARLY_CERTAIN).mean()),
        flagged=int(flagged(attack.p_values()).sum()),
        bound=bound,
        n_above_bound=None if bound is None else int((low > bound).sum()),
        null_median_auc=float(np.median(null.value)),
        null_flagged=int(flagged(null.p_values()).sum()),
        groups=groups,
    )
