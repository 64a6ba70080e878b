"""Reader against models: the numbers are scikit-learn's, statsmodels' and DeLong's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, recall_score, roc_auc_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.cases.case_scores import case_scores
from dpmed_core.reader_study.agreement import agreement
from dpmed_core.reader_study.reader_vs_model import PRIVATE, READER, WITHOUT, Rater, model_raters, pair_table, rater_table, reader_rater
from tests.scored import panels_of


@pytest.fixture
def cases():
    """Sixty cases, a careful reader with ties, and two models."""
    rng = np.random.default_rng(4)
    labels = (rng.random(60) < 0.5).astype(float)
    present = np.where(rng.random(60) < 0.8, labels, 1 - labels).astype(bool)
    answers = pd.DataFrame({"present": present, "confidence": rng.integers(1, 5, 60)})
    private, without = (labels + rng.normal(scale=spread, size=60) for spread in (1.2, 0.6))
    return labels, {READER: reader_rater(answers), PRIVATE: Rater(private, private > 0.5), WITHOUT: Rater(without, without > 0.5)}


@pytest.mark.parametrize("seed", range(6))
def test_kappa_and_its_interval_are_statsmodels(seed):
    rng = np.random.default_rng(seed)
    first = rng.random(40) < 0.4
    second = np.where(rng.random(40) < 0.7, first, rng.random(40) < 0.5)
    found = agreement(first, second)
    table = np.array([[np.sum((first == a) & (second == b)) for b in (False, True)] for a in (False, True)])
    known = cohens_kappa(table)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert (found.kappa, found.low, found.high) == pytest.approx((known.kappa, known.kappa_low, min(1, known.kappa_upp)))
    assert found.share == pytest.approx((first == second).mean())


def test_raters_who_always_say_the_same_have_no_kappa():
    always = np.ones(12, dtype=bool)
    assert agreement(always, always).share == 1 and np.isnan(agreement(always, always).kappa)
    perfect = np.array([True, False] * 6)
    assert agreement(perfect, perfect)[1:] == pytest.approx((1, 1, 1))


def test_each_rater_has_the_auroc_sensitivity_and_specificity_of_the_cases_read(cases):
    labels, raters = cases
    table = rater_table(raters, labels).set_index("rater")
    for name, rater in raters.items():
        row = table.loc[name]
        assert row["auroc"] == pytest.approx(roc_auc_score(labels, rater.score))
        assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
        assert row["sensitivity"] == pytest.approx(recall_score(labels, rater.positive))
        assert row["specificity"] == pytest.approx(recall_score(labels, rater.positive, pos_label=0))
        hits, n = int((rater.positive & (labels == 1)).sum()), int(labels.sum())
        assert (row["sensitivity_low"], row["sensitivity_high"]) == pytest.approx(proportion_confint(hits, n, method="beta"))
    assert (table["n_positive"] + table["n_negative"] == 60).all()


def test_pairs_are_compared_on_the_same_cases(cases):
    labels, raters = cases
    table = pair_table(raters, labels)
    assert list(zip(table["first"], table["second"], strict=True)) == [(READER, PRIVATE), (READER, WITHOUT), (PRIVATE, WITHOUT)]
    row = table.iloc[2]
    expected = roc_auc_score(labels, raters[PRIVATE].score) - roc_auc_score(labels, raters[WITHOUT].score)
    assert row["difference"] == pytest.approx(expected) and row["difference_low"] < expected < row["difference_high"]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(raters[PRIVATE].positive, raters[WITHOUT].positive))


def test_too_few_of_one_class_have_no_auroc_and_a_reason(cases):
    _, raters = cases
    labels = np.zeros(60)
    labels[:2] = 1
    table = rater_table(raters, labels)
    assert table["auroc"].isna().all() and (table["reason"] == "fewer than 5 positives").all()
    assert pair_table(raters, labels)["difference"].isna().all() and pair_table(raters, labels)["kappa"].notna().all()


def test_confidence_ranks_the_readers_answers():
    answers = pd.DataFrame({"present": [True, True, False, False], "confidence": [4, 1, 1, 4]})
    assert list(reader_rater(answers).score) == [4, 1, -1, -4]


def test_models_are_judged_on_the_cases_read_in_the_readers_order(make_scored):
    scored = make_scored({"a": np.nan, "b": 2.0, "c": 2.0}, validation=True)
    test, validation = panels_of(scored), panels_of(scored, Part.VALIDATION)
    scores = case_scores(test, validation, recipe="probe", unit="patient")
    read = list(scored[scored["split"] == "test"]["case_id"].unique()[[7, 3, 11]])
    raters = model_raters(scores, read, finding="mass", epsilon=2.0)
    assert set(raters) == {PRIVATE, WITHOUT}
    for run, rater in (("a", raters[WITHOUT]), ("b", raters[PRIVATE])):
        own = scored[(scored["finding"] == "mass") & (scored["run_id"] == run)].set_index("case_id")["score"]
        assert rater.score == pytest.approx(own.loc[read].to_numpy())
    assert set(model_raters(scores, read, finding="mass", epsilon=None)) == {WITHOUT}


def test_the_model_beside_a_reader_is_one_training_whichever_others_there_are(make_scored):
    """A mean over three models would spend what three models spend together, under the epsilon of one."""
    scored = make_scored({"a": np.nan, "b": 2.0, "c": 2.0, "d": 2.0}, validation=True)
    more = scored.assign(seed=scored["seed"].map({0: 0, 1: 7, 2: 3, 3: 5}))
    fewer = more[more["run_id"].isin(["a", "c"])]
    read = list(scored[scored["split"] == "test"]["case_id"].unique()[:20])
    found = []
    for table in (more, fewer):
        scores = case_scores(panels_of(table), panels_of(table, Part.VALIDATION), recipe="probe", unit="patient")
        found.append(model_raters(scores, read, finding="mass", epsilon=2.0)[PRIVATE])
    assert (found[0].score == found[1].score).all() and (found[0].positive == found[1].positive).all()
    own = more[(more["run_id"] == "c") & (more["finding"] == "mass")].set_index("case_id").loc[read]
    assert own["seed"].eq(3).all() and found[0].score == pytest.approx(own["score"].to_numpy())
