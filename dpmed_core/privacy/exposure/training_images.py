"""The images of a cohort's training patients, as shadow trainings take them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import SpecError
from dpmed_core.phrases import counted
from dpmed_core.training.starts.start import HeadStart

FEWEST_PATIENTS = 20
"""Training patients below which no exposure is measured: its distribution would be a list of single patients."""


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The images of the training patients.

    Attributes:
        features: public features, `[n_images, n_features]`, with the outputs behind them that the start reads.
        labels: `[n_images, n_findings]`, NaN = unknown.
        patients: the number of each image's patient, 0 to n_patients - 1, `[n_images]`.
        start: the public start of the trainings, for these findings; None from scratch.
    """

    features: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.floating] = field(repr=False)
    patients: NDArray[np.intp] = field(repr=False)
    start: HeadStart | None = None

    @property
    def n_patients(self) -> int:
        """Number of training patients."""
        return int(self.patients.max()) + 1

    @property
    def n_findings(self) -> int:
        """Number of findings."""
        return int(self.labels.shape[1])


def require_enough(n_patients: int) -> None:
    """Refuse to measure the exposure of a training part of so few patients.

    Raises:
        SpecError: there are fewer than `FEWEST_PATIENTS`.
    """
    if n_patients < FEWEST_PATIENTS:
        there = counted(n_patients, "patient", "patients")
        raise SpecError(
            f"The training part has {there}, too few to say how exposed they are without naming them: {FEWEST_PATIENTS} or more are needed."
        )


def training_images(cohort: Cohort, split: Split, features: NDArray[np.float32], start: HeadStart | None = None) -> TrainingImages:
    """The images of the training patients of `cohort`, with patients numbered in the order of their identifiers.

    Args:
        cohort: the data.
        split: says who trains.
        features: of all of the cohort's images, `[n_cases, n_features]`, as of `TrainingImages`.
        start: the public start of the trainings, for the cohort's findings; None from scratch.

    Raises:
        SpecError: there are fewer than `FEWEST_PATIENTS` training patients.
    """
    rows = split.rows(Part.TRAIN)
    _, patients = np.unique(cohort.cases["patient_id"].to_numpy()[rows].astype(str), return_inverse=True)
    images = TrainingImages(np.asarray(features)[rows], cohort.labels[rows], patients, start)
    require_enough(images.n_patients if len(rows) else 0)
    return images
