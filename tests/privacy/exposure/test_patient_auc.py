"""The attack on each patient: against scikit-learn, scipy and statsmodels; limits by simulation."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import false_discovery_control, mannwhitneyu
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from dpmed_core.privacy.exposure.patient_auc import flagged, patient_auc, score_limits
from dpmed_core.privacy.exposure.shadow_trainings import draw_halves


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    halves = draw_halves(100, 30, rng)
    return rng.standard_normal(halves.shape).round(1) + 0.4 * halves, halves


def test_the_auc_is_scikit_learns_ties_included(drawn):
    likelihoods, halves = drawn
    found = patient_auc(likelihoods, halves).value
    assert found == pytest.approx([roc_auc_score(halves[:, u], likelihoods[:, u]) for u in range(30)])


def test_p_values_are_those_of_mann_and_whitney():
    rng = np.random.default_rng(1)
    halves = draw_halves(100, 30, rng)
    likelihoods = rng.standard_normal(halves.shape) + 0.3 * halves
    found = patient_auc(likelihoods, halves).p_values()
    for u in range(30):
        inside, outside = likelihoods[halves[:, u], u], likelihoods[~halves[:, u], u]
        theirs = mannwhitneyu(inside, outside, alternative="greater", method="asymptotic", use_continuity=False).pvalue
        assert found[u] == pytest.approx(theirs)


def test_patients_are_flagged_as_by_scipy():
    rng = np.random.default_rng(2)
    for share in (0.0, 0.2, 0.9):
        p_values = np.where(rng.random(300) < share, rng.random(300) * 1e-3, rng.random(300))
        np.testing.assert_array_equal(flagged(p_values), false_discovery_control(p_values) <= 0.05)


def test_limits_are_wilsons():
    for value, n in ((0.0, 80), (0.3, 100), (1.0, 95)):
        low, high = score_limits(np.array([value]), np.array([n]), 1.959964)
        assert (low[0], high[0]) == pytest.approx(proportion_confint(value * n, n, method="wilson"), abs=1e-6)


@pytest.mark.parametrize("true", [0.5, 0.58, 0.9, 0.99])
def test_the_limits_of_many_patients_hold_together(true):
    """In 200 repeats of 200 trainings with 60 patients, limits for all of them at once miss a true AUC in at most 5 %."""
    missed = 0
    for number in range(200):
        rng = np.random.default_rng([3, number])
        halves = draw_halves(200, 60, rng)
        attack = patient_auc(rng.standard_normal(halves.shape) + np.sqrt(2) * ndtri(true) * halves, halves)
        low, high = attack.limits(level=0.95, n_comparisons=60)
        missed += bool(((low > true) | (high < true)).any())
    assert missed / 200 <= 0.05
