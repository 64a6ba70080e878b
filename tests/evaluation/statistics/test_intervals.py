import math

import numpy as np
import pytest
from scipy.stats import beta, norm, t
from statsmodels.stats.proportion import proportion_confint

from benchmarks.cohorts import Cohort, separation
from benchmarks.coverage import INTERVALS, coverage_row
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.sample_sizes import not_estimable
from dpmed_core.evaluation.statistics.intervals import (
    added,
    exact_share,
    freedom_of,
    largest_logit_variance,
    logit,
    mann_whitney_interval,
    on_logit,
    symmetric,
)
from dpmed_core.evaluation.tables.utility import run_rows
from tests.scored import utility_means


def test_an_interval_is_symmetric_on_the_logit_scale():
    low, high = on_logit(0.9, 0.04, 12, 20)
    reach = t.ppf(0.975, 12) * 0.2
    assert logit(high) - logit(0.9) == pytest.approx(reach) and logit(0.9) - logit(low) == pytest.approx(reach)


def test_at_exactly_one_or_zero_the_interval_depends_on_the_number_of_patients():
    low, high = on_logit(np.array([1.0, 0.0]), np.zeros(2), np.ones(2), np.array([20.0, 20.0]))
    assert low == pytest.approx([0.025 ** (1 / 20), 0]) and high == pytest.approx([1, 1 - 0.025 ** (1 / 20)])


@pytest.mark.parametrize(("hits", "n"), [(19, 20), (57, 60), (12, 20)])
def test_no_interval_reaches_farther_than_a_shares_of_as_many_patients(hits, n):
    share, freedom = hits / n, np.array([1.5, 3.0, 40.0])
    low, _ = on_logit(share, largest_logit_variance(share, freedom, n), freedom, n)
    assert low == pytest.approx(np.full(3, exact_share(hits, n)[0]))
    _, high = on_logit(1 - share, largest_logit_variance(1 - share, freedom, n), freedom, n)
    assert high == pytest.approx(1 - low)


def test_the_interval_is_not_from_0_to_1_where_one_patient_makes_all_errors():
    labels, scores = np.repeat([[0.0, 1.0]], [40, 40], axis=1), np.arange(80.0)
    scores[40] = 30.5  # nine of 1,600 pairs in the wrong order, all by one patient
    cohort = Cohort(np.arange(80), labels, np.random.default_rng(0), 0.0)
    without = np.where(np.arange(80) == 40, 45, scores)
    panel = cohort.panel(np.stack([scores, scores, without])[:, None], [np.nan] * 3)
    rows = run_rows(AUROC, [measure(AUROC, PanelDesign(panel))], [EVERYBODY])
    rows = rows[rows["finding"] == "finding0"]
    assert list(rows["auroc"]) == [pytest.approx(1 - 9 / 1600)] * 2 + [1.0]
    assert rows["auroc_low"].iloc[0] == pytest.approx(beta.ppf(0.025, 40 - 9 / 40, 1 + 9 / 40)) and rows["logit_error"].iloc[2] == 0
    mean = utility_means(rows).iloc[0]
    assert 0.8 < mean["auroc_low"] < 0.95 < mean["auroc"] < mean["auroc_high"] < 1


def test_degrees_of_freedom_are_the_patients_where_all_weigh_alike_and_few_where_one_carries_all():
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


@pytest.mark.slow
def test_intervals_hold_the_truth_and_those_that_ignore_patients_do_not():
    """250 cohorts of the simulation that docs/STATISTICS.md reports in full; 5 standard errors of a coverage of 95 % are .07."""
    found = coverage_row(250, n_patients=53, correlation=0.6, prevalence=0.3, auroc=0.9)
    assert [found[f"{name} coverage"] > 0.95 - 0.07 for name in INTERVALS] == [True, True, False]
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
def test_too_few_images_or_patients_are_not_estimable_with_the_reason(counts, reason):
    given = not_estimable(*counts)
    assert given.startswith(reason) and bool(given) == bool(reason)


def test_the_logit_is_finite_everywhere():
    assert all(math.isfinite(x) for x in logit([0.0, 0.5, 1.0]))


@pytest.mark.slow
def test_the_interval_of_the_mean_holds_the_mean_and_that_of_a_new_run_holds_a_new_run():
    """200 cohorts of three training runs, whose AUROC varies with a standard deviation of .03; the interval of one run alone holds less."""
    held = {"mean": 0, "new": 0, "alone": 0}
    n_cohorts, shift_sd, auroc = 200, 0.03, 0.85
    for number in range(n_cohorts):
        rng = np.random.default_rng([9, number])
        cohort = Cohort.draw(rng, n_patients=264, n_findings=1, correlation=0.0, prevalence=0.3)
        common = cohort.noise(1)
        true = auroc + rng.normal(scale=shift_sd, size=4)
        scores = [separation(a) * cohort.labels + np.sqrt(0.9) * common + np.sqrt(0.1) * cohort.noise(1) for a in true]
        panel = cohort.panel(np.array(scores[:3]), [1.0] * 3)
        rows = run_rows(AUROC, [measure(AUROC, PanelDesign(panel))], [EVERYBODY])
        mean = utility_means(rows[rows["finding"] == "finding0"]).iloc[0]
        held["mean"] += mean["auroc_low"] <= auroc <= mean["auroc_high"]
        held["new"] += mean["new_low"] <= true[3] <= mean["new_high"]
        held["alone"] += rows["auroc_low"].iloc[0] <= auroc <= rows["auroc_high"].iloc[0]
    reach = 3 * math.sqrt(0.95 * 0.05 / n_cohorts)
    assert held["mean"] / n_cohorts > 0.95 - reach and held["new"] / n_cohorts > 0.95 - reach > held["alone"] / n_cohorts


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20), (57, 120)])
def test_the_exact_interval_of_a_share_is_clopper_and_pearsons(hits, n):
    low, high = proportion_confint(hits, n, method="beta")
    assert exact_share(hits, n) == pytest.approx((np.nan_to_num(low), 1.0 if hits == n else high))


@pytest.mark.parametrize(("auroc", "n_positive", "n_negative"), [(0.95, 10, 10), (0.8, 10, 10), (0.6, 5, 15)])
def test_the_score_interval_of_few_cases_holds_the_truth(auroc, n_positive, n_negative):
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        positive, negative = rng.normal(norm.ppf(auroc) * 2**0.5, 1, n_positive), rng.normal(size=n_negative)
        low, high = mann_whitney_interval(float((positive[:, None] > negative).mean()), n_positive, n_negative)
        held += low <= auroc <= high
    assert 0.93 <= held / 400 <= 0.99


def test_the_score_interval_ends_at_0_and_1_and_is_symmetric():
    assert mann_whitney_interval(1.0, 10, 10)[1] == 1 and 0.75 < mann_whitney_interval(1.0, 10, 10)[0] < 0.85
    low, high = mann_whitney_interval(0.0, 10, 10)
    assert low == 0 and high == pytest.approx(1 - mann_whitney_interval(1.0, 10, 10)[0])
    low, high = mann_whitney_interval(0.8, 6, 14)
    assert (1 - high, 1 - low) == pytest.approx(mann_whitney_interval(0.2, 6, 14))
