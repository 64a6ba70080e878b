"""Cohorts that are stored with 128 pixels are what they were before there were others; the side of others stands in their facts."""

import json

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.persons import pixel_digests
from dpmed_core.cohort.report import ImportReport
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs.folder import run_id_of
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.conftest import KEY

N_IMAGES = 12
FINGERPRINT, RUN_IDS = "901c7117d80942f6", ["627c41fc6d7f84d1", "f6df9799ab919555"]
"""Of the cohort below and its runs, as the version before the side was a property of a cohort named them."""


@pytest.fixture
def write(store):
    """A function that stores a cohort of made-up images of `side` pixels."""

    def write_at(side):
        cases = pd.DataFrame(
            {
                "case_id": [f"{i:02d}" for i in range(N_IMAGES)],
                "patient_id": [f"{i // 2:02d}" for i in range(N_IMAGES)],
                "age": 60.0,
                "sex": "female",
                "split": None,
                "mass": [0.0, 1.0] * (N_IMAGES // 2),
            }
        )
        return store.write(
            f"images-{side}",
            modality=Modality.RADIOGRAPH,
            synthetic=False,
            findings=("mass",),
            comorbidities=(),
            cases=cases,
            images=np.random.default_rng(256).integers(0, 256, (N_IMAGES, side, side), dtype=np.uint8),
            report=ImportReport(N_IMAGES, N_IMAGES, N_IMAGES // 2, 0, 0),
        )

    return write_at


def test_a_cohort_of_128_pixels_and_its_runs_have_the_names_that_they_had(store, write):
    cohort = write(128)
    specs = plan_runs(cohort, key=KEY, recipe="probe", epsilons=[8.0], n_seeds=1, delta=1e-3, unit=PrivacyUnit.PATIENT)
    assert cohort.fingerprint == FINGERPRINT and [run_id_of(spec, KEY) for spec in specs] == RUN_IDS
    files = {path.name for path in store.folder(cohort.name).iterdir()}
    assert files == {"cases.parquet", "cohort.json", "image-digests.npy", "images.npy", "report.json"}
    assert "pixels" not in json.loads((store.folder(cohort.name) / "cohort.json").read_text())


def test_the_side_of_finer_images_stands_in_the_facts_and_images_of_another_are_refused(store, write):
    fine, coarse = write(256), write(128)
    expected = list(pixel_digests(store.folder(fine.name) / "images.npy", at_128=True))
    assert [digest.tobytes() for digest in fine.digests_at_128] == expected and len(set(expected)) == N_IMAGES
    path = store.folder(fine.name) / "images.npy"
    path.write_bytes((store.folder(coarse.name) / "images.npy").read_bytes())
    with pytest.raises(CohortError, match="does not hold the images that belong to the cohort"):
        store.load(fine.name)


def test_digests_at_128_pixels_that_were_changed_are_refused(store, write):
    path = store.folder(write(256).name) / "image-digests-128.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CohortError, match="image-digests-128"):
        store.load("images-256")
