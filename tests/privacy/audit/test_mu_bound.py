"""The lower bound of mu is seldom above the truth, and near it."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from statsmodels.stats.proportion import proportion_confint

from dpmed_core.privacy.audit.mu_bound import discriminant, mu_lower_bound, upper_rates


@pytest.mark.parametrize("mu", [0.0, 0.3, 1.5, 3.0])
def test_the_bound_is_above_the_truth_in_at_most_a_fiftieth(mu):
    too_large, bounds = 0, []
    for number in range(300):
        rng = np.random.default_rng([1, number])
        inside, outside = rng.standard_normal((400, 3)), rng.standard_normal((400, 3))
        inside[:, 0] += mu
        bounds.append(mu_lower_bound(inside, outside, error=0.02))
        too_large += bounds[-1] > mu
    assert too_large <= 300 * 0.02 + 3 * np.sqrt(300 * 0.02 * 0.98)
    assert np.median(bounds) >= mu - 0.75


def test_the_discriminant_is_scikit_learns():
    rng = np.random.default_rng(2)
    mix = rng.standard_normal((4, 4))
    inside, outside = rng.standard_normal((500, 4)) @ mix + 0.5, rng.standard_normal((500, 4)) @ mix
    ours = discriminant(inside, outside)
    model = LinearDiscriminantAnalysis(solver="lsqr").fit(np.concatenate([inside, outside]), np.repeat([1, 0], 500))
    theirs = model.coef_[0]
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) == pytest.approx(1, abs=1e-6)


def test_samples_that_never_overlap_have_a_large_bound_whatever_their_scale():
    """A number that is released without noise tells for certain who was in, however small it is."""
    outside = np.column_stack([np.zeros(1000), np.random.default_rng(3).standard_normal(1000)])
    inside = outside + np.array([1e-12, 0.0])
    assert mu_lower_bound(inside, outside, error=0.02) > 4


def test_rates_are_bounded_as_by_clopper_and_pearson():
    counts = [0, 7, 49, 50]
    assert upper_rates(counts, 50, 0.025) == pytest.approx([proportion_confint(count, 50, method="beta")[1] for count in counts])
    assert norm.isf(upper_rates(0, 10**6, 0.01)) > 4
