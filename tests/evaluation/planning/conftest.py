"""A cohort of which a plan reads labels and attributes; it holds no image."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.imaging.modality import Modality

PREVALENCES = {"common": 0.3, "rare": 0.004}


@pytest.fixture
def make_cohort():
    """A cohort of patients with one or two images each, half of them women; findings as in `PREVALENCES`."""

    def make(n_patients=1000, *, modality=Modality.RADIOGRAPH, seed=0):
        rng = np.random.default_rng(seed)
        images = 1 + (np.arange(n_patients) % 3 == 0)
        patients = np.repeat(np.arange(n_patients), images)
        ages = rng.integers(25, 90, n_patients)
        parts = np.repeat(
            np.array([Part.TRAIN.value, Part.TEST.value, Part.VALIDATION.value])[np.digitize(np.arange(n_patients) % 10, [7, 9])], images
        )
        cases = pd.DataFrame(
            {
                "case_id": [f"c{i}" for i in range(len(patients))],
                "patient_id": [f"p{i}" for i in patients],
                "age": ages[patients].astype(float),
                "sex": np.where(patients % 2, "female", "male"),
                "split": parts,
            }
        )
        for finding, prevalence in PREVALENCES.items():
            cases[finding] = (rng.random(len(cases)) < prevalence).astype(float)
        pixels = np.zeros((len(cases), 4, 4), np.uint8)
        return Cohort("planned", modality, False, tuple(PREVALENCES), (), cases, pixels, "f" * 16)

    return make


@pytest.fixture
def split_of():
    return lambda cohort: Split(cohort.cases["split"].to_numpy(dtype=np.str_), None)
