"""Private arms against their non-private references on the same cases, for any metric."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.chance import TrainingChance, chance_in_training
from dpmed_core.evaluation.metrics.limits import PairedLimits
from dpmed_core.evaluation.metrics.measured import ArmMeasured, Measured
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE, START_ALONE
from dpmed_core.evaluation.statistics.combination import Combination
from dpmed_core.evaluation.statistics.intervals import added
from dpmed_core.training.spec import PrivacyUnit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairedDifference:
    """A private arm minus a non-private one on the same cases; arrays `[n_findings, n_groups]`, the last finding the mean over findings.

    Attributes:
        private: the private arm.
        non_private: the reference.
        reference: which reference it is, `SAMPLED_ALIKE`, `CONVENTIONAL` or `START_ALONE`.
        chance: how much training moves the means of all arms, with what the arms say of one another.
    """

    private: ArmMeasured = field(repr=False)
    non_private: ArmMeasured = field(repr=False)
    reference: str
    chance: TrainingChance = field(repr=False)

    @property
    def measured(self) -> Measured:
        """The panel's runs, among which both arms are."""
        return self.private.measured

    @property
    def values(self) -> Floats:
        """The difference of the means over runs."""
        return self.private.values - self.non_private.values

    @property
    def influence(self) -> Floats:
        """Influence values of the difference `[n_findings, n_cells]`.

        Both arms scored the same patients: subtracting patient by patient before squaring lets their common variation cancel.
        """
        return self.private.influence - self.non_private.influence

    @property
    def knows_training(self) -> bool:
        """Whether the variance between training runs is known of both arms: from two runs or more, and 0 of a start alone."""
        return all(len(one.by_run) > 1 or one.arm.learns_nothing for one in (self.private, self.non_private))

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Why a difference is not estimable; empty where it is."""
        return np.asarray(np.where(self.private.reasons == "", self.non_private.reasons, self.private.reasons), dtype=object)

    @cached_property
    def correlation(self) -> Floats:
        """Of the two means over patients and thresholds `[n_findings, n_groups]`; 0 where one of them does not vary."""
        arms = (self.private, self.non_private)
        sums = self.measured.grouping.sum_cells
        products = [sums(a.influence * b.influence) for a, b in (arms, arms[:1] * 2, arms[1:] * 2)]
        if self.private.replicates.shape[-1]:
            # Both arms' thresholds were chosen on the same resamples of the same validation patients: paired resample by resample.
            p, n = (arm.replicates - arm.replicates.mean(axis=-1, keepdims=True) for arm in arms)
            products = [old + (a * b).mean(axis=-1) for old, (a, b) in zip(products, ((p, n), (p, p), (n, n)), strict=True)]
        both, of_private, of_non_private = products
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(np.clip(both / np.sqrt(of_private * of_non_private), -1, 1))

    @cached_property
    def patients_limits(self) -> PairedLimits:
        """The differences with their limits over patients and thresholds `[n_findings, n_groups]`."""
        return PairedLimits(self.private.patients_limits, self.non_private.patients_limits, self.correlation)

    @cached_property
    def combination(self) -> Combination:
        """The differences with their limits over patients, thresholds and training; a row each, findings first, then groups."""
        row = np.unravel_index(np.arange(self.values.size), self.values.shape)
        parts = self.patients_limits[row][:, None]
        variance, freedom = self.chance.of_difference(self.private.arm, self.non_private.arm)
        ones = np.ones_like(parts.values)
        return Combination(ones, parts.values, parts.distances, ones[..., None], variance.ravel(), freedom.ravel())

    @cached_property
    def limits(self) -> tuple[Floats, Floats]:
        """Ends of the 95 % intervals of the differences `[n_findings, n_groups]`.

        Chance in training may reach farther than any difference can: at most from one end of the metric's range to the other.
        """
        metric = self.measured.metric
        low, high = (ends.reshape(self.values.shape) for ends in self.combination.limits())
        return np.maximum(low, metric.low - metric.high), np.minimum(high, metric.high - metric.low)

    def facts(self) -> dict[str, object]:
        """What a table says of the comparison."""
        arm = self.private.arm
        about = {"recipe": arm.recipe, "unit": arm.unit, "epsilon": arm.epsilon, "delta": arm.delta, "reference": self.reference}
        return {**about, "n_seeds": len(arm.runs), "n_seeds_reference": len(self.non_private.arm.runs)}


def paired_differences(measured: Measured) -> Iterator[PairedDifference]:
    """Every private arm against the reference that is sampled alike and against the conventional one, where they were trained.

    With the image as the unit of privacy both are the same reference, which is called sampled alike.
    """
    chance = chance_in_training(measured)
    for private in measured.arms:
        for other in measured.arms:
            if private.arm.is_private and not other.arm.is_private and other.arm.recipe == private.arm.recipe:
                if other.arm.unit == private.arm.unit:
                    yield PairedDifference(private, other, SAMPLED_ALIKE, chance)
                elif other.arm.unit == PrivacyUnit.IMAGE:
                    yield PairedDifference(private, other, CONVENTIONAL, chance)


def differences_from_start(measured: Measured) -> Iterator[PairedDifference]:
    """Every private arm against the public start alone that it began at: what private training adds."""
    chance = chance_in_training(measured)
    for alone in (arm for arm in measured.arms if arm.arm.learns_nothing):
        for private in measured.arms:
            alike = (private.arm.recipe, private.arm.unit) == (alone.arm.recipe, alone.arm.unit)
            if alike and private.arm.is_private and not private.arm.learns_nothing:
                yield PairedDifference(private, alone, START_ALONE, chance)


def training_variance(private: Floats, non_private: Floats) -> tuple[Floats, Floats]:
    """Variance that chance in training gives to the difference of two arms' means, and its degrees of freedom.

    The variance between an arm's runs over their number, summed over the arms (Welch 1947, Biometrika 34); 0 where an arm has one run.

    >>> variance, freedom = training_variance(np.array([[0.80], [0.84]]), np.array([[0.90], [0.90], [0.90]]))
    >>> round(float(variance[0]), 6), float(freedom[0])  # 0.0008 / 2 + 0 / 3, all of it from the two private runs
    (0.0004, 1.0)

    Args:
        private: `[n_runs, ...]`, one value a run.
        non_private: the same of the reference.
    """
    # With one run on a side that side's chance is unknown; half a variance would look as if all of it were covered.
    if min(len(private), len(non_private)) < 2:
        nothing = np.zeros(private.shape[1:])
        return nothing, np.ones_like(nothing)
    first, second = (arm.var(axis=0, ddof=1) / len(arm) for arm in (private, non_private))
    return added(first, len(private) - 1.0, second, len(non_private) - 1.0)
