"""Chance in training: how much the means over training runs would move if other runs had been trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import ArmMeasured, Measured
from dpmed_core.evaluation.scores.arms import Arm
from dpmed_core.evaluation.statistics.intervals import added
from dpmed_core.evaluation.statistics.jackknife import jackknife
from dpmed_core.evaluation.statistics.moderated import moderated

NO_CHANCE_FREEDOM = 1e9
"""Of a variance that is known to be 0."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ChanceOfRuns:
    """What training adds to the variance of the mean over an arm's runs; arrays of one shape.

    Attributes:
        variance: of the mean over the runs, steadied by other values' (`statistics.moderated`); 0 where it is not known.
        freedom: its degrees of freedom.
        expected: the variance of the mean that the other values lead to expect, for planning.
    """

    variance: Floats
    freedom: Floats
    expected: Floats


@dataclass(frozen=True, eq=False)
class TrainingChance:
    """Chance in training of every arm of a panel; arrays `[n_findings, n_groups]`.

    Attributes:
        by_arm: by the arm's first run in the panel.
    """

    by_arm: dict[int, ChanceOfRuns] = field(repr=False)

    def of_difference(self, private: Arm, non_private: Arm) -> tuple[Floats, Floats]:
        """Variance that training gives to the difference of two arms' means, and its degrees of freedom; 0 where an arm has one run."""
        return difference_of(
            *(self.by_arm[int(arm.runs[0])] for arm in (private, non_private)), n_runs=(len(private.runs), len(non_private.runs))
        )


def difference_of(first: ChanceOfRuns, second: ChanceOfRuns, *, n_runs: tuple[int, int]) -> tuple[Floats, Floats]:
    """Variance of the difference of two independent means, and its degrees of freedom (Welch 1947, Biometrika 34)."""
    # With one run on a side that side's chance is unknown; half a variance would look as if all of it were covered.
    if min(n_runs) < 2:
        nothing = np.zeros_like(first.variance)
        return nothing, np.ones_like(nothing)
    return added(first.variance, first.freedom, second.variance, second.freedom)


def chance_of(
    by_run: Sequence[Floats], sizes: Sequence[Floats], *, n_findings: int, sources: NDArray[np.bool_] | None = None
) -> list[ChanceOfRuns]:
    """Chance in training of several arms that were trained alike, each steadied by all.

    An arm whose runs agree exactly in everything was trained without any chance: its variance is known to be 0, and says nothing of the
    other arms.

    Args:
        by_run: for each arm `[n_runs, n]`, the values of its runs.
        sizes: for each arm `[n]`, the variance over patients of the same values.
        n_findings: how many findings they are of. What training does to one finding says little of another, so that together they know as
            much of training as so many times the runs; subgroups of the same runs are not counted.
        sources: which values say something of the others `[n]`, the same for each arm; None for all. A mean of others says nothing new.
    """
    used = [i for i, runs in enumerate(by_run) if len(runs) > 1 and not _agree(runs)]
    chances = [ChanceOfRuns(np.zeros(len(size)), np.full(len(size), NO_CHANCE_FREEDOM), np.zeros(len(size))) for size in sizes]
    if not used:
        return chances
    variances = np.concatenate([by_run[i].var(axis=0, ddof=1) for i in used])
    freedom = np.concatenate([np.full(len(sizes[i]), len(by_run[i]) - 1.0) for i in used])
    most_freedom = float(n_findings * sum(len(by_run[i]) - 1 for i in used))
    counted = np.concatenate([np.ones(len(sizes[i]), dtype=bool) if sources is None else sources for i in used])
    found = moderated(variances, freedom, np.concatenate([sizes[i] for i in used]), most_freedom=most_freedom, sources=counted)
    ends = np.cumsum([len(sizes[i]) for i in used])[:-1]
    for row, i in enumerate(used):
        pooled, joint, common = (np.split(array, ends)[row] for array in found)
        chances[i] = ChanceOfRuns(np.nan_to_num(pooled) / len(by_run[i]), joint, np.nan_to_num(common) / len(by_run[i]))
    return chances


def _agree(runs: Floats) -> bool:
    """Whether all runs have the same values."""
    return bool((np.ptp(np.nan_to_num(runs), axis=0) == 0).all())


def chance_in_training(measured: Measured) -> TrainingChance:
    """Chance in training of every value of every arm; private arms steady one another, and each reference itself."""
    shape = measured.arms[0].values.shape
    sources = np.ones(shape, dtype=bool)
    sources[-1] = False  # the mean over findings
    n_findings = max(int((measured.reasons[:-1, 0] == "").sum()), 1)
    found: dict[int, ChanceOfRuns] = {}
    for alike in alike_arms(measured.arms):
        by_run = [arm.by_run.reshape(len(arm.by_run), -1) for arm in alike]
        sizes = [jackknife(arm.influence, measured.grouping, arm.n_effective)[0].ravel() for arm in alike]
        for arm, chance in zip(alike, chance_of(by_run, sizes, n_findings=n_findings, sources=sources.ravel()), strict=True):
            found[int(arm.arm.runs[0])] = ChanceOfRuns(*(getattr(chance, f.name).reshape(shape) for f in fields(chance)))
    return TrainingChance(found)


def alike_arms(arms: Sequence[ArmMeasured]) -> list[list[ArmMeasured]]:
    """The arms whose chance in training is of one kind: the private budgets of a recipe and unit; each reference, and each start, alone."""
    found: dict[tuple[str, str, bool, bool], list[ArmMeasured]] = {}
    for one in arms:
        arm = one.arm
        found.setdefault((arm.recipe, arm.unit, arm.is_private, arm.learns_nothing), []).append(one)
    return list(found.values())
