"""Shifts of answers against SciPy and statsmodels."""

import numpy as np
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.multitest import multipletests

from dpmed_core.privacy.returning.shifts import ScoreSums, image_p_values, shifts


def summed(scores, inside):
    sums = ScoreSums(scores.shape[1:])
    for of_training, of_inside in zip(scores, inside, strict=True):
        sums.add(of_training, of_inside)
    return sums


def test_differences_and_p_values_are_welchs():
    rng = np.random.default_rng(0)
    inside = rng.random((60, 7)) < 0.5
    scores = 0.9 + 1e-3 * rng.standard_normal((60, 7, 3)) * (1 + 4 * inside[:, :, None]) + 5e-4 * inside[:, :, None]
    difference, p_values = summed(scores, inside).differences()
    for image in range(7):
        with_patient, without = scores[inside[:, image], image], scores[~inside[:, image], image]
        np.testing.assert_allclose(difference[image], with_patient.mean(0) - without.mean(0), rtol=1e-9)
        np.testing.assert_allclose(p_values[image], ttest_ind(with_patient, without, equal_var=False).pvalue, rtol=1e-7)


def test_shifted_images_are_those_of_bonferroni_within_and_benjamini_hochberg_over_images():
    rng = np.random.default_rng(1)
    inside = rng.random((200, 80)) < 0.5
    scores = rng.standard_normal((200, 80, 4))
    scores[:, :30, 2] += np.linspace(0.2, 1.0, 30) * inside[:, :30]
    sums = summed(scores, inside)
    _, p_values = sums.differences()
    of_images = [multipletests(p, method="bonferroni")[1].min() for p in p_values]
    np.testing.assert_allclose(image_p_values(p_values), of_images)
    expected = multipletests(of_images, alpha=0.05, method="fdr_bh")[0].sum()
    assert shifts(sums).n_shifted == expected and 20 < expected < 35


def test_scores_that_never_change_are_no_shift():
    sums = summed(np.full((20, 3, 2), 0.3), np.arange(60).reshape(20, 3) % 2 == 0)
    found = shifts(sums)
    assert found.n_shifted == 0 and found.largest == 0


def test_scores_that_follow_presence_alone_are_a_shift():
    inside = np.arange(20)[:, None] % 2 == 0
    found = shifts(summed(np.where(inside, 0.4, 0.3)[:, :, None], inside))
    assert found.n_shifted == 1 and found.largest == pytest.approx(0.1)


def test_a_patient_who_was_never_out_is_not_judged():
    found = shifts(summed(np.random.default_rng(2).random((20, 1, 1)), np.ones((20, 1), bool)))
    assert found.n_shifted == 0 and found.largest == 0


def test_where_there_is_nothing_to_find_at_most_one_measurement_in_twenty_finds_anything():
    rng = np.random.default_rng(3)
    found = [shifts(summed(rng.standard_normal((100, 60, 3)), rng.random((100, 60)) < 0.5)).n_shifted > 0 for _ in range(100)]
    assert np.mean(found) <= 0.12  # 5 % and three standard errors
