"""Extreme cohorts: every table is made, and what is not estimable has a reason and counts."""

import numpy as np
import pytest

from tests.scored import (
    benefit_table,
    calibration_table,
    cost_table,
    disparity_table,
    gap_table,
    parity_table,
    rate_table,
    size_loss_table,
    subgroup_table,
    utility_means,
    utility_table,
    verdict_table,
)

RUNS = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}
BY = ["sex", "age", "copd", "sex*copd", "age:quartiles"]


def all_unknown(scored):
    return scored.assign(sex="unknown", copd=np.nan, age=np.nan)


def one_group(scored):
    return scored.assign(sex="female", copd=1.0)


def no_labels(scored):
    return scored.assign(label=np.nan)


def one_class(scored):
    return scored.assign(label=0.0)


def constant_scores(scored):
    return scored.assign(score=0.5)


def perfect_scores(scored):
    return scored.assign(score=scored["label"].fillna(0.5))


def three_cases(scored):
    return scored[scored["case_id"].isin(sorted(scored["case_id"].unique())[:3])]


def one_patient(scored):
    return scored.assign(patient_id="p0")


def one_finding_empty(scored):
    return scored.assign(label=scored["label"].where(scored["finding"] == "mass"))


MADE = [all_unknown, one_group, no_labels, one_class, constant_scores, perfect_scores, three_cases, one_patient, one_finding_empty]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_every_table_is_made(make_scored, make):
    scored = make(make_scored(RUNS, n_patients=200, validation=True))
    tables = {
        "auroc": subgroup_table(scored, BY),
        "gap": gap_table(scored, BY),
        "difference": cost_table(scored, BY),
        "excess": verdict_table(scored, BY, margin=0.05),
        "pearson_r": size_loss_table(scored, BY),
        "paper_parity_difference": parity_table(scored, BY),
        "equalized_odds_difference": disparity_table(scored, BY),
        "brier": calibration_table(scored, BY),
        "net_benefit": benefit_table(scored),
    }
    for name, table in tables.items():
        assert (table[name].notna() | (table["reason"] != "")).all(), name
    rates = rate_table(scored, BY)
    assert (rates["accuracy"].notna() | (rates["reason"] != "")).all()
    utility = utility_table(scored)
    assert (utility["auroc"].notna() == (utility["reason"] == "")).all() and utility["n_cases"].notna().all()
    assert set(utility_means(utility)["finding"]) == set(utility.loc[utility["reason"] == "", "finding"])


def test_perfect_and_constant_scores_have_the_intervals_they_deserve(make_scored):
    scored = make_scored({"one": 1.0}, n_patients=200)
    perfect = utility_table(perfect_scores(scored)).set_index("finding").loc["mass"]
    assert perfect["auroc"] == perfect["auroc_high"] == 1.0 and 0.85 < perfect["auroc_low"] < 1
    flat = utility_table(constant_scores(scored)).set_index("finding").loc["mass"]
    assert (flat["auroc"], flat["auroc_low"], flat["auroc_high"]) == (0.5, 0.5, 0.5)


def test_the_mean_of_perfect_runs_says_as_little_as_each_of_them(make_scored):
    """Two runs of the same few positives, both perfect, do not narrow what those positives can tell."""
    scored = make_scored({"private0": 1.0, "private1": 1.0}, n_patients=60)
    scored = scored.assign(patient_id=scored["case_id"])  # an image a patient
    rare = scored["case_id"].isin(sorted(scored["case_id"].unique())[:6])
    scored = scored.assign(label=rare.astype(float), score=rare.astype(float))
    each, mean = (table.query("finding == 'mass'").iloc[0] for table in (utility_table(scored), utility_means(utility_table(scored))))
    assert each["auroc"] == mean["auroc"] == 1.0
    assert mean["auroc_low"] == pytest.approx(each["auroc_low"], abs=1e-12) == pytest.approx(0.025 ** (1 / 6), abs=1e-12)
