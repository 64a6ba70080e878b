"""A subgroup's value of a metric minus that of all others: everybody of known value of its attribute who is not in it, as one group.

Others count whether or not their own subgroup is large enough to be estimated by itself. For a share this is the mean of the other
subgroups' shares, weighed by their denominators, as the paper's statistical parity difference has it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import ArmMeasured, mean_over_findings, with_thresholds_and_runs
from dpmed_core.evaluation.scores.grouping import Beside
from dpmed_core.evaluation.statistics.intervals import symmetric
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Contrast:
    """For one finding, each group's value minus that of all others; NaN where either has none.

    Attributes:
        difference: `[n_groups]`.
        influence: `[n_groups, n_patients]`; by patient, since a patient may stand in several of the groups.
        replicates: `[n_groups, n_replicates]`.
        by_run: `[n_groups, n_runs]`.
        n_effective: the smallest of the groups'.
    """

    difference: Floats
    influence: Floats
    replicates: Floats
    by_run: Floats
    n_effective: float


@dataclass(frozen=True, eq=False)
class Contrasts:
    """A metric's contrasts within one attribute; arrays `[n_findings, n_known_groups]`, the last finding the mean over findings.

    Attributes:
        groups: indices of the attribute's subgroups but for the unknown, in their order.
        others: index of all others of each, as one group; None where there is no other subgroup.
        values: the differences; NaN where the subgroup, or all others together, have no value.
        low, high: ends of their 95 % intervals.
    """

    groups: list[int]
    others: list[int | None]
    values: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)


def against_others(sizes: Floats) -> Floats:
    """The matrix `[n, n]` that takes values of n groups to each one's value minus the mean of all others, weighed by `sizes`.

    Row g holds 1 for the group itself and, for each other group, minus its share of what all others hold.

    >>> against_others(np.array([10.0, 30.0, 10.0])).tolist()
    [[1.0, -0.75, -0.25], [-0.5, 1.0, -0.5], [-0.25, -0.75, 1.0]]
    """
    others = 1 - np.eye(len(sizes))
    return np.asarray(np.eye(len(sizes)) - others * sizes / (sizes.sum() - sizes)[:, None])


def contrasts(arm: ArmMeasured, attribute: str) -> Contrasts:
    """Each subgroup of `attribute` against all others, for every finding and their mean; `arm` is of a design with others."""
    groups = arm.measured.known_groups(attribute)
    others = [arm.measured.groups_of(Beside.OTHERS.attribute(attribute)).get(arm.measured.grouping.groups[group][1]) for group in groups]
    each = [_contrast(arm, finding_index, groups, others) for finding_index in range(len(arm.values) - 1)]
    # Their mean is of the findings known of everybody, like every mean over findings.
    in_mean = [one for one, known in zip(each, ~np.isnan(arm.values[:-1, 0]), strict=True) if known]
    columns = [_interval([one]) for one in each] + [_interval(in_mean or each)]
    return Contrasts(groups, others, *(np.stack(part) for part in zip(*columns, strict=True)))


def _interval(each: list[_Contrast]) -> tuple[Floats, Floats, Floats]:
    """Mean over findings of contrasts, with its interval: findings share their patients, so influence values average first."""
    # A subgroup in which one of several findings is not known has no mean; alone, a finding without a value has none either.
    known = np.ones((len(each), len(each[0].difference)), dtype=bool)
    difference, influence, replicates = (
        mean_over_findings(np.stack(arrays), known)
        for arrays in ([o.difference for o in each], [o.influence for o in each], [o.replicates for o in each])
    )
    by_run = mean_over_findings(np.stack([one.by_run for one in each]), known).T
    # A contrast of fewer than two groups has no sample size; 1 where no finding has a contrast, so that the NaN comes from the values.
    n_effective = float(np.mean([one.n_effective for one in each if not np.isnan(one.n_effective)] or [1.0]))
    low, high = symmetric(difference, *with_thresholds_and_runs(*jackknife_of_patients(influence, n_effective), replicates, by_run))
    return difference, low, high


def _contrast(arm: ArmMeasured, finding_index: int, groups: list[int], others: list[int | None]) -> _Contrast:
    """Each of `groups` against its others, for one finding."""
    n, grouping = len(groups), arm.measured.grouping
    found = _Contrast(
        difference=np.full(n, np.nan),
        influence=np.full((n, grouping.n_patients), np.nan),
        replicates=np.full((n, arm.ranked_replicates.shape[-1]), np.nan),
        by_run=np.full((n, len(arm.by_run)), np.nan),
        n_effective=_smallest(arm.n_effective[finding_index], arm.values[finding_index], groups, others),
    )
    for row, (group, other) in enumerate(zip(groups, others, strict=True)):
        if other is None or np.isnan(arm.values[finding_index, [group, other]]).any():
            continue
        found.difference[row] = arm.values[finding_index, group] - arm.values[finding_index, other]
        # By patient, since a patient's images may stand in the group and among the others.
        own, rest = (grouping.by_patient(arm.influence[finding_index], g) for g in (group, other))
        found.influence[row] = own - rest
        found.replicates[row] = arm.ranked_replicates[finding_index, group] - arm.ranked_replicates[finding_index, other]
        found.by_run[row] = arm.by_run[:, finding_index, group] - arm.by_run[:, finding_index, other]
    return found


def _smallest(n_effective: Floats, values: Floats, groups: list[int], others: list[int | None]) -> float:
    """The smallest effective number of patients of a group that is compared; NaN where none is."""
    pairs = [(group, other) for group, other in zip(groups, others, strict=True) if other is not None]
    compared = [g for pair in pairs if not np.isnan(values[list(pair)]).any() for g in pair]
    return float(n_effective[compared].min()) if compared else np.nan
