"""How much trainings are expected to vary: pooled over public proxies, by the loss that is expected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPrior:
    """What is assumed of the trainings at one budget.

    Attributes:
        variance: of the true AUROC between private trainings.
        group_variance: of a group's AUROC minus the others', likewise.
        between_trainings: correlation of the errors of two private trainings that score the same cases.
        between_arms: of a private training and a non-private one.
        reference_varies: whether non-private trainings differ as private ones do; those of `probe` are identical.
    """

    variance: float
    group_variance: float
    between_trainings: float
    between_arms: float
    reference_varies: bool
