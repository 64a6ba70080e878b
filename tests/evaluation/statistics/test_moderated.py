"""Steadied variances against draws whose prior is known."""

import numpy as np
import pytest

from dpmed_core.evaluation.statistics.moderated import moderated

MANY = 1e9


def drawn(rng, n, *, prior_freedom, prior, freedom, sizes=1.0):
    """Variances around true ones that are prior x prior_freedom / chi-square (the model's own)."""
    true = prior * sizes * (prior_freedom / rng.chisquare(prior_freedom, n) if np.isfinite(prior_freedom) else 1.0)
    return true * rng.chisquare(freedom, n) / freedom


@pytest.mark.parametrize("freedom", [1, 2, 4])
def test_equal_variances_are_pooled_with_all_degrees_of_freedom(freedom):
    s2 = drawn(np.random.default_rng(0), 4000, prior_freedom=np.inf, prior=0.04, freedom=freedom)
    pooled, joint, common = moderated(s2, np.full(4000, float(freedom)), np.ones(4000), most_freedom=50.0)
    assert common == pytest.approx(np.full(4000, 0.04), rel=0.1) and pooled == pytest.approx(common, rel=0.4)
    assert joint == pytest.approx(np.full(4000, 50.0))


def test_the_prior_is_found_again():
    s2 = drawn(np.random.default_rng(1), 20_000, prior_freedom=6.0, prior=0.01, freedom=2)
    pooled, joint, common = moderated(s2, np.full(20_000, 2.0), np.ones(20_000), most_freedom=MANY)
    assert common[0] == pytest.approx(0.01 * 6 / (6 - 2), rel=0.1) and joint[0] == pytest.approx(8.0, rel=0.1)
    assert pooled[0] == pytest.approx((6 * 0.01 + 2 * s2[0]) / 8, rel=0.1)


def test_a_trend_with_size_is_followed():
    rng = np.random.default_rng(2)
    sizes = np.exp(rng.normal(size=5000))
    s2 = drawn(rng, 5000, prior_freedom=np.inf, prior=0.01, freedom=2, sizes=sizes)
    _, _, common = moderated(s2, np.full(5000, 2.0), sizes, most_freedom=MANY)
    assert np.log(common / (0.01 * sizes)) == pytest.approx(np.zeros(5000), abs=0.15)


def test_two_variances_and_zeros_count_for_themselves():
    for s2 in (np.array([0.01, 0.5]), np.array([0.01, 0.5, 0.0, np.nan])):
        pooled, joint, _ = moderated(s2, np.ones(len(s2)), np.ones(len(s2)), most_freedom=9.0)
        np.testing.assert_array_equal(pooled, s2)
        assert (joint == 1).all()
