"""Is one group of patients more exposed than the others? Mean AUC of the attack by group, and a verdict for every group and budget at once.

A group is compared with all patients of the same attribute who stand in no small cell: the difference of mean AUCs, with Welch's standard
error over patients, for which the variance within a group is steadied by those of all groups of the budget (`statistics.moderated`): that
of twenty patients alone says little. (Errors of two patients' AUCs are independent, since their halves are.) Limits hold for all groups
and budgets of a call together, by the distribution of the largest statistic (`multiplicity.max_t`), whose correlations are those of the
patients' influence values: budgets share the patients.

    unequal               the limits exclude 0 (within the margin, if both limits are)
    equal                 both limits are within the margin
    not enough evidence   neither
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from dpmed_core.evaluation.statistics.intervals import symmetric
from dpmed_core.evaluation.statistics.moderated import moderated
from dpmed_core.evaluation.statistics.multiplicity import max_t
from dpmed_core.privacy.exposure.patient_auc import score_limits
from dpmed_core.privacy.exposure.patient_groups import Members

Floats = NDArray[np.float64]
SMALLEST_CELL = 10
"""Groups with fewer patients, or with fewer others, are withheld: their numbers would be about a few known patients."""
SMALLEST_COUNT = 5
"""A count of patients in the tail below this, other than 0, is withheld."""
TAIL_SHARE = 0.1
"""The tail: the most exposed tenth of all patients."""
FAMILY_ERROR = 0.03
"""Probability that any limit of a call misses its difference; below 5 %, since AUCs of small groups are not normal."""
MARGIN = 0.05
"""A difference of mean AUC that counts as equal."""
UNEQUAL, EQUAL, NOT_ENOUGH, WITHHELD = "unequal", "equal", "not enough evidence", "withheld"
NORMAL_DEVIATE = 1.959964


@dataclass(frozen=True)
class GroupExposure:
    """One group at one budget; None stands for what is withheld.

    Attributes:
        attribute: sex, age, a co-morbidity, a finding, or images.
        group: its name.
        n_patients: patients in it.
        mean_auc: of the attack on its patients.
        low: of the mean's 95 % interval, alone.
        high: its other end.
        tail: the share of its patients who are among the most exposed tenth of all.
        tail_low: of that share's 95 % interval (Wilson).
        tail_high: its other end.
        difference: its mean AUC minus that of the other patients.
        difference_low: limits that hold for all groups and budgets of the call together.
        difference_high: the other one.
        verdict: see this module's docstring.
        within_margin: whether both limits of the difference are within the margin.
    """

    attribute: str
    group: str
    n_patients: int | None = None
    mean_auc: float | None = None
    low: float | None = None
    high: float | None = None
    tail: float | None = None
    tail_low: float | None = None
    tail_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    verdict: str = WITHHELD
    within_margin: bool | None = None


@dataclass(frozen=True, eq=False)
class Contrast:
    """A group against the others at one budget.

    Attributes:
        value: difference of means.
        variance: of the difference, by Welch.
        freedom: Satterthwaite's.
        influence: of each patient, `[n_patients]`, 0 for those in neither.
    """

    value: float
    variance: float
    freedom: float
    influence: Floats = field(repr=False)


def group_exposures(values: Sequence[Floats], members: Members, *, margin: float = MARGIN) -> list[list[GroupExposure]]:
    """Each group at each budget, in the order of `values` and `members`.

    Args:
        values: the patients' AUCs at each budget, `[n_patients]` each.
        members: who is in which group, from `patient_groups`.
        margin: difference of mean AUC that counts as equal.
    """
    compared = comparable(members)
    contrasts = [one for auc in values for one in _contrasts(auc, members, compared)]
    limits = iter(simultaneous_limits(contrasts))
    counts = shown_counts(members, compared)
    found = []
    for auc in values:
        tail = in_tail(auc)
        rows = []
        for group, inside in members.items():
            if group not in compared:
                rows.append(GroupExposure(*group))
                continue
            difference, low, high = next(limits)
            mean, mean_low, mean_high = _mean(auc[inside])
            within = -margin <= low and high <= margin
            rows.append(
                GroupExposure(
                    *group,
                    counts[group],
                    mean,
                    mean_low,
                    mean_high,
                    *tail_share(int(tail[inside].sum()), int(inside.sum())),
                    difference,
                    low,
                    high,
                    UNEQUAL if low > 0 or high < 0 else EQUAL if within else NOT_ENOUGH,
                    within,
                )
            )
        found.append(rows)
    return found


def comparable(members: Members) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """For each group that can be shown, the others that it is compared with: those of its attribute's other groups that can be shown.

    Patients of a group that is withheld are nobody's others: its mean would follow from that of the others.
    """
    large = {group: inside for group, inside in members.items() if inside.sum() >= SMALLEST_CELL}
    found = {}
    for (attribute, name), inside in large.items():
        others = [other for (same, another), other in large.items() if same == attribute and another != name]
        if others:
            found[attribute, name] = np.any(others, axis=0) & ~inside
    return found


def shown_counts(members: Members, compared: Mapping[tuple[str, str], object]) -> dict[tuple[str, str], int | None]:
    """The number of patients of each group that is shown; where its attribute withholds a group, the smallest one's too is not said.

    Otherwise a single count that is withheld would follow from the total.
    """
    counts: dict[tuple[str, str], int | None] = {group: int(members[group].sum()) for group in compared}
    for attribute in {attribute for attribute, _ in members}:
        of_attribute = [group for group in members if group[0] == attribute]
        shown = [group for group in of_attribute if group in compared]
        if shown and len(shown) < len(of_attribute):
            counts[min(shown, key=lambda group: int(members[group].sum()))] = None
    return counts


def _contrasts(auc: Floats, members: Members, compared: Mapping[tuple[str, str], NDArray[np.bool_]]) -> list[Contrast]:
    """Each group that is shown against the others at one budget."""
    sizes = np.array([members[group].sum() for group in compared], dtype=np.float64)
    spread = np.array([auc[members[group]].var(ddof=1) for group in compared])
    variances, freedom, _ = moderated(spread, sizes - 1, np.ones(len(sizes)), most_freedom=len(auc) - 2.0)
    own = zip(compared.items(), variances, freedom, strict=True)
    return [contrast(auc, members[group], others, variance=v, freedom=f) for (group, others), v, f in own]


def contrast(
    auc: Floats,
    inside: NDArray[np.bool_],
    others: NDArray[np.bool_],
    *,
    variance: float | None = None,
    freedom: float | None = None,
) -> Contrast:
    """The difference of mean AUC of the patients `inside` and `others`.

    Source: Welch 1947, Biometrika 34; Satterthwaite 1946, Biometrics Bulletin 2.

    Args:
        auc: of all patients, `[n_patients]`.
        inside: the group.
        others: whom it is compared with.
        variance: between the patients of the group; None for that of its own patients alone.
        freedom: degrees of freedom of `variance`.
    """
    influence, parts = np.zeros(len(auc)), []
    for chosen, sign in ((inside, 1.0), (others, -1.0)):
        n = int(chosen.sum())
        influence[chosen] = sign * (auc[chosen] - auc[chosen].mean()) / n
        parts.append((float(np.var(auc[chosen], ddof=1)) / n, n - 1.0))
    if variance is not None and freedom is not None:
        parts[0] = (variance / int(inside.sum()), freedom)
    total = max(sum(part for part, _ in parts), 1e-12)  # equal AUCs everywhere have no spread
    joint = total**2 / max(sum(part**2 / n for part, n in parts), 1e-300)
    return Contrast(float(auc[inside].mean() - auc[others].mean()), total, joint, influence)


def simultaneous_limits(contrasts: Sequence[Contrast]) -> list[tuple[float, float, float]]:
    """(difference, lower limit, upper limit) of each contrast; all limits hold together with a probability of 97 %."""
    if not contrasts:
        return []
    influence = np.array([one.influence for one in contrasts])
    lengths = np.maximum(np.linalg.norm(influence, axis=1, keepdims=True), 1e-15)
    # Both signs of each contrast are tests: a group may be more exposed than the others, or less.
    directions = np.concatenate([influence, -influence]) / np.concatenate([lengths, lengths])
    correlation = directions @ directions.T
    np.fill_diagonal(correlation, 1.0)
    deviates = np.array([one.value / np.sqrt(one.variance) for one in contrasts])
    freedom = np.array([one.freedom for one in contrasts])
    p_values = stdtr(np.tile(freedom, 2), -np.concatenate([deviates, -deviates]))
    _, single = max_t(p_values, correlation, level=FAMILY_ERROR)
    found = []
    for one in contrasts:
        low, high = symmetric(one.value, one.variance, one.freedom, tail=single)
        found.append((one.value, float(low), float(high)))
    return found


def in_tail(auc: Floats) -> NDArray[np.bool_]:
    """Whether each patient is among the most exposed tenth of all, `[n_patients]`."""
    return np.asarray(auc >= np.quantile(auc, 1 - TAIL_SHARE, method="higher"))


def tail_share(count: int, n: int) -> tuple[float | None, float | None, float | None]:
    """The share of a group in the tail with its interval; withheld where it is a small cell, but not empty.

    >>> tail_share(3, 40), tail_share(0, 40)[0], tail_share(10, 40)[0]
    ((None, None, None), 0.0, 0.25)
    """
    if 0 < count < SMALLEST_COUNT or 0 < n - count < SMALLEST_COUNT:
        return None, None, None
    low, high = score_limits(np.array([count / n]), np.array([n]), NORMAL_DEVIATE)
    return count / n, float(low[0]), float(high[0])


def _mean(values: Floats) -> tuple[float, float, float]:
    """The mean with its 95 % interval by Student's t, cut off at 0 and 1."""
    low, high = symmetric(values.mean(), values.var(ddof=1) / len(values), len(values) - 1)
    return float(values.mean()), float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
