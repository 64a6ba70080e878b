"""Which training images belong to which unit of privacy."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import SpecError
from dpmed_core.training.spec import PrivacyUnit


def training_units(cohort: Cohort, split: Split, unit: PrivacyUnit) -> list[NDArray[np.intp]]:
    """For each training unit the rows of `cohort` that are its images.

    Raises:
        SpecError: nobody is in the training part.
    """
    rows = split.rows(Part.TRAIN)
    if not len(rows):
        raise SpecError("Nobody is in the training part: import more patients before training.")
    if unit is PrivacyUnit.IMAGE:
        return [np.array([row]) for row in rows]
    patients = cohort.cases["patient_id"].to_numpy()[rows]
    _, number = np.unique(patients.astype(str), return_inverse=True)
    return [rows[number == unit_number] for unit_number in range(number.max() + 1)]
