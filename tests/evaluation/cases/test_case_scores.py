"""Scores and answers of single cases against loops over the table of scored cases."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.cases.case_answers import answers_of_case
from dpmed_core.evaluation.cases.case_scores import NEGATIVE, NO_ANSWER, POSITIVE, SPLIT, arm_answers, case_scores, trainings_of_case
from tests.scored import panels_of, rate_table

RUNS = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0, "private2": 8.0}


@pytest.fixture
def scored(make_scored):
    return make_scored(RUNS, validation=True)


@pytest.fixture
def scores(scored):
    return case_scores(panels_of(scored), panels_of(scored, Part.VALIDATION), recipe="probe", unit="patient")


def test_a_cases_scores_are_those_of_the_table(scored, scores):
    test = scored[scored["split"] == "test"].dropna(subset="label")
    for case_id in test["case_id"].unique()[::25]:
        found = trainings_of_case(scores, case_id).set_index(["run_id", "finding"])["score"]
        expected = test[test["case_id"] == case_id].set_index(["run_id", "finding"])["score"]
        pd.testing.assert_series_equal(found.loc[expected.index], expected)


def test_each_training_run_has_the_threshold_that_the_rates_use(scored, scores):
    rates = rate_table(scored[scored["run_id"].isin(["private2"])]).set_index("finding")
    trainings = trainings_of_case(scores, next(iter(scores.case_index)))
    for row in trainings[trainings["run_id"] == "private2"].itertuples():
        assert row.threshold == rates.loc[row.finding, "threshold"]
        assert row.positive == (row.score >= row.threshold)


def test_an_arm_answers_as_the_majority_of_its_training_runs(scores):
    arm = scores.private(1.0)
    answers = arm_answers(scores, arm)
    for finding_index in range(len(scores.panel.findings)):
        for case in range(0, len(scores.panel.cases), 7):
            said = [scores.panel.scores[run, finding_index, case] >= scores.thresholds[run, finding_index] for run in arm.runs]
            assert answers.n_positive[finding_index, case] == sum(said)
            assert answers.answer[finding_index, case] == {0: NEGATIVE, 1: SPLIT, 2: POSITIVE}[sum(said)]
            values = [scores.panel.scores[run, finding_index, case] for run in arm.runs]
            assert answers.score[finding_index, case] == pytest.approx(np.mean(values))
            assert answers.spread[finding_index, case] == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))


def test_one_training_run_has_no_spread(scores):
    assert np.isnan(arm_answers(scores, scores.private(8.0)).spread).all()


def test_without_validation_cases_there_is_no_answer(scored):
    scores = case_scores(panels_of(scored), [], recipe="probe", unit="patient")
    assert set(arm_answers(scores, scores.non_private).answer.ravel()) == {NO_ANSWER}
    assert trainings_of_case(scores, next(iter(scores.case_index)))["positive"].isna().all()


def test_too_few_validation_positives_give_no_threshold_for_that_finding_alone(scored):
    few = scored.copy()
    held = (few["split"] == "validation") & (few["finding"] == "mass")
    few.loc[held, "label"] = few.loc[held].groupby("run_id").cumcount().lt(4).astype(float)
    scores = case_scores(panels_of(few), panels_of(few, Part.VALIDATION), recipe="probe", unit="patient")
    missing = np.isnan(scores.thresholds).all(axis=0)
    assert missing.tolist() == [name == "mass" for name in scores.panel.findings]


def test_another_recipe_or_unit_has_no_scores_here(scored):
    assert case_scores(panels_of(scored), [], recipe="paper", unit="patient") is None
    assert case_scores(panels_of(scored), [], recipe="probe", unit="image") is None
    assert case_scores([], [], recipe="probe", unit="patient") is None


def test_the_table_of_a_case_holds_mean_range_and_counts(scores):
    case_id = next(iter(scores.case_index))
    trainings = trainings_of_case(scores, case_id)
    labels = pd.Series({"mass": 1.0, "nodule": np.nan})
    table = answers_of_case(trainings, labels, 1.0).set_index("finding")
    for finding in labels.index:
        of_finding = trainings[trainings["finding"] == finding]
        private = of_finding[of_finding["epsilon"] == 1.0]
        row = table.loc[finding]
        assert row["score"] == pytest.approx(private["score"].mean())
        assert (row["score_low"], row["score_high"]) == (private["score"].min(), private["score"].max())
        assert (row["n_positive"], row["n_trainings"]) == (private["positive"].sum(), 2)
        assert row["change"] == pytest.approx(private["score"].mean() - of_finding[of_finding["epsilon"].isna()]["score"].mean())
    assert table.loc["mass", "label"] == 1 and np.isnan(table.loc["nodule", "label"])


def test_without_private_runs_the_table_has_only_the_reference(scores):
    trainings = trainings_of_case(scores, next(iter(scores.case_index)))
    table = answers_of_case(trainings, pd.Series({"mass": 1.0, "nodule": 0.0}), None)
    assert table["score"].isna().all() and table["score_without"].notna().all() and table["change"].isna().all()
