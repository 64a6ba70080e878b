"""How much exposure a budget removes, by group of patients: the fall of the attack's mean AUC, from the same patients in both arms.

Each patient's AUC without privacy and at the budget comes from the same halves, so that their difference is paired: its mean over a group
has the standard error of the differences over patients. Limits hold for all groups of a call together, with a probability of 97 %
(`group_exposure.simultaneous_limits`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.exposure.group_exposure import Contrast, comparable, shown_counts, simultaneous_limits
from dpmed_core.privacy.exposure.patient_groups import Members

Floats = NDArray[np.float64]
EVERYBODY = ("all", "all")


@dataclass(frozen=True)
class ExposureRemoved:
    """One group; None stands for what is withheld.

    Attributes:
        attribute: sex, age, a co-morbidity, a finding, or images; "all" for all training patients.
        group: its name.
        n_patients: training patients in it.
        removed: mean AUC of the attack without privacy, minus that at the budget; above 0 where privacy lowers it.
        low: limits that hold for all groups of the call together.
        high: the other one.
    """

    attribute: str
    group: str
    n_patients: int | None = None
    removed: float | None = None
    low: float | None = None
    high: float | None = None


def exposure_removed(attack_nonprivate: Floats, attack_private: Floats, members: Members) -> list[ExposureRemoved]:
    """All patients first, then each group in the order of `members`.

    Groups that `group_exposures` withholds are withheld, and then all patients together too: a small group's mean would follow from the
    mean of all and those of the others.

    Args:
        attack_nonprivate: the patients' AUCs without privacy, `[n_patients]`.
        attack_private: the same patients' AUCs at the budget, `[n_patients]`.
        members: who is in which group, from `patient_groups`.
    """
    removed = np.asarray(attack_nonprivate - attack_private, dtype=np.float64)
    compared = comparable(members)
    counts = shown_counts(members, compared)
    everybody = {EVERYBODY: np.ones(len(removed), dtype=bool)} if len(compared) == len(members) else {}
    counts |= {group: len(removed) for group in everybody}
    shown = {**everybody, **{group: members[group] for group in compared}}
    limits = simultaneous_limits([_mean_of(removed, inside) for inside in shown.values()])
    rows = {group: ExposureRemoved(*group, counts[group], *found) for group, found in zip(shown, limits, strict=True)}
    return [rows.get(group, ExposureRemoved(*group)) for group in (EVERYBODY, *members)]


def all_removed(rows: Sequence[ExposureRemoved]) -> bool:
    """Whether exposure is shown to fall in every group that can be shown."""
    lows = [row.low for row in rows if row.low is not None]
    return bool(lows) and min(lows) > 0


def _mean_of(removed: Floats, inside: NDArray[np.bool_]) -> Contrast:
    """The mean over the patients `inside` against 0, by Student's t."""
    n, influence = int(inside.sum()), np.zeros(len(removed))
    influence[inside] = (removed[inside] - removed[inside].mean()) / n
    variance = max(float(np.var(removed[inside], ddof=1)) / n, 1e-12)  # equal differences everywhere have no spread
    return Contrast(float(removed[inside].mean()), variance, n - 1, influence)
