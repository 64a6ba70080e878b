"""Errors per hundred, at own thresholds and at one for all, and predictive values at a chosen prevalence."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.predictive_values import predictive_values
from tests.scored import evaluation_tables

RUNS = {"r0": np.nan, "r1": np.nan, "p0": 1.0, "p1": 1.0}
THREE = ["", "_low", "_high"]


@pytest.fixture
def scored(make_scored):
    return make_scored(RUNS, n_patients=400, validation=True)


def test_errors_per_hundred_are_those_of_the_rates(scored):
    tables = evaluation_tables(scored, ["sex"])
    keys = ["epsilon", "attribute", "subgroup", "finding"]
    own = tables.practice.query("thresholds == 'own'").set_index(keys)
    rates = tables.rates.set_index(keys).loc[own.index]
    assert own["missed_per_100"].to_numpy() == pytest.approx(100 * rates["underdiagnosis"].to_numpy(), nan_ok=True)
    assert own["missed_per_100_high"].to_numpy() == pytest.approx(100 * (1 - rates["sensitivity_low"].to_numpy()), nan_ok=True)
    assert own["false_alarms_per_100"].to_numpy() == pytest.approx(100 * (1 - rates["specificity"].to_numpy()), nan_ok=True)
    assert own["false_alarms_per_100_low"].to_numpy() == pytest.approx(100 * (1 - rates["specificity_high"].to_numpy()), nan_ok=True)


def test_one_threshold_for_all_is_the_first_references_and_counts_by_pandas_agree(scored):
    tables = evaluation_tables(scored)
    common = tables.practice.query("thresholds == 'common' and finding == 'mass'")
    alone = evaluation_tables(scored[scored["run_id"] == "r0"]).rates.query("finding == 'mass'")
    assert set(common["threshold"]) == {alone["threshold"].iloc[0]}
    test = scored[(scored["split"] == "test") & (scored["finding"] == "mass")].dropna(subset="label")
    test = test.assign(called=test["score"] >= alone["threshold"].iloc[0], arm=test["epsilon"].fillna(0))
    for row in common.itertuples():
        images = test[test["arm"] == (0 if np.isnan(row.epsilon) else row.epsilon)]
        by_run = images[images["label"] == 1].groupby("run_id")["called"].mean()
        assert row.missed_per_100 == pytest.approx(100 * (1 - by_run).mean())
        assert row.missed_per_100_low < row.missed_per_100 < row.missed_per_100_high


def test_equal_scores_at_other_thresholds_differ_at_own_ones_only(scored):
    """Private models with the reference's test scores, whose validation scores gave them other thresholds."""
    same = scored.copy()
    for private, reference in (("p0", "r0"), ("p1", "r1")):
        test = same["split"] == "test"
        same.loc[(same["run_id"] == private) & test, "score"] = same.loc[(same["run_id"] == reference) & test, "score"].to_numpy()
        same.loc[(same["run_id"] == private) & ~test, "score"] += 0.7
    rows = evaluation_tables(same).practice_differences.query("finding == 'mass'").set_index("thresholds")
    assert rows.loc["own", "missed_per_100_more"] > 5
    assert rows.loc["common", ["missed_per_100_more", "false_alarms_per_100_more"]].to_list() == [0, 0]


def test_differences_are_private_minus_reference_with_their_paired_interval(scored):
    tables = evaluation_tables(scored, ["sex"])
    table = tables.practice.assign(arm=tables.practice["epsilon"].fillna(0))
    values = table.set_index(["thresholds", "attribute", "subgroup", "finding", "arm"])["missed_per_100"]
    for row in tables.practice_differences.itertuples():
        if np.isnan(row.missed_per_100_more):
            continue
        place = (row.thresholds, row.attribute, row.subgroup, row.finding)
        assert row.missed_per_100_more == pytest.approx(values[(*place, 1.0)] - values[(*place, 0.0)])
        assert row.missed_per_100_more_low < row.missed_per_100_more < row.missed_per_100_more_high


def test_predictive_values_follow_bayes_rule_and_at_the_cohorts_prevalence_are_the_observed_ones(scored):
    one = scored[scored["run_id"] == "r0"]
    rates = evaluation_tables(one).rates.query("finding == 'mass'").iloc[0]
    rare = evaluation_tables(one).predictive_values(0.05).query("finding == 'mass'").iloc[0]
    s, c = rates["sensitivity"], rates["specificity"]
    assert rare["ppv_at_prevalence"] == pytest.approx(s * 0.05 / (s * 0.05 + (1 - c) * 0.95))
    assert rare["npv_at_prevalence"] == pytest.approx(c * 0.95 / (c * 0.95 + (1 - s) * 0.05))
    own = rates["n_positive"] / rates["n_cases"]
    there = evaluation_tables(one).predictive_values(own).query("finding == 'mass'").iloc[0]
    assert there["ppv_at_prevalence"] == pytest.approx(rates["ppv"]) and there["npv_at_prevalence"] == pytest.approx(rates["npv"])


def test_with_one_image_each_and_a_fixed_threshold_the_interval_is_mercaldos(make_scored):
    """Var(logit PPV) = (1 - s) / (s m) + c / ((1 - c) n), by the formula of Mercaldo, Lau & Zhou 2007; m - 1 where the jackknife has it."""
    scored = make_scored({"one": 1.0}, n_patients=1200, findings=("mass",), validation=True).dropna(subset="label")
    scored = scored.drop_duplicates("patient_id")
    held_out = scored["split"] == "validation"
    # Two validation scores, so that every resample gives the same threshold.
    scored.loc[held_out, "score"] = np.where(scored.loc[held_out, "label"] == 1, 0.5, 0.3)
    row = evaluation_tables(scored).predictive_values(0.1).query("finding == 'mass'").iloc[0]
    test = scored[~held_out]
    called, ill = test["score"] >= 0.4, test["label"] == 1
    s, c, m, n = called[ill].mean(), (~called[~ill]).mean(), ill.sum(), (~ill).sum()
    for name, p, first, second in (
        ("ppv", 0.1, (1 - s) / (s * (m - 1)), c / ((1 - c) * (n - 1))),
        ("npv", 0.9, (1 - c) / (c * (n - 1)), s / ((1 - s) * (m - 1))),
    ):
        value, low, high = (row[f"{name}_at_prevalence{end}"] for end in THREE)
        width = np.log(high / (1 - high)) - np.log(low / (1 - low))
        assert width == pytest.approx(2 * t.ppf(0.975, 1000) * np.sqrt(first + second), rel=0.02), (name, p, value)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_an_impossible_prevalence_is_refused(prevalence):
    with pytest.raises(SpecError, match="between 0 and 1"):
        predictive_values(prevalence)


def test_without_thresholds_there_are_no_numbers_and_a_reason(make_scored):
    table = evaluation_tables(make_scored(RUNS)).practice
    assert table["missed_per_100"].isna().all() and (table["reason"] != "").all()
    assert isinstance(table, pd.DataFrame) and len(table) == 2 * 2 * 3
