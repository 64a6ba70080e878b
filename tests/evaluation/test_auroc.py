import math

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from dpmed_core.evaluation.auroc import SMALLEST_CLASS, auroc, interval, mean_auroc


def draw(n_patients, *, films=1, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, films + 1, n_patients))
    labels = (rng.random(len(patients)) < 0.4).astype(float)
    scores = np.round(labels + rng.normal(size=len(patients)) + rng.normal(size=n_patients)[patients], decimals)
    return scores, labels, patients


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_the_value_is_scikit_learns_ties_included(decimals):
    scores, labels, patients = draw(300, films=4, decimals=decimals)
    value = auroc(scores, labels, patients, n_patients_all=300).value
    assert value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_with_one_film_each_the_error_is_delongs():
    """DeLong et al. 1988, equations by loops: S10 / m + S01 / n, up to the small-sample factors of the three variances."""
    scores, labels, patients = draw(80)
    positives, negatives = scores[labels == 1], scores[labels == 0]
    kernel = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in negatives] for x in positives])
    area, m, n = kernel.mean(), len(positives), len(negatives)
    s10 = sum((row.mean() - area) ** 2 for row in kernel) / m
    s01 = sum((column.mean() - area) ** 2 for column in kernel.T) / n
    expected = math.sqrt(80 / 79 * (s10 / m + s01 / n))
    assert auroc(scores, labels, patients, n_patients_all=80).standard_error == pytest.approx(expected, rel=1e-12)


def test_with_several_films_each_the_error_is_obuchowskis():
    """Obuchowski 1997, equations 3 to 8 by loops over patients: her three sums, with one factor I / (I - 1)."""
    scores, labels, patients = draw(60, films=5, seed=3)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    m, n = len(positives), len(negatives)

    def psi(x, y):
        return 1.0 if x > y else 0.5 if x == y else 0.0

    v10 = {i: sum(psi(scores[i], scores[j]) for j in negatives) / n for i in positives}
    v01 = {j: sum(psi(scores[i], scores[j]) for i in positives) / m for j in negatives}
    area = sum(v10.values()) / m
    s10 = s01 = s11 = 0.0
    for patient in range(60):
        a = sum(v10[i] - area for i in positives if patients[i] == patient)
        b = sum(v01[j] - area for j in negatives if patients[j] == patient)
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    variance = 60 / 59 * (s10 / m**2 + s01 / n**2 + 2 * s11 / (m * n))
    assert auroc(scores, labels, patients, n_patients_all=60).standard_error == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_the_interval_of_clustered_films_covers_the_truth():
    """400 cohorts of patients with films alike: 95 % intervals hold the true AUROC in 95 % +- 7 standard errors of that share."""
    truth = auroc(*draw(60_000, films=4, seed=99, decimals=9), n_patients_all=60_000).value
    n_cohorts = 400
    covered = 0
    for seed in range(n_cohorts):
        result = auroc(*draw(80, films=4, seed=seed), n_patients_all=80)
        covered += result.low <= truth <= result.high
    assert abs(covered / n_cohorts - 0.95) < 7 * math.sqrt(0.95 * 0.05 / n_cohorts)


def test_the_interval_is_symmetric_on_the_logit_scale():
    low, high = interval(0.9, 0.02, 50)
    centre = math.log(0.9 / 0.1)
    reach = t.ppf(0.975, 49) * 0.02 / 0.09
    assert low == pytest.approx(1 / (1 + math.exp(-(centre - reach)))) and high == pytest.approx(1 / (1 + math.exp(-(centre + reach))))


def test_a_perfect_separation_has_an_interval_that_says_how_few_were_seen():
    scores, labels = np.arange(30.0), (np.arange(30) >= 15).astype(float)
    result = auroc(scores, labels, np.arange(30), n_patients_all=30)
    assert (result.value, result.low, result.high) == (1.0, pytest.approx(0.9), 1.0)
    assert auroc(-scores, labels, np.arange(30), n_patients_all=30).low == 0.0


def test_unknown_labels_are_left_out():
    scores, labels, patients = draw(100, films=3)
    hidden = np.random.default_rng(0).random(len(labels)) < 0.3
    result = auroc(scores, np.where(hidden, np.nan, labels), patients, n_patients_all=100)
    assert result.value == pytest.approx(roc_auc_score(labels[~hidden], scores[~hidden]), abs=1e-12)
    assert (result.n_cases, result.n_positive) == ((~hidden).sum(), labels[~hidden].sum())


@pytest.mark.parametrize(
    ("labels", "patients", "reason"),
    [
        ([0.0] * 40, range(40), "only one class"),
        ([np.nan] * 40, range(40), "no case"),
        ([1.0] * (SMALLEST_CLASS - 1) + [0.0] * 36, range(40), "fewer than 5 positives"),
        ([0.0] * (SMALLEST_CLASS - 1) + [1.0] * 36, range(40), "fewer than 5 negatives"),
        ([0.0, 1.0] * 20, [i % 8 for i in range(40)], "fewer than 10 patients"),
    ],
)
def test_too_little_is_not_estimable_and_says_why(labels, patients, reason):
    result = auroc(np.arange(40.0), np.array(labels), np.array(patients), n_patients_all=40)
    assert math.isnan(result.value) and reason in result.reason


def test_the_macro_error_counts_that_findings_share_their_patients():
    """Twice the same finding is no more certain than once; two independent ones are, by a factor of root two or so."""
    scores, labels, patients = draw(200, films=3)
    one = auroc(scores, labels, patients, n_patients_all=200)
    assert mean_auroc([one, one]).standard_error == pytest.approx(one.standard_error)
    other = auroc(*draw(200, films=3, seed=5), n_patients_all=200)
    both = mean_auroc([one, other])
    assert both.value == pytest.approx((one.value + other.value) / 2)
    assert both.standard_error < 0.9 * max(one.standard_error, other.standard_error)
