"""Detectable differences against statsmodels' power of a t test."""

import numpy as np
import pytest
from scipy.stats import chi2, norm, t
from statsmodels.stats.power import TTestPower

from dpmed_core.evaluation.statistics.power import FAR, LARGE, detectable


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("level", [0.05, 0.002])
def test_detectable_difference_has_the_power_that_statsmodels_gives_it(n: int, level: float) -> None:
    difference = float(detectable(1 / np.sqrt(n), n - 1, level=level))
    power = TTestPower().power(effect_size=difference, nobs=n, alpha=level, alternative="larger")
    assert power == pytest.approx(0.80, abs=1e-6)


def test_the_normal_form_goes_on_from_the_noncentral_one() -> None:
    assert detectable(1.0, LARGE) == pytest.approx(float(detectable(1.0, LARGE - 1)), rel=1e-4)


@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 5.0])
def test_levels_of_many_comparisons_are_reached_at_once_and_precisely(freedom: float) -> None:
    """The power by integration over the estimated error, which no noncentral distribution function is needed for."""
    for level in (1e-3, 1e-4, 1e-6, 1e-9):
        found, critical = float(detectable(1.0, freedom, level=level)), t.isf(level, freedom)
        shares = (np.arange(200_000) + 0.5) / 200_000
        power = norm.sf(critical * np.sqrt(chi2.ppf(shares, freedom) / freedom) - found).mean()
        assert power == pytest.approx(0.80, abs=1e-6)


def test_both_forms_meet() -> None:
    level = float(t.sf(FAR, 1.0))
    assert detectable(1.0, 1.0, level=level * 1.0001) == pytest.approx(float(detectable(1.0, 1.0, level=level * 0.9999)), rel=2.1e-4)


def test_what_is_unknown_stays_unknown() -> None:
    assert np.isnan(detectable(np.array([np.nan, 1.0]), 3.0)).tolist() == [True, False]
