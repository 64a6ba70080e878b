"""The store of cohorts: writing, loading, damaged files, names."""

import json

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Modality


@pytest.fixture
def stored(store):
    cases = pd.DataFrame(
        {"case_id": ["c", "a"], "patient_id": ["2", "1"], "age": [5.0, np.nan], "sex": "female", "split": None, "mass": [1.0, 0.0]}
    )
    return store.write(
        "images",
        modality=Modality.RADIOGRAPH,
        synthetic=True,
        findings=("mass",),
        comorbidities=(),
        cases=cases,
        images=np.stack([np.full((4, 4), value, np.uint8) for value in (9, 3)]),
        report=ImportReport(2, 2, 2, 1, 0),
    )


def test_a_cohort_comes_back_as_it_was_stored(store, stored):
    loaded = store.load("images")
    assert loaded.cases["patient_id"].tolist() == ["1", "2"]
    assert loaded.images[:, 0, 0].tolist() == [3, 9]
    assert loaded.fingerprint == stored.fingerprint == store.fingerprint("images")
    assert store.with_fingerprint(stored.fingerprint).name == "images"
    assert store.report("images").n_unknown_age == 1


def test_images_cannot_be_written_to(stored):
    with pytest.raises(ValueError, match="read-only"):
        stored.images[0, 0, 0] = 1


@pytest.mark.parametrize("name", ["../x", "A", "", "a" * 41, "a/b", ".hidden", "images"])
def test_names_that_cannot_be_used_are_refused(store, stored, name):
    with pytest.raises(CohortError):
        store.refuse_unusable(name)


@pytest.mark.parametrize("name", ["../images", "other", "images/.."])
def test_a_missing_cohort_is_reported_with_the_existing_ones(store, stored, name):
    with pytest.raises(CohortError, match="choose one of images"):
        store.load(name)


@pytest.mark.parametrize("file", ["cases.parquet", "images.npy", "cohort.json"])
def test_damaged_files_are_refused_in_one_sentence(store, stored, file):
    path = store.folder("images") / file
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CohortError, match="import it again"):
        store.load("images")


def test_a_cohort_of_another_format_is_refused(store, stored):
    path = store.folder("images") / "cohort.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(CohortError, match="another version"):
        store.load("images")


def test_pickled_images_are_never_loaded(store, stored):
    np.save(store.folder("images") / "images.npy", np.array([{"any": "object"}, None], dtype=object), allow_pickle=True)
    with pytest.raises(CohortError, match="cannot be read"):
        store.load("images")


def test_removing_a_cohort_removes_what_was_cached_for_it(store, stored):
    store.features_dir("images").mkdir()
    store.remove("images")
    assert store.names() == [] and not list(store.root.iterdir())
