"""The sensitivity for new disease: is a finding that a patient newly has found less often, or more, by models that know the patient?

New is a finding that is present in a later image and known to be absent in all of the patient's images that train. A model calls an image
positive from the operating point on that is chosen, as everywhere (`evaluation.scores.operating_point`), on patients whom it has not seen:
those who were out of that training. So that no patient's own images have a part in it when that patient is out, and none when in, patients
are in two groups, and each group's threshold is chosen on images of the other.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.scores.operating_point import OperatingRule, thresholds
from dpmed_core.evaluation.scores.sample_sizes import SMALLEST_CLASS
from dpmed_core.evaluation.statistics.intervals import symmetric
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients
from dpmed_core.evaluation.statistics.ratio import ratio
from dpmed_core.privacy.exposure.group_exposure import SMALLEST_CELL
from dpmed_core.privacy.returning.ordered_images import OrderedImages

Floats = NDArray[np.float64]
Halves = NDArray[np.bool_]
RULE = OperatingRule()


@dataclass(frozen=True)
class NewDisease:
    """What models with and without a patient find of that patient's new disease; None where it is of too few patients.

    Attributes:
        n_images: pairs of a later image and a finding that is new there.
        n_patients: the patients with any.
        with_patient: share that models with the patient call positive: their sensitivity.
        without_patient: the same of models without.
        difference: the first minus the second.
        low: limit of its 95 % interval over patients, alone.
        high: the other one.
    """

    n_images: int | None = None
    n_patients: int | None = None
    with_patient: float | None = None
    without_patient: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def new_disease(images: OrderedImages) -> NDArray[np.bool_]:
    """Whether each finding is new in each later image, `[n_later, n_findings]`; False where an earlier image's label is unknown."""
    not_absent = (images.earlier.labels != 0).astype(float)  # NaN too
    other = np.zeros((images.earlier.n_patients, images.earlier.n_findings))
    np.add.at(other, images.earlier.patients, not_absent)
    return np.asarray((images.later.labels == 1) & (other == 0)[images.later.patients])


@dataclass(eq=False)
class Detections:
    """How often models with and without its patient call each new finding positive, counted over trainings.

    Attributes:
        images: by time.
        groups: which of two groups each patient is in, `[n_patients]`.
        counts: trainings with an operating point, `[2, n_new]`, without and with the patient.
        hits: those that call the image positive.
    """

    images: OrderedImages
    groups: NDArray[np.intp]
    counts: Floats = field(init=False, repr=False)
    hits: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._image, self._finding = np.nonzero(new_disease(self.images))
        self._patient = self.images.later.patients[self._image]
        self.counts, self.hits = np.zeros((2, 2, len(self._image)))

    def add(self, earlier: Floats, later: Floats, inside: NDArray[np.bool_]) -> None:
        """Add one training.

        Args:
            earlier: scores of the earlier images.
            later: scores of the later images.
            inside: who was in, `[n_patients]`.
        """
        scores = np.concatenate([earlier, later])
        patients = np.concatenate([self.images.earlier.patients, self.images.later.patients])
        labels = np.concatenate([self.images.earlier.labels, self.images.later.labels])
        points = np.array([_points(scores, labels, ~inside[patients] & (self.groups[patients] != group)) for group in (0, 1)])
        point = points[self.groups[self._patient], self._finding]
        has_point = ~np.isnan(point)
        positive = later[self._image, self._finding] >= point
        for side, of_side in enumerate((~inside, inside)):
            counted = has_point & of_side[self._patient]
            self.counts[side] += counted
            self.hits[side] += counted & positive

    def sensitivity(self) -> NewDisease:
        """The sensitivities, each new finding of each image weighing alike, with the difference's interval over patients.

        The difference is a ratio of sums over patients, of differences and of new findings; its variance is the jackknife's over patients,
        so that several new findings of one patient count as one patient's (`evaluation.statistics.ratio`).
        """
        judged = (self.counts > 0).all(axis=0)
        patients = self._patient[judged]
        n_patients = len(np.unique(patients))
        if n_patients < SMALLEST_CELL:
            return NewDisease()
        without, with_patient = self.hits[:, judged] / self.counts[:, judged]
        low, high = _limits(with_patient - without, patients)
        sensitivities = float(with_patient.mean()), float(without.mean())
        return NewDisease(len(patients), n_patients, *sensitivities, sensitivities[0] - sensitivities[1], low, high)


def _limits(differences: Floats, patients: NDArray[np.intp]) -> tuple[float, float]:
    """The 95 % interval of the mean of `differences`, which are several of some of the `patients`."""
    names, cells = np.unique(patients, return_inverse=True)
    one_each = group_cases(pd.DataFrame(index=range(len(names))), (), np.arange(len(names)), n_patients=len(names))
    sums, counts = (np.bincount(cells, weights=values).astype(np.float64) for values in (differences, np.ones(len(cells))))
    mean = ratio(sums, counts, one_each)
    variance, freedom = jackknife_of_patients(mean.influence, mean.n_effective[0])
    low, high = symmetric(mean.values[0], variance, freedom)
    return float(low), float(high)


def _points(scores: Floats, labels: NDArray[np.floating], chosen: NDArray[np.bool_]) -> Floats:
    """The operating point of each finding on the images `chosen`, `[n_findings]`; NaN where they hold too few of a class."""
    points = np.full(labels.shape[1], np.nan)
    for finding in range(labels.shape[1]):
        rows = chosen & ~np.isnan(labels[:, finding])
        label = np.asarray(labels[rows, finding], dtype=np.float64)
        if min((label == 1).sum(), (label == 0).sum()) >= SMALLEST_CLASS:
            points[finding] = thresholds(scores[rows, finding], label, np.ones((1, len(label))), RULE)[0]
    return points
