"""Procedural chest radiographs: the population, the images, and the demo cohort."""

import numpy as np
import pytest

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.store import CohortStore
from dpmed_core.phantoms.abdomen.population import draw_scans
from dpmed_core.phantoms.chest.population import COMORBIDITIES, FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph
from tests.conftest import KEY


def draw(index: int, *, seed: int = 0) -> np.ndarray:
    return render_radiograph(draw_population(60, seed=seed, variant="demo").iloc[index], index, size=64, seed=seed, variant="demo")


def test_an_image_depends_on_its_seed_and_row():
    assert np.array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(3, seed=1))
    assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize("draw_patients", [draw_population, draw_scans])
def test_the_encoders_patients_are_not_the_demos(draw_patients):
    ours, theirs = (draw_patients(400, seed=0, variant=variant)["age"].to_numpy() for variant in ("demo", "encoder"))
    assert (ours == theirs).mean() < 0.2


def test_the_population_is_as_documented():
    population = draw_population(2000, seed=0, variant="demo")
    radiographs = population.groupby("patient").size()
    assert radiographs.min() >= 1 and radiographs.max() <= 5 and len(radiographs) >= 400
    assert len(FINDINGS) == 8 and len(COMORBIDITIES) == 3
    assert population[[*FINDINGS, *COMORBIDITIES]].isin([0, 1]).all(axis=None)
    assert ((population[list(FINDINGS)].mean() > 0.05) & (population[list(FINDINGS)].mean() < 0.6)).all()
    assert population.groupby("patient")[["age", "sex", *COMORBIDITIES]].nunique().max(axis=None) == 1


def test_cardiomegaly_is_more_frequent_with_heart_failure():
    population = draw_population(4000, seed=0, variant="demo")
    rate = population.groupby("heart_failure")["cardiomegaly"].mean()
    assert rate[1] > 1.3 * rate[0]


def test_cardiomegaly_brightens_the_region_of_the_heart():
    """Pairs of radiographs differ only in the severity of this finding."""
    population = draw_population(60, seed=2, variant="demo")
    gains = []
    for index in range(12):
        without, with_it = (
            render_radiograph(population.assign(severity_cardiomegaly=severity).iloc[index], index, size=64, seed=2, variant="demo")
            for severity in (0.0, 0.9)
        )
        gains.append(float((with_it - without)[32:48, 16:56].mean()))
    assert np.mean(gains) > 0.005
    assert np.mean(np.array(gains) > 0) > 0.8


@pytest.mark.slow
def test_the_demo_is_read_back_from_dicom_and_is_reproducible(tmp_path):
    stores = [CohortStore(tmp_path / name, KEY) for name in ("one", "two")]
    for store, workers in zip(stores, (1, 2), strict=True):
        report = add_demo_radiograph(store, n_cases=40, workers=workers)
        assert report.n_imported == 40 and not report.problems
    one, two = (store.load("demo-radiograph") for store in stores)
    assert one.synthetic and one.fingerprint == two.fingerprint
    assert one.study_order is not None and not np.isnan(one.study_order).any() and one.study_order.max() > 1
    assert one.cases["age"].notna().all() and set(one.cases["sex"]) == {"female", "male"}
    assert one.images.std(axis=(1, 2)).min() > 20
