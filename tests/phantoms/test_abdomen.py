"""Procedural abdominal CT: the patients' characteristics, and the Hounsfield units of their organs and tumours."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.phantoms.abdomen.population import (
    ASCITES_SHARE,
    COMORBIDITIES,
    EARLY_SHARE,
    METASTASES_SHARE,
    MIMICKED_SPREAD,
    PDAC,
    draw_scans,
)
from dpmed_core.phantoms.abdomen.volume import render_volume
from tests.image_files import render_lesion_mask, render_volumes

PAIRS = 8


@pytest.fixture(scope="module")
def scans():
    return draw_scans(60, seed=0, variant="demo")


@pytest.fixture(scope="module")
def volumes(scans):
    return render_volumes(scans.head(PAIRS), seed=0)


def usual_tumours(scans):
    """Scans in the pancreatic phase that show a tumour of usual contrast."""
    return scans[(scans[PDAC] == 1) & (scans["contrast"] > 0.6) & (scans["portal"] < 0.4)].head(PAIRS)


def test_a_volume_depends_on_its_seed_and_row_alone(scans, volumes):
    assert volumes.shape == (PAIRS, *SHAPE) and volumes.dtype == np.int16
    assert np.array_equal(render_volume(scans.iloc[3], 3, seed=0), volumes[3])
    assert not np.array_equal(render_volume(scans.iloc[3], 3, seed=1), volumes[3])
    assert not np.array_equal(render_volume(scans.iloc[3], 3, seed=0, variant="encoder"), volumes[3])
    assert not np.array_equal(volumes[2], volumes[3])


def test_the_population_has_the_published_frequencies():
    scans = draw_scans(6000, seed=1, variant="demo").drop_duplicates("patient")
    rate = scans.groupby("sex")[PDAC].mean()
    assert (scans["sex"] == "M").mean() == pytest.approx(0.61, abs=0.02)
    assert rate["M"] == pytest.approx(95 / 197, abs=0.04) and rate["F"] == pytest.approx(77 / 127, abs=0.04)
    quarter = scans["age"].rank(pct=True).mul(4).apply(np.ceil)
    for q, (with_tumour, without) in enumerate([(23, 63), (48, 37), (54, 25), (48, 27)], start=1):
        assert scans.loc[quarter == q, PDAC].mean() == pytest.approx(with_tumour / (with_tumour + without), abs=0.07)
    assert scans[[PDAC, *COMORBIDITIES]].isin([0, 1]).all(axis=None)


def test_patients_have_one_to_three_scans_with_the_same_characteristics():
    scans = draw_scans(500, seed=2, variant="demo")
    counts = scans.groupby("patient").size()
    assert len(scans) == 500 and counts.min() == 1 and counts.max() == 3
    constant = ["age", "sex", PDAC, "site", *COMORBIDITIES]
    assert scans.groupby("patient")[constant].nunique().max(axis=None) == 1
    grown = scans[scans["radius_mm"] > 0].groupby("patient")["radius_mm"]
    assert (grown.last() >= grown.first()).all()


def test_diabetes_is_associated_with_tumours_and_atrophy_with_pancreatitis():
    scans = draw_scans(6000, seed=3, variant="demo")
    assert scans.groupby(PDAC)["diabetes"].mean().diff().iloc[-1] > 0.05
    assert scans.groupby("chronic_pancreatitis")["atrophy"].mean().diff().iloc[-1] > 0.15


def test_tissues_have_their_hounsfield_units(volumes):
    for volume in volumes:
        assert volume[:, 0, 0].max() < -900  # air in the corners
        body = volume[20:44][volume[20:44] > -300]
        assert 0.15 < (body < -60).mean() < 0.75  # fat
        assert 0.2 < ((body > 20) & (body < 140)).mean() < 0.8  # soft tissue
        assert (volume > 250).sum() > 500  # bone and arteries
        lungs = volume[54:, 30:66, 20:76]
        assert (lungs < -700).mean() > 0.2 > (volume[:24, 30:66, 20:76] < -700).mean()


def test_liver_lies_right_and_spleen_left(volumes):
    """Columns run from the patient's right to left; below the diaphragm there is more soft tissue on the right, where the liver lies."""
    soft = (volumes[:, 34:46] > 30) & (volumes[:, 34:46] < 150)
    assert (soft[..., :48].sum(axis=(1, 2, 3)) > 1.2 * soft[..., 48:].sum(axis=(1, 2, 3))).all()


