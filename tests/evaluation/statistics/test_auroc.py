import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.statistics.auroc import auroc_by_group


def draw(n_patients, *, images=1, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, images + 1, n_patients))
    labels = (rng.random(len(patients)) < 0.4).astype(float)
    scores = np.round(labels + rng.normal(size=len(patients)) + rng.normal(size=n_patients)[patients], decimals)
    return scores, labels, patients


def auroc_and_influence(scores, labels, patients, cases=None, by=()):
    cases = pd.DataFrame(index=range(len(scores))) if cases is None else cases
    grouping = group_cases(cases, by, patients, n_patients=int(patients.max()) + 1)
    value, influence = auroc_by_group(scores, Design.of(labels, grouping))
    return grouping, value, influence


def kernel(scores, labels):
    positives, negatives = scores[labels == 1], scores[labels == 0]
    return (positives[:, None] > negatives[None]) + 0.5 * (positives[:, None] == negatives[None])


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_every_subgroup_has_scikit_learns_value_ties_included(decimals, unknown):
    scores, labels, patients = draw(300, images=4, decimals=decimals)
    rng = np.random.default_rng(1)
    cases = pd.DataFrame({"sex": rng.choice(["female", "male", "unknown"], len(scores)), "age": rng.uniform(0, 99, len(scores))})
    labels[rng.random(len(labels)) < unknown] = np.nan
    grouping, value, _ = auroc_and_influence(scores, labels, patients, cases, ("sex", "age", "sex*age"))
    assert len(grouping.groups) == 1 + 3 + 5 + 11
    for block in grouping.blocks:
        for code in range(block.n_groups):
            inside = (block.codes == code) & ~np.isnan(labels)
            assert value[block.first + code] == pytest.approx(roc_auc_score(labels[inside], scores[inside]), abs=1e-12)


def test_with_one_image_each_the_variance_is_delongs():
    """DeLong et al. 1988 by loops: S10 / m + S01 / n, with their divisors m - 1 and n - 1."""
    scores, labels, patients = draw(80)
    psi = kernel(scores, labels)
    expected = psi.mean(axis=1).var(ddof=1) / psi.shape[0] + psi.mean(axis=0).var(ddof=1) / psi.shape[1]
    _, _, influence = auroc_and_influence(scores, labels, patients)
    assert np.square(influence).sum() == pytest.approx(expected, rel=1e-12)


def test_with_several_images_each_the_variance_is_obuchowskis_up_to_the_corrections_for_few_patients():
    """Obuchowski 1997, equations 3 to 8 by loops over patients; her I / (I - 1) and the jackknife agree where no patient weighs much."""
    scores, labels, patients = draw(400, images=5, seed=3)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    m, n, psi = len(positives), len(negatives), kernel(scores, labels)
    area, v10, v01 = psi.mean(), psi.mean(axis=1), psi.mean(axis=0)
    a = np.array([(v10[patients[positives] == p] - area).sum() for p in range(400)])
    b = np.array([(v01[patients[negatives] == p] - area).sum() for p in range(400)])
    i10, i01 = len(set(patients[positives])), len(set(patients[negatives]))
    s10, s01, s11 = i10 / ((i10 - 1) * m) * a @ a, i01 / ((i01 - 1) * n) * b @ b, 400 / 399 * a @ b
    obuchowski = s10 / m + s01 / n + 2 * s11 / (m * n)
    _, _, influence = auroc_and_influence(scores, labels, patients)
    assert np.square(influence).sum() == pytest.approx(obuchowski, rel=2e-2)


def loss_without(scores, labels, patients, patient):
    """What scikit-learn's AUROC loses when a patient is left out with all images."""
    known = ~np.isnan(labels)
    kept = known & (patients != patient)
    return roc_auc_score(labels[known], scores[known]) - roc_auc_score(labels[kept], scores[kept])


