"""The images of training patients by time: the earlier half of each patient's trains, the later ones are scored."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import STUDY_ORDER, Cohort, Part, Split
from dpmed_core.errors import SpecError
from dpmed_core.phrases import counted
from dpmed_core.privacy.exposure.training_images import TrainingImages, training_images
from dpmed_core.training.starts.start import HeadStart

FEWEST_RETURNING = 10
"""Patients with later images below which nothing is measured: the numbers would be about a few known patients."""


@dataclass(frozen=True, eq=False)
class OrderedImages:
    """The images of the training patients whose order in time is known.

    Attributes:
        earlier: the images that train; of all patients.
        later: the images that are scored, with the numbers that their patients have in `earlier`; not of all patients.
    """

    earlier: TrainingImages = field(repr=False)
    later: TrainingImages = field(repr=False)

    @classmethod
    def of(cls, images: TrainingImages, order: NDArray[np.float64]) -> "OrderedImages":
        """The images by time.

        Args:
            images: of the training patients.
            order: of each image among its patient's, NaN = unknown, `[n_images]`; images of one order are of one study.
        """
        return cls(*(_part(images, chosen) for chosen in halves_in_time(images.patients, order)))

    @property
    def n_returning(self) -> int:
        """Number of patients with later images."""
        return len(np.unique(self.later.patients))


def halves_in_time(patients: NDArray[np.intp], order: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(the images that train, the later ones), `[n_images]` each.

    The earlier half of a patient's images trains, and one more where their number is odd. Images of one study are never parted: all of the
    study in which that half ends train. An image of unknown order is left out, since it may be either; where a patient has none of known
    order, all train, and nothing of that patient is later.

    >>> trains, later = halves_in_time(np.zeros(5, dtype=int), np.array([1.0, 2.0, 3.0, 3.0, 9.0]))
    >>> trains.tolist(), later.tolist()
    ([True, True, True, True, False], [False, False, False, False, True])

    Args:
        patients: of each image.
        order: of each image among its patient's, NaN = unknown.
    """
    ordered = pd.DataFrame({"patient": patients, "order": order})
    by_patient = ordered.groupby("patient")["order"]
    known = by_patient.transform("count")
    rank = by_patient.rank(method="first")
    last = ordered["order"].where(rank <= (known + 1) // 2).groupby(ordered["patient"]).transform("max")
    is_later = ordered["order"] > last
    return ((ordered["order"] <= last) | (known == 0)).to_numpy(), is_later.to_numpy()


def _part(images: TrainingImages, chosen: NDArray[np.bool_]) -> TrainingImages:
    return replace(images, features=images.features[chosen], labels=images.labels[chosen], patients=images.patients[chosen])


def ordered_images(cohort: Cohort, split: Split, features: NDArray[np.float32], start: HeadStart | None = None) -> OrderedImages:
    """The images of the training patients of `cohort` by time; the arguments are those of `training_images`.

    Raises:
        SpecError: the cohort does not say in which order a patient's images were taken, or too few patients have later images.
    """
    require_order(cohort)
    order = cohort.study_order
    assert order is not None
    images = OrderedImages.of(training_images(cohort, split, features, start), order[split.rows(Part.TRAIN)])
    if images.n_returning < FEWEST_RETURNING:
        there = counted(images.n_returning, "training patient has", "training patients have")
        raise SpecError(f"{there} images of more than one study, too few to say how answers shift: {FEWEST_RETURNING} or more are needed.")
    return images


def require_order(cohort: Cohort) -> None:
    """Refuse a cohort that does not say in which order a patient's images were taken.

    Raises:
        SpecError: names the column to add.
    """
    if cohort.study_order is None:
        raise SpecError(
            f"Cohort {cohort.name!r} does not say in which order a patient's images were taken: import it again under another name, with a "
            f"column {STUDY_ORDER} that holds a number or a date for each image; its runs stay."
        )
