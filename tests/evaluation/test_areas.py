import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.evaluation.areas import Design, areas
from dpmed_core.evaluation.grouping import group_cases


def draw(n_patients, *, films=1, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, films + 1, n_patients))
    labels = (rng.random(len(patients)) < 0.4).astype(float)
    scores = np.round(labels + rng.normal(size=len(patients)) + rng.normal(size=n_patients)[patients], decimals)
    return scores, labels, patients


def area_and_influence(scores, labels, patients, cases=None, by=()):
    cases = pd.DataFrame(index=range(len(scores))) if cases is None else cases
    grouping = group_cases(cases, by, patients, n_patients=int(patients.max()) + 1)
    value, influence = areas(scores, Design.of(labels, grouping))
    return grouping, value, influence


def kernel(scores, labels):
    positives, negatives = scores[labels == 1], scores[labels == 0]
    return (positives[:, None] > negatives[None]) + 0.5 * (positives[:, None] == negatives[None])


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_every_subgroup_has_scikit_learns_value_ties_included(decimals, unknown):
    scores, labels, patients = draw(300, films=4, decimals=decimals)
    rng = np.random.default_rng(1)
    cases = pd.DataFrame({"sex": rng.choice(["female", "male", "unknown"], len(scores)), "age": rng.uniform(0, 99, len(scores))})
    labels[rng.random(len(labels)) < unknown] = np.nan
    grouping, value, _ = area_and_influence(scores, labels, patients, cases, ("sex", "age", "sex*age"))
    assert len(grouping.groups) == 1 + 3 + 5 + 11
    for block in grouping.blocks:
        for code in range(block.n_groups):
            inside = (block.codes == code) & ~np.isnan(labels)
            assert value[block.first + code] == pytest.approx(roc_auc_score(labels[inside], scores[inside]), abs=1e-12)


def test_with_one_film_each_the_variance_is_delongs():
    """DeLong et al. 1988 by loops: S10 / m + S01 / n, with their divisors m - 1 and n - 1."""
    scores, labels, patients = draw(80)
    psi = kernel(scores, labels)
    expected = psi.mean(axis=1).var(ddof=1) / psi.shape[0] + psi.mean(axis=0).var(ddof=1) / psi.shape[1]
    _, _, influence = area_and_influence(scores, labels, patients)
    assert np.square(influence).sum() == pytest.approx(expected, rel=1e-12)


def test_with_several_films_each_the_variance_is_obuchowskis_up_to_the_corrections_for_few_patients():
    """Obuchowski 1997, equations 3 to 8 by loops over patients; her I / (I - 1) and the jackknife agree where no patient weighs much."""
    scores, labels, patients = draw(400, films=5, seed=3)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    m, n, psi = len(positives), len(negatives), kernel(scores, labels)
    area, v10, v01 = psi.mean(), psi.mean(axis=1), psi.mean(axis=0)
    a = np.array([(v10[patients[positives] == p] - area).sum() for p in range(400)])
    b = np.array([(v01[patients[negatives] == p] - area).sum() for p in range(400)])
    i10, i01 = len(set(patients[positives])), len(set(patients[negatives]))
    s10, s01, s11 = i10 / ((i10 - 1) * m) * a @ a, i01 / ((i01 - 1) * n) * b @ b, 400 / 399 * a @ b
    obuchowski = s10 / m + s01 / n + 2 * s11 / (m * n)
    _, _, influence = area_and_influence(scores, labels, patients)
    assert np.square(influence).sum() == pytest.approx(obuchowski, rel=2e-2)


def test_the_influence_is_its_definition():
    """The formula in the module's head, by loops over few patients with many films, where leaving one out matters."""
    scores, labels, patients = draw(12, films=9, seed=4)
    psi = kernel(scores, labels)
    m, n = psi.shape
    area, v10, v01 = psi.mean(), psi.mean(axis=1), psi.mean(axis=0)
    i, j = len(set(patients[labels == 1])), len(set(patients[labels == 0]))
    expected = []
    for p in range(12):
        mine, other = patients[labels == 1] == p, patients[labels == 0] == p
        a, b = (v10[mine] - area).sum() / m, (v01[other] - area).sum() / n
        expected.append(a / (1 - mine.sum() / m) * math.sqrt((i - 1) / i) + b / (1 - other.sum() / n) * math.sqrt((j - 1) / j))
    _, _, influence = area_and_influence(scores, labels, patients)
    assert influence == pytest.approx(np.array(expected), rel=1e-12)


DELONG_1988 = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
"""Albumin, total protein, K-G score and label of 43 patients with ovarian cancer; SAS/STAT User's Guide, PROC LOGISTIC, example 8."""


def test_the_published_example_of_delong_1988_comes_out():
    """Areas, errors, contrasts with the K-G score and their joint chi-square, to the four digits printed there."""
    data = np.array(DELONG_1988.split(), dtype=float).reshape(-1, 4)
    labels, tests = data[:, 3], {"albumin": data[:, 0], "K-G": 10 - data[:, 2], "protein": data[:, 1]}
    measured = [area_and_influence(scores, labels, np.arange(43))[1:] for scores in tests.values()]
    value = np.array([v[0] for v, _ in measured])
    covariance = np.array([[a @ b for _, b in measured] for _, a in measured])
    assert value == pytest.approx([0.7366, 0.7258, 0.6478], abs=5e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.0927, 0.1028, 0.1000], abs=5.1e-5)
    contrast = np.array([[1, -1, 0], [0, -1, 1]])
    difference, spread = contrast @ value, contrast @ covariance @ contrast.T
    assert difference == pytest.approx([0.0108, -0.0780], abs=5e-5)
    assert np.sqrt(np.diag(spread)) == pytest.approx([0.0953, 0.1046], abs=5e-5)
    assert difference**2 / np.diag(spread) == pytest.approx([0.0127, 0.5554], abs=5.1e-5)
    assert difference @ np.linalg.solve(spread, difference) == pytest.approx(2.5340, abs=5e-5)
