"""Which training images belong to which unit of privacy, a patient or an image."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import SpecError
from dpmed_core.training.spec import PrivacyUnit


def training_units(cohort: Cohort, split: Split, unit: PrivacyUnit) -> list[NDArray[np.intp]]:
    """For each training unit the rows of its images in `cohort`; every training row belongs to exactly one unit.

    Raises:
        SpecError: there is no patient in the training part.
    """
    rows = split.rows(Part.TRAIN)
    if not len(rows):
        raise SpecError("There is no patient in the training part: import more patients before training.")
    if unit is PrivacyUnit.IMAGE:
        return [np.array([row]) for row in rows]
    patients = cohort.cases["patient_id"].to_numpy()[rows]
    # Patients in the order of their identifiers, which are keyed hashes: the order of units says nothing of the order of import.
    _, number = np.unique(patients.astype(str), return_inverse=True)
    return [rows[number == unit_number] for unit_number in range(number.max() + 1)]
