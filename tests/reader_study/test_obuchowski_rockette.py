"""The published example of MRMCaov to the printed digits, parts against independent ones, and what cannot be estimated.

Numbers: Smith & Hillis, "MRMCaov: Multi-Reader Multi-Case ANOVA Software for R", sections on covariance methods and fixed factors, printed
to seven significant digits.
"""

from itertools import product

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import chi2, t
from sklearn.metrics import roc_auc_score

from dpmed_core.reader_study.multi_reader.covariances import METHODS, estimates
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import (
    NO_SPREAD,
    ONE_READER,
    About,
    arm_mean,
    components,
    difference,
    mean_squares,
    overall,
)
from dpmed_core.reader_study.multi_reader.ratings import Ratings, ratings_of
from tests.reader_study.multi_reader_data import drawn_ratings, van_dyke_rows

COMPONENTS = {
    "delong": ("0.0007921325", "0.0003420090", "0.0003395265", "0.0002358497"),
    "unbiased": ("0.0007883925", "0.0003416706", "0.0003390650", "0.0002356148"),
    "jackknife": ("0.0008022883", "0.0003466137", "0.0003440748", "0.0002390284"),
}
# about, method: estimate, standard error, degrees of freedom, lower and upper end, p-value, F
DIFFERENCES = {
    (About.READERS_AND_CASES, "delong"): (
        "-0.04380032", "0.0206825", "15.06611", "-0.0878671960", "0.0002665519", "0.05123303", "4.484854"
    ),
    (About.READERS_AND_CASES, "unbiased"): (
        "-0.04380032", "0.02067154", "15.03418", "-0.0878519409", "0.0002512968", "0.0511618", "4.489614"
    ),
    (About.CASES, "jackknife"): ("-0.04380032", "0.01871748", "inf", "-0.08048591", "-0.00711473", "0.01927984", "5.475953"),
    (About.READERS, "delong"): ("-0.04380032", "0.01484629", "4", "-0.08502022", "-0.00258042", "0.04195875", "8.704"),
}  # fmt: skip
# about, method, arm: estimate, standard error, degrees of freedom, lower and upper end
ARMS = {
    (About.READERS_AND_CASES, "delong", "cine"): ("0.8970370", "0.03307642", "12.59597", "0.8253461", "0.9687280"),
    (About.READERS_AND_CASES, "delong", "se"): ("0.9408374", "0.02150464", "12.56530", "0.8942155", "0.9874592"),
    (About.READERS_AND_CASES, "unbiased", "cine"): ("0.8970370", "0.0330712", "12.58802", "0.8253526", "0.9687214"),
    (About.READERS_AND_CASES, "unbiased", "se"): ("0.9408374", "0.0214912", "12.53391", "0.8942323", "0.9874424"),
    (About.CASES, "jackknife", "cine"): ("0.8970370", "0.02428971", "inf", "0.8494301", "0.9446440"),
    (About.CASES, "jackknife", "se"): ("0.9408374", "0.01677632", "inf", "0.9079564", "0.9737183"),
    (About.READERS, "delong", "cine"): ("0.8970370", "0.02482994", "4", "0.8280981", "0.9659760"),
    (About.READERS, "delong", "se"): ("0.9408374", "0.01615303", "4", "0.8959894", "0.9856854"),
}


def is_printed(value: float, printed: str) -> bool:
    """Whether `value`, rounded to as many decimals as are printed, is what is printed."""
    decimals = len(printed.partition(".")[2])
    return (printed == "inf" and np.isinf(value)) or f"{value:.{decimals}f}" == printed


@pytest.fixture(scope="module")
def van_dyke() -> Ratings:
    return ratings_of(van_dyke_rows())


def test_the_published_ratings_are_whole(van_dyke):
    assert van_dyke.values.shape == (2, 5, 114)
    assert int(van_dyke.positive.sum()) == 45


@pytest.mark.parametrize("method", METHODS)
def test_variance_and_covariances_are_the_published_ones_to_every_digit(van_dyke, method):
    found = components(estimates(van_dyke, method))
    assert [is_printed(value, printed) for value, printed in zip(found, COMPONENTS[method], strict=True)] == [True] * 4, found


@pytest.mark.parametrize(("about", "method"), DIFFERENCES)
def test_the_difference_of_arms_is_the_published_one_to_every_digit(van_dyke, about, method):
    found = estimates(van_dyke, method)
    one, test = difference(found, about), overall(found, about)
    values = (one.estimate, one.std_error, one.freedom, one.low, one.high, one.p_value, test.statistic)
    assert [is_printed(value, printed) for value, printed in zip(values, DIFFERENCES[about, method], strict=True)] == [True] * 7, values
    assert test.p_value == pytest.approx(one.p_value, abs=1e-12)


