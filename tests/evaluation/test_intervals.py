import math

import numpy as np
import pytest
from scipy.stats import t

from benchmarks.coverage import WHAT, cell
from dpmed_core.evaluation.counting import not_estimable
from dpmed_core.evaluation.intervals import added, freedom_of, logit, on_logit, symmetric


def test_an_interval_is_symmetric_on_the_logit_scale():
    low, high = on_logit(0.9, 0.04, 12, 20)
    reach = t.ppf(0.975, 12) * 0.2
    assert logit(high) - logit(0.9) == pytest.approx(reach) and logit(0.9) - logit(low) == pytest.approx(reach)


def test_at_exactly_one_or_zero_the_interval_says_how_few_were_seen():
    low, high = on_logit(np.array([1.0, 0.0]), np.zeros(2), np.ones(2), np.array([20.0, 20.0]))
    assert low == pytest.approx([0.025 ** (1 / 20), 0]) and high == pytest.approx([1, 1 - 0.025 ** (1 / 20)])


def test_equal_patients_count_in_full_and_one_who_carries_all_counts_alone():
    equal = np.random.default_rng(0).normal(size=100_000)
    squares, fourths = np.square(equal).sum(), (equal**4).sum()
    assert freedom_of(squares, fourths, 1e9) == pytest.approx(100_000, rel=0.05)
    assert freedom_of(1.0, 1.0, 50.0) == 3.0 and freedom_of(1.0, 1.0, 2.5) == 1.5 and freedom_of(0.0, 0.0, 1.2) == 1.0


def test_added_variances_have_satterthwaites_freedom():
    variance, freedom = added(2.0, 10.0, 1.0, 4.0)
    assert (variance, freedom) == (3.0, pytest.approx(9 / (4 / 10 + 1 / 4)))
    assert added(2.0, 10.0, 0.0, 1.0)[1] == pytest.approx(10.0)


def test_a_difference_has_students_interval():
    low, high = symmetric(0.1, 0.01, 4.0)
    assert (low, high) == (pytest.approx(0.1 - t.ppf(0.975, 4) * 0.1), pytest.approx(0.1 + t.ppf(0.975, 4) * 0.1))


def test_intervals_hold_the_truth_and_those_that_take_films_for_patients_do_not():
    """250 cohorts of the simulation that docs/STATISTICS.md reports in full; 5 standard errors of a coverage of 95 % are .07."""
    found = cell(250, n_patients=53, correlation=0.6, prevalence=0.3, auroc=0.9)
    assert [found[f"{what} coverage"] > 0.95 - 0.07 for what in WHAT] == [True, True, True, False]
    assert found["too few"] < 0.2


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((0, 40, 0, 40, 40, 40.0), "only one class"),
        ((0, 0, 0, 0, 0, 0.0), "no case"),
        ((4, 36, 4, 36, 40, 4.0), "fewer than 5 positives"),
        ((36, 4, 36, 4, 40, 4.0), "fewer than 5 negatives"),
        ((20, 20, 4, 20, 20, 4.0), "fewer than 5 patients with positives"),
        ((20, 20, 20, 3, 20, 3.0), "fewer than 5 patients with negatives"),
        ((20, 20, 8, 8, 8, 8.0), "fewer than 10 patients"),
        ((100, 100, 20, 20, 30, 1.4), "too few patients"),
        ((20, 20, 20, 20, 40, 20.0), ""),
    ],
)
def test_too_little_is_not_estimable_and_says_why(counts, reason):
    said = not_estimable(*counts)
    assert said.startswith(reason) and bool(said) == bool(reason)


def test_the_logit_is_finite_everywhere():
    assert all(math.isfinite(x) for x in logit([0.0, 0.5, 1.0]))
