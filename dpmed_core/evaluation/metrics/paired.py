"""Private arms against their non-private references on the same cases, for any metric."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import ArmMeasured, Measured
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.statistics.intervals import added
from dpmed_core.evaluation.statistics.jackknife import jackknife
from dpmed_core.training.spec import PrivacyUnit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairedDifference:
    """A private arm minus a non-private one on the same cases; arrays `[n_findings, n_groups]`, the last finding the mean over findings.

    Attributes:
        private: the private arm.
        non_private: the reference.
        reference: which reference it is, `SAMPLED_ALIKE` or `CONVENTIONAL`.
    """

    private: ArmMeasured = field(repr=False)
    non_private: ArmMeasured = field(repr=False)
    reference: str

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
        """Whether both arms have two runs or more, so that the variance between training runs is known."""
        return min(len(self.private.by_run), len(self.non_private.by_run)) > 1

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Why a difference is not estimable; empty where it is."""
        return np.asarray(np.where(self.private.reasons == "", self.non_private.reasons, self.private.reasons), dtype=object)

    def variance(self) -> tuple[Floats, Floats]:
        """Variance of `values` over patients, thresholds and training runs, and its degrees of freedom."""
        # The arms differ in sample size only for rates, whose denominators depend on the scores; the smaller is the cautious one.
        n_effective = np.minimum(self.private.n_effective, self.non_private.n_effective)
        patients, freedom = jackknife(self.influence, self.measured.grouping, n_effective)
        # Both arms' thresholds were chosen on the same resamples of the same validation patients, so they are paired resample by resample.
        if self.private.replicates.shape[-1]:
            patients = patients + (self.private.replicates - self.non_private.replicates).var(axis=-1)
        return added(patients, freedom, *training_variance(self.private.by_run, self.non_private.by_run))

    def facts(self) -> dict[str, object]:
        """What a table says of the comparison."""
        arm = self.private.arm
        about = {"recipe": arm.recipe, "unit": arm.unit, "epsilon": arm.epsilon, "delta": arm.delta, "reference": self.reference}
        return {**about, "n_seeds": len(arm.runs), "n_seeds_reference": len(self.non_private.arm.runs)}


def paired_differences(measured: Measured) -> Iterator[PairedDifference]:
    """Every private arm against the reference that is sampled alike and against the conventional one, where they were trained.

    With the image as the unit of privacy both are the same reference, which is called sampled alike.
    """
    arms = [measured.of_arm(arm) for arm in measured.design.arms]
    for private in arms:
        for other in arms:
            if private.arm.is_private and not other.arm.is_private and other.arm.recipe == private.arm.recipe:
                if other.arm.unit == private.arm.unit:
                    yield PairedDifference(private, other, SAMPLED_ALIKE)
                elif other.arm.unit == PrivacyUnit.IMAGE:
                    yield PairedDifference(private, other, CONVENTIONAL)


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