@pytest.mark.parametrize(("about", "method", "arm"), ARMS)
def test_each_arms_mean_is_the_published_one_to_every_digit(van_dyke, about, method, arm):
    """The published ends are symmetric and cut at 0 and 1; those here are on the logit scale, from the same error and freedom."""
    one = arm_mean(estimates(van_dyke.of_arms([arm]), method), about)
    reach = t.isf(0.025, one.freedom) * one.std_error
    values = (one.estimate, one.std_error, one.freedom, one.estimate - reach, one.estimate + reach)
    assert [is_printed(value, printed) for value, printed in zip(values, ARMS[about, method, arm], strict=True)] == [True] * 5, values
    slope = 1 / (one.estimate * (1 - one.estimate))
    for end, direction in ((one.low, -1), (one.high, 1)):
        assert logit(end) == pytest.approx(logit(one.estimate) + direction * reach * slope, abs=1e-9)


def leave_out_each_case(ratings: Ratings) -> np.ndarray:
    """The jackknife by its definition, with scikit-learn's AUROC."""
    arms, readers, n = ratings.values.shape
    left = np.array(
        [
            [roc_auc_score(np.delete(ratings.positive, k), np.delete(ratings.values[i, j], k)) for k in range(n)]
            for i, j in product(range(arms), range(readers))
        ]
    )
    apart = left - left.mean(axis=1, keepdims=True)
    return ((n - 1) / n * apart @ apart.T).reshape(arms, readers, arms, readers)


def structural_components(ratings: Ratings) -> np.ndarray:
    """DeLong's covariances by their definition, in plain loops over pairs of cases."""
    arms, readers, _ = ratings.values.shape
    rows = [ratings.values[i, j] for i, j in product(range(arms), range(readers))]

    def psi(row, i, j):
        return float(row[i] > row[j]) + 0.5 * float(row[i] == row[j])

    positives, negatives = np.flatnonzero(ratings.positive), np.flatnonzero(~ratings.positive)
    v10 = [[np.mean([psi(row, i, j) for j in negatives]) for i in positives] for row in rows]
    v01 = [[np.mean([psi(row, i, j) for i in positives]) for j in negatives] for row in rows]
    return (np.cov(v10) / len(positives) + np.cov(v01) / len(negatives)).reshape(arms, readers, arms, readers)


@pytest.mark.parametrize(("method", "by_definition"), [("delong", structural_components), ("jackknife", leave_out_each_case)])
def test_covariances_are_those_of_a_plain_loop(method, by_definition):
    ratings = drawn_ratings(n_arms=3, n_cases=24)
    np.testing.assert_allclose(estimates(ratings, method).covariance, by_definition(ratings), atol=1e-12)


def test_unbiased_covariances_have_the_variance_of_aurocs_as_their_mean():
    """DeLong's are larger on average; 2,000 draws of 20 cases, where that shows."""
    found, aurocs = {"delong": [], "unbiased": []}, []
    for seed in range(2_000):
        ratings = drawn_ratings(n_arms=2, n_readers=1, n_cases=20, seed=seed)
        for method, values in found.items():
            one = estimates(ratings, method)
            values.append(one.covariance[0, 0, 0, 0])
        aurocs.append(one.auroc[0, 0])
    true, error = np.var(aurocs), np.std(np.square(np.array(aurocs) - np.mean(aurocs))) / np.sqrt(len(aurocs))
    assert abs(np.mean(found["unbiased"]) - true) < 3 * error
    assert np.mean(found["delong"]) > np.mean(found["unbiased"])


def test_components_are_the_means_of_their_kind():
    """Each of the four kinds of covariance, averaged in plain loops."""
    found = estimates(drawn_ratings(n_arms=3, n_readers=4))
    kinds: dict[tuple[bool, bool], list[float]] = {}
    for i, j, h, k in np.ndindex(found.covariance.shape):
        kinds.setdefault((i == h, j == k), []).append(found.covariance[i, j, h, k])
    expected = [np.mean(kinds[kind]) for kind in ((True, True), (False, True), (True, False), (False, False))]
    np.testing.assert_allclose(components(found), expected, atol=1e-15)


def test_fixed_readers_have_the_variance_of_the_mean_difference():
    """Where Cov2 is at least Cov3, the formula is the variance of the readers' mean difference from all covariances."""
    found = estimates(drawn_ratings(n_readers=4, n_cases=60))
    parts, signs = components(found), np.array([[1.0], [-1.0]]) / 4 * np.ones((2, 4))
    assert parts.cov2 > parts.cov3
    variance = np.einsum("ij,ijhk,hk", signs, found.covariance, signs)
    assert difference(found, About.CASES).std_error == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_mean_squares_are_those_of_an_analysis_of_variance():
    """Sums of squares add up to the whole, whatever the numbers of arms and readers."""
    auroc = np.random.default_rng(1).random((3, 5))
    found = mean_squares(auroc)
    total = 2 * found.arms + 4 * found.readers + 8 * found.interaction
    assert total == pytest.approx(np.square(auroc - auroc.mean()).sum())


