"""A subgroup's loss through privacy against that of the others of its attribute.

For a subgroup g with loss L = mean non-private value - mean private value on the same cases,

    excess_g = L_g - sum over the other subgroups h of w_h L_h,      w_h = h's share of the others' patients.

It is a linear combination of the paired differences in every subgroup, whose limits are combined (`statistics.combination`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.contrast import against_others
from dpmed_core.evaluation.metrics.limits import PairedLimits
from dpmed_core.evaluation.metrics.paired import PairedDifference
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.statistics.combination import correlation_of
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Excess:
    """One subgroup's loss against the others', for one finding of one private arm and its reference.

    Attributes:
        pair: the arms.
        finding_index: of the finding; the last is the mean over findings.
        group: index of the subgroup.
        loss: of the subgroup.
        loss_others: of the others, weighed by their patients.
        reference_value: the non-private value of the subgroup.
        coefficients: of the parts, which are private minus non-private in every subgroup (and finding) `[k]`.
        parts: the parts with their limits over patients `[k]`.
        correlation: of the parts `[k, k]`.
        influence: influence values of the excess `[n_patients]`, in single precision, since there may be very many.
        variance: over patients.
        freedom: its degrees of freedom.
        by_private: the subgroup's value minus the others' for each private training run `[n_runs]`, of which only the variance is used.
        by_non_private: the same of the references `[n_runs]`.
        size_private: variance over patients of the private arm's share of the excess.
        size_non_private: the same of the reference's.
    """

    pair: PairedDifference = field(repr=False)
    finding_index: int
    group: int
    loss: float
    loss_others: float
    reference_value: float
    coefficients: Floats = field(repr=False)
    parts: PairedLimits = field(repr=False)
    correlation: Floats = field(repr=False)
    influence: NDArray[np.float32] = field(repr=False)
    variance: float
    freedom: float
    by_private: Floats = field(repr=False)
    by_non_private: Floats = field(repr=False)
    size_private: float
    size_non_private: float

    @property
    def value(self) -> float:
        """The excess."""
        return self.loss - self.loss_others


@dataclass(frozen=True, eq=False)
class _OfFinding:
    """One finding of both arms (private first) in the subgroups of one attribute; influence values by patient.

    Attributes:
        loss: `[n_groups]`.
        contrast: that takes values of the groups to each one's minus the others' `[n_groups, n_groups]`.
        parts: the differences between the arms, with their limits `[n_groups]`.
        influence: of both arms' values `[2, n_groups, n_patients]`.
        by_run: of both arms `[n_runs, n_groups]`.
        n_effective: of the subgroup for which it is smallest.
    """

    loss: Floats
    contrast: Floats
    parts: PairedLimits
    influence: Floats
    by_run: tuple[Floats, Floats]
    n_effective: float


def excesses(pair: PairedDifference, finding_index: int, known: Sequence[int]) -> list[Excess]:
    """Every estimable subgroup of one attribute against the others; none where there are fewer than two.

    Macro is the mean of a subgroup's excesses over the findings that are estimable of everybody; a subgroup that lacks one has no mean.

    Args:
        pair: the arms.
        finding_index: of the finding.
        known: indices of the attribute's subgroups.
    """
    findings = [finding_index]
    if pair.measured.findings[finding_index] == MACRO:
        findings = np.flatnonzero(~np.isnan(pair.values[:-1, 0])).tolist()
    groups = [g for g in known if findings and not np.isnan(pair.values[findings, g]).any()]
    if len(groups) < 2:
        return []
    each = [_of_finding(pair, f, [g for g in known if not np.isnan(pair.values[f, g])]) for f in findings]
    rows = [[g for g in known if not np.isnan(pair.values[f, g])] for f in findings]
    influence = np.concatenate([one.influence for one in each], axis=1)
    correlation, parts = correlation_of(influence[0] - influence[1]), PairedLimits.joined([one.parts for one in each])
    n_effective = float(np.mean([one.n_effective for one in each]))
    return [
        _excess(pair, finding_index, g, [own.index(g) for own in rows], each, parts, correlation, influence, n_effective) for g in groups
    ]


def _of_finding(pair: PairedDifference, finding_index: int, groups: list[int]) -> _OfFinding:
    measured, arms = pair.measured, (pair.private, pair.non_private)
    by_patient = [[measured.grouping.by_patient(arm.influence[finding_index], g) for g in groups] for arm in arms]
    private, other = (arm.by_run[:, finding_index][:, groups] for arm in arms)
    return _OfFinding(
        loss=-measured.metric.gain * pair.values[finding_index, groups],
        contrast=against_others(measured.counts["n_patients"][finding_index, groups].astype(float)),
        parts=pair.patients_limits[finding_index, groups],
        influence=np.array(by_patient),
        by_run=(private, other),
        n_effective=float(min(arm.n_effective[finding_index, groups].min() for arm in arms)),
    )


def _excess(
    pair: PairedDifference,
    finding_index: int,
    group: int,
    rows: Sequence[int],
    each: Sequence[_OfFinding],
    parts: PairedLimits,
    correlation: Floats,
    influence: Floats,
    n_effective: float,
) -> Excess:
    """The excess of a subgroup that stands in row `rows[f]` of finding `each[f]`; the mean over these findings."""
    gain, n = pair.measured.metric.gain, len(each)
    own = [one.contrast[row] for one, row in zip(each, rows, strict=True)]
    coefficients = -gain * np.concatenate(own) / n  # a loss is minus the gain
    private, other = coefficients @ influence[0], -coefficients @ influence[1]
    variance, freedom = jackknife_of_patients(private + other, n_effective)
    # The excess of each run is kept, so that chance in training enters as the excess varies, not as its parts do: a shift that all
    # subgroups of a run share cancels.
    by_private, by_other = (np.mean([one.by_run[arm] @ c for one, c in zip(each, own, strict=True)], axis=0) for arm in (0, 1))
    loss = [one.loss[row] for one, row in zip(each, rows, strict=True)]
    extra = [c @ one.loss for one, c in zip(each, own, strict=True)]
    return Excess(
        pair,
        finding_index,
        group,
        loss=float(np.mean(loss)),
        loss_others=float(np.mean(loss) - np.mean(extra)),
        reference_value=float(pair.non_private.values[finding_index, group]),
        coefficients=coefficients,
        parts=parts,
        correlation=correlation,
        influence=(private + other).astype(np.float32),
        variance=float(variance),
        freedom=float(freedom),
        by_private=by_private,
        by_non_private=by_other,
        size_private=float(private @ private),
        size_non_private=float(other @ other),
    )