@pytest.mark.parametrize("decimals", [0, 12])
def test_the_influence_is_what_the_auroc_loses_without_a_patient_also_of_both_classes(decimals):
    """Leaving each of few patients with many images out, by scikit-learn, in everybody and in subgroups that split a patient's images."""
    scores, labels, patients = draw(12, images=30, seed=4, decimals=decimals)
    rng = np.random.default_rng(5)
    cases = pd.DataFrame({"sex": rng.choice(["female", "male"], 12)[patients], "age": rng.uniform(30, 80, len(scores))})
    labels[rng.random(len(labels)) < 0.1] = np.nan
    grouping, _, influence = auroc_and_influence(scores, labels, patients, cases, ("sex", "age:50"))
    checked = 0
    for block in grouping.blocks:
        for code in range(block.n_groups):
            inside = (block.codes == code) & ~np.isnan(labels)
            cells = range(*grouping.cell_start[block.first + code : block.first + code + 2])
            positive, negative = (set(patients[inside & (labels == label)]) for label in (1, 0))
            for cell in cells:
                patient = grouping.cell_patient[cell]
                k = len(positive | negative) if patient in positive & negative else len(positive if patient in positive else negative)
                lost = loss_without(scores[inside], labels[inside], patients[inside], patient)
                assert influence[cell] == pytest.approx(lost * math.sqrt((k - 1) / k), abs=1e-12)
                checked += patient in positive & negative
    assert checked > 30


def test_the_variance_is_the_jackknifes_where_all_patients_have_images_of_both_classes():
    """(K - 1) / K times the sum over patients of (what is lost without the patient)^2, where pairs within patients are in order."""
    rng = np.random.default_rng(6)
    patients, labels = np.repeat(np.arange(10), 20), np.tile(np.repeat([1.0, 0.0], 10), 10)
    scores = labels + 2 * rng.normal(size=10)[patients] + 0.3 * rng.normal(size=200)
    expected = 0.9 * sum(loss_without(scores, labels, patients, p) ** 2 for p in range(10))
    _, _, influence = auroc_and_influence(scores, labels, patients)
    assert np.square(influence).sum() == pytest.approx(expected, rel=1e-12)
    # The sums of DeLong's components count these pairs twice: their variance is another, here by a fifth and more.
    m = n = 100
    psi = kernel(scores, labels)
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    positives, negatives = patients[labels == 1], patients[labels == 0]
    parts = [v10[positives == p].sum() / m + v01[negatives == p].sum() / n for p in range(10)]
    first_order = np.square((np.array(parts) - 2 * psi.mean() * 10 / m) / 0.9).sum() * 0.9
    assert abs(first_order / expected - 1) > 0.2


WFNS = """
3 2 4 5 5 5 5 2 5 2 1 2 5 4 4 2 5 5 5 2 5 2 5 2 4 5 4 4 1 4 4 2 2 5 5 2 2 5 5 5 5 1 1 1 1 5 1 2 2 1 2 2 1 1 1 2 1 2 1 1 3 4 1 4 1
5 5 1 1 2 4 1 1 2 2 1 2 1 2 2 1 1 1 1 2 1 2 1 1 3 2 4 2 1 4 1 1 5 4 2 2 1 1 1 3 1 2 2 4 4 1 1 1
"""
S100B = """
9 6 12 8 26 31 29 3 20 5 3 24 22 28 31 16 31 31 31 3 31 18 1 5 14 31 16 31 4 16 9 6 7 14 31 10 31 19 31 31 26 9 10 6 2 27 13 6 6 2
4 2 5 7 3 13 3 7 9 13 2 12 10 21 5 30 27 12 3 25 27 7 4 5 4 2 9 6 10 11 2 2 5 2 5 4 12 5 4 20 7 17 3 6 19 3 2 15 23 6 11 4 10 6 3
2 13 11 27 13 11 30 28
"""
"""Grade and ranks of protein S100b of 113 patients after a haemorrhage, the 41 with a poor outcome first: data set aSAH of
Robin et al. 2011 (doi 10.1186/1471-2105-12-77)."""


def test_the_example_of_the_proc_package_comes_out():
    """Variances, covariance and paired test of DeLong et al. 1988, as the R package pROC publishes them with its tests."""
    labels = np.repeat([1.0, 0.0], [41, 72])
    (_, wfns, grade), (_, s100b, protein) = (auroc_and_influence(np.array(t.split(), float), labels, np.arange(113)) for t in (WFNS, S100B))
    assert [wfns[0], s100b[0]] == pytest.approx([0.823678861788618, 0.731368563685637], rel=1e-12)
    assert [grade @ grade, protein @ protein] == pytest.approx([0.00146991470882363, 0.00266868245717244], rel=1e-12)
    assert grade @ protein == pytest.approx(0.00119615567376754, rel=1e-12)
    z = (wfns[0] - s100b[0]) / np.linalg.norm(grade - protein)
    assert z == pytest.approx(2.20898359144091, rel=1e-12)
    assert 2 * norm.sf(z) == pytest.approx(0.0271757822291882, rel=1e-12)
