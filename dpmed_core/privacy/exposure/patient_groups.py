"""The groups of training patients that exposure is compared between: sex, age, co-morbidities, findings, and how many images they have."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import ATTRIBUTES, UNKNOWN, subgroups

IMAGES = "images"
IMAGE_BANDS = ((1, 1, "1 image"), (2, 4, "2 to 4 images"), (5, 9, "5 to 9 images"), (10, None, "10 or more images"))
"""Fewest and most images of a patient in each band, and its name."""

Members = dict[tuple[str, str], NDArray[np.bool_]]


def patient_groups(cases: pd.DataFrame, *, findings: tuple[str, ...], comorbidities: tuple[str, ...]) -> Members:
    """Who is in which group, `[n_patients]`, by attribute and name; patients in the order of their identifiers.

    A patient has a finding, or a co-morbidity, where any image says so; the age is that of the median image. A patient of unknown value
    stands in no group of that attribute.

    Args:
        cases: the training cases, with `patient_id`, age, sex, findings and co-morbidities.
        findings: columns of the findings.
        comorbidities: columns of the co-morbidities.
    """
    by_patient = cases.assign(patient_id=cases["patient_id"].astype(str)).groupby("patient_id", sort=True)
    flags = list(dict.fromkeys((*comorbidities, *findings)))
    patients = by_patient[flags].max().assign(age=by_patient["age"].median(), sex=by_patient["sex"].first())
    found: Members = {}
    for attribute in (*ATTRIBUTES, *flags):
        names = subgroups(patients, attribute)
        found |= {(attribute, str(name)): (names == name).to_numpy() for name in names.cat.categories if name != UNKNOWN}
    n_images = by_patient.size().to_numpy()
    found |= {(IMAGES, name): (n_images >= low) & (n_images <= (high or np.inf)) for low, high, name in IMAGE_BANDS}
    return {group: members for group, members in found.items() if members.any()}