def test_a_tumour_is_darker_than_the_gland_it_grows_in(scans):
    """Pairs of scans that differ only in the tumour, compared where the healthy scan shows gland: in fat, the mass is brighter."""
    darker = []
    for index, case in usual_tumours(scans).iterrows():
        mask = render_lesion_mask(case, index, seed=0)
        healthy = case.copy()
        healthy["radius_mm"] = 0.0
        with_it, without = (render_volume(p, index, seed=0).astype(float)[mask] for p in (case, healthy))
        gland = without > 60
        darker.append(float((without - with_it)[gland].mean()))
    assert len(darker) == PAIRS and min(darker) > 5 and np.mean(darker) > 20


def test_a_lesion_mask_marks_the_tumour_and_nothing_without_one(scans):
    tumours = scans[scans[PDAC] == 1]
    for index, case in tumours.head(PAIRS).iterrows():
        volume = 4 / 3 * np.pi * case["radius_mm"] ** 3 / 4**3
        assert 0.25 * volume < render_lesion_mask(case, index, seed=0).sum() < 2.5 * volume + 8
    healthy = scans[scans[PDAC] == 0].iloc[0]
    assert not render_lesion_mask(healthy, int(healthy.name), seed=0).any()


def test_scans_of_a_patient_differ_and_show_a_body_of_the_same_size(scans):
    again = scans[scans.duplicated("patient")].iloc[0]
    first = scans[scans["patient"] == again["patient"]].iloc[0]
    one, two = (render_volume(p, int(p.name), seed=0).astype(float) for p in (first, again))
    other = render_volume(scans.iloc[0], 0, seed=0).astype(float)
    assert not np.array_equal(one, two)
    bulk = [(v > -300).sum() for v in (one, two, other)]
    assert abs(bulk[0] - bulk[1]) < 0.2 * bulk[0]


@pytest.fixture(scope="module")
def advanced():
    return draw_scans(400, seed=0, variant="advanced")


def test_the_other_variants_are_drawn_as_before(scans):
    assert (
        "metastases" not in scans
        and scans["portal"].min() >= 0
        and not {"metastases", "ascites_mm"} & set(draw_scans(9, seed=0, variant="encoder"))
    )


def test_advanced_disease_has_what_the_encoders_phantoms_never_show(advanced):
    ill = advanced[PDAC] == 1
    for name, share in (("metastases", METASTASES_SHARE), ("ascites_mm", ASCITES_SHARE)):
        assert (advanced.loc[ill, name] > 0).mean() == pytest.approx(share, abs=0.06)
        assert (advanced.loc[~ill, name] > 0).mean() == pytest.approx(MIMICKED_SPREAD, abs=0.03)
        assert advanced.groupby("patient")[name].nunique().max() == 1, "the same in all scans of a patient"
    assert (advanced["portal"] < 0).mean() == pytest.approx(EARLY_SHARE, abs=0.07)


def test_metastases_are_darker_than_the_liver_and_ascites_takes_the_place_of_fat(advanced):
    case = advanced[(advanced["metastases"] > 0) & (advanced["ascites_mm"] > 15)].iloc[0]
    index = int(case.name)
    volume = render_volume(case, index, seed=0, variant="advanced").astype(float)
    none = pd.Series({**case, "metastases": 0, "ascites_mm": 0.0})
    without = render_volume(none, index, seed=0, variant="advanced").astype(float)
    changed = without - volume
    lesions, fluid = (changed > 25) & (without > 40), (changed < -60) & (without < -60)
    assert lesions.sum() > 100 and fluid.sum() > 1000
    assert volume[fluid].mean() == pytest.approx(8, abs=25)
    # By construction 35 to 70 HU darker than the liver, less at their edges.
    assert 25 < changed[lesions].mean() < 70
    assert np.array_equal(render_volume(case, index, seed=0, variant="advanced"), volume)
