"""Detectable differences against statsmodels' power of a t test."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from dpmed_core.evaluation.statistics.power import LARGE, detectable


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("level", [0.05, 0.002])
def test_detectable_difference_has_the_power_that_statsmodels_gives_it(n: int, level: float) -> None:
    difference = float(detectable(1 / np.sqrt(n), n - 1, level=level))
    power = TTestPower().power(effect_size=difference, nobs=n, alpha=level, alternative="larger")
    assert power == pytest.approx(0.80, abs=1e-5)


def test_the_normal_form_goes_on_from_the_noncentral_one() -> None:
    assert detectable(1.0, LARGE) == pytest.approx(float(detectable(1.0, LARGE - 1)), rel=1e-4)


def test_what_is_unknown_stays_unknown() -> None:
    assert np.isnan(detectable(np.array([np.nan, 1.0]), 3.0)).tolist() == [True, False]