def residuals(design: np.ndarray, values: np.ndarray) -> float:
    """The residual sum of squares of a linear model."""
    return float(np.square(values - design @ np.linalg.lstsq(design, values, rcond=None)[0]).sum())


def test_the_test_of_three_arms_on_these_cases_is_that_of_two_nested_linear_models():
    """F of the arms against arms by readers, by least squares with and without the arms."""
    found = estimates(drawn_ratings(n_arms=3, n_readers=4))
    arm, reader = np.repeat(np.eye(3), 4, axis=0), np.tile(np.eye(4), (3, 1))
    values = found.auroc.ravel()
    whole, without = residuals(np.hstack([arm, reader]), values), residuals(reader, values)
    test = overall(found, About.READERS)
    assert (test.numerator_freedom, test.freedom) == (2, 6)
    assert test.statistic == pytest.approx(((without - whole) / 2) / (whole / 6))


def test_the_test_of_three_arms_of_these_readers_is_walds_where_all_arms_are_equally_alike():
    """Chi-squared of the arms' means with their whole covariance, which has two values: of an arm, and of two arms."""
    found = estimates(drawn_ratings(n_arms=3, n_readers=4, n_cases=60))
    parts, means = components(found), found.auroc.mean(axis=1)
    assert parts.cov2 > parts.cov3
    own, other = (parts.variance + 3 * parts.cov2) / 4, (parts.cov1 + 3 * parts.cov3) / 4
    contrast = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    apart = contrast @ means
    wald = apart @ np.linalg.solve(contrast @ (other + (own - other) * np.eye(3)) @ contrast.T, apart)
    test = overall(found, About.CASES)
    assert 2 * test.statistic == pytest.approx(wald)
    assert test.p_value == pytest.approx(chi2.sf(wald, 2))


@pytest.mark.parametrize("about", [About.READERS_AND_CASES, About.READERS])
def test_one_reader_shows_nothing_about_other_readers(about):
    found = estimates(drawn_ratings(n_readers=1))
    for one in (difference(found, about), arm_mean(found.of_arms([0]), about)):
        assert one.reason == ONE_READER
        assert np.isfinite(one.estimate)
        assert np.isnan([one.low, one.high, one.std_error, one.freedom, one.p_value]).all()
    assert overall(found, about).reason == ONE_READER


def test_one_reader_on_other_cases_is_delongs_paired_test():
    found = estimates(drawn_ratings(n_readers=1))
    variance = found.covariance[0, 0, 0, 0] + found.covariance[1, 0, 1, 0] - 2 * found.covariance[0, 0, 1, 0]
    assert difference(found, About.CASES).std_error == pytest.approx(np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("about", About)
def test_readers_without_an_error_leave_no_chance_to_estimate(about):
    whole = drawn_ratings()
    perfect = Ratings(whole.arms, whole.readers, whole.cases, np.broadcast_to(whole.positive * 1.0, whole.values.shape), whole.positive)
    one = difference(estimates(perfect), about)
    assert (one.estimate, one.reason) == (0, NO_SPREAD)
    assert np.isnan(one.low)


def test_too_few_cases_of_a_class_are_said():
    whole = drawn_ratings()
    few = Ratings(whole.arms, whole.readers, whole.cases, whole.values, np.arange(40) < 4)
    one = difference(estimates(few), About.READERS_AND_CASES)
    assert one.reason == "fewer than 5 positives"
    assert np.isnan(one.estimate)


@pytest.mark.parametrize("about", About)
def test_an_arms_interval_stays_between_0_and_1(about):
    """The published interval of these readers reaches past 1."""
    whole = drawn_ratings(n_readers=3, n_cases=40)
    nearly = np.broadcast_to(whole.positive * 1.0, whole.values.shape).copy()
    nearly[:, 0, :6] = 0.5
    one = arm_mean(estimates(Ratings(whole.arms, whole.readers, whole.cases, nearly, whole.positive)).of_arms([0]), about)
    assert one.estimate + 1.96 * one.std_error > 1
    assert 0.5 < one.low < one.estimate < one.high < 1


def test_readers_who_differ_equally_in_both_arms_leave_the_cases_chance():
    """MS(TR) is 0: the degrees of freedom are infinite, and the interval is the cases' alone."""
    found = estimates(drawn_ratings(n_readers=2, n_cases=60))
    shifted = found.auroc.copy()
    shifted[1] = shifted[0] - 0.1
    one = difference(type(found)(shifted, found.covariance, ""), About.READERS_AND_CASES)
    parts = components(found)
    assert one.freedom > 1e20 or np.isinf(one.freedom)
    assert one.std_error == pytest.approx(np.sqrt(2 * (parts.cov2 - parts.cov3)))
