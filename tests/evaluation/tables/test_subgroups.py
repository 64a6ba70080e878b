import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.groups import subgroups
from dpmed_core.errors import CohortError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.reporting.wording.utility import utility_sentence
from tests.scored import gap_table, subgroup_table, utility_means, utility_table

RUNS = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}


def oracle(cases):
    known = cases[cases["label"].notna()]
    return roc_auc_score(known["label"], known["score"])


def test_every_row_is_scikit_learns_and_macro_is_their_mean(make_scored):
    scored = make_scored(RUNS)
    table = utility_table(scored)
    assert len(table) == 4 * 3
    for run_id, rows in table.groupby("run_id"):
        expected = {finding: oracle(cases) for finding, cases in scored[scored["run_id"] == run_id].groupby("finding")}
        expected[MACRO] = np.mean(list(expected.values()))
        for row in rows.itertuples():
            assert row.auroc == pytest.approx(expected[row.finding], abs=1e-12)
            assert row.auroc_low < row.auroc < row.auroc_high


def test_subgroups_are_scikit_learns_and_too_small_ones_have_a_reason(make_scored):
    scored = make_scored({"one": 1.0})
    table = subgroup_table(scored, ["sex", "age", "copd"])
    assert set(table["attribute"]) == {"sex", "age", "copd"}
    judged = 0
    for row in table[table["finding"] != MACRO].itertuples():
        cases = scored[(scored["finding"] == row.finding) & (subgroups(scored, row.attribute) == row.subgroup)]
        if row.reason:
            assert np.isnan(row.auroc)
        else:
            assert row.auroc == pytest.approx(oracle(cases), abs=1e-12)
            assert row.n_cases == cases["label"].notna().sum() and row.n_positive == (cases["label"] == 1).sum()
            judged += 1
    assert judged >= 12


def test_the_gap_is_largest_minus_smallest_and_leaves_out_the_unknown(make_scored):
    scored = make_scored({"one": 1.0})
    scored.loc[scored["sex"] == "unknown", "score"] = 0.0
    table, gaps = subgroup_table(scored, ["sex"]), gap_table(scored, ["sex"])
    for gap in gaps.itertuples():
        known = table[(table["finding"] == gap.finding) & (table["subgroup"] != "unknown")].set_index("subgroup")["auroc"]
        assert gap.gap == pytest.approx(known.max() - known.min())
        assert (gap.largest, gap.smallest) == (known.idxmax(), known.idxmin())
        assert gap.gap_low < gap.gap < gap.gap_high


def test_an_attribute_that_does_not_exist_is_refused(make_scored):
    with pytest.raises(CohortError, match="no attribute 'religion'"):
        subgroup_table(make_scored({"one": 1.0}), ["religion"])


def test_unknown_labels_are_left_out_and_counted_as_such(make_scored):
    scored = make_scored({"one": 1.0})
    row = utility_table(scored).set_index("finding").loc["mass"]
    mass = scored[scored["finding"] == "mass"]
    assert (row["n_cases"], row["n_positive"]) == (mass["label"].notna().sum(), (mass["label"] == 1).sum())
    assert row["n_cases"] < len(mass) and row["n_patients"] == mass.loc[mass["label"].notna(), "patient_id"].nunique()


def test_the_error_of_the_mean_over_findings_allows_for_shared_patients(make_scored):
    """The same finding under two names is no more certain than once; two that differ are."""
    scored = make_scored({"one": 1.0})
    mass = scored[scored["finding"] == "mass"]
    twice = utility_table(pd.concat([mass, mass.assign(finding="copy")], ignore_index=True)).set_index("finding")
    assert twice.loc[MACRO, "standard_error"] == pytest.approx(twice.loc["mass", "standard_error"])
    both = utility_table(scored).set_index("finding")["standard_error"]
    assert both[MACRO] < 0.9 * max(both["mass"], both["nodule"])


def test_two_attributes_together_make_groups(make_scored):
    scored = make_scored({"one": 1.0}, n_patients=400)
    table = subgroup_table(scored, ["sex*copd"]).set_index(["subgroup", "finding"])
    inside = (scored["sex"] == "female") & (scored["copd"] == 1) & (scored["finding"] == "mass")
    assert table.loc[("female, with", "mass"), "auroc"] == pytest.approx(oracle(scored[inside]), abs=1e-12)


def test_runs_on_other_cases_are_measured_on_theirs(make_scored):
    scored = make_scored({"one": 1.0, "two": 1.0})
    fewer = scored[(scored["run_id"] == "one") | (scored["patient_id"].str[1:].astype(int) < 60)]
    table = utility_table(fewer).set_index(["run_id", "finding"])
    for run, cases in fewer[fewer["finding"] == "mass"].groupby("run_id"):
        assert table.loc[(run, "mass"), "auroc"] == pytest.approx(oracle(cases), abs=1e-12)
    assert table.loc[("two", "mass"), "n_patients"] <= 60 < table.loc[("one", "mass"), "n_patients"]


def test_without_runs_tables_are_empty_with_all_columns(make_scored):
    empty = make_scored({"one": 1.0}).iloc[:0]
    assert utility_table(empty).empty and "auroc_low" in utility_table(empty)
    assert subgroup_table(empty, ["sex"]).empty and gap_table(empty, ["sex"]).empty


def test_means_over_training_runs_cover_patients_and_training(make_scored):
    table = utility_table(make_scored(RUNS))
    means = utility_means(table)
    assert len(means) == 2 * 3
    private = table[(table["epsilon"] == 1) & (table["finding"] == "mass")]
    mean = means[(means["epsilon"] == 1) & (means["finding"] == "mass")].iloc[0]
    assert mean["n_seeds"] == 2 and mean["auroc"] == pytest.approx(private["auroc"].mean())
    patients_alone = 1.9 * np.sqrt(np.square(private["standard_error"]).mean())
    assert mean["auroc_high"] - mean["auroc_low"] >= 2 * patients_alone
    assert mean["new_low"] < mean["auroc_low"] and mean["new_high"] > mean["auroc_high"]


def test_training_runs_that_differ_more_have_wider_intervals(make_scored):
    table = utility_table(make_scored(RUNS))
    apart = table.copy()
    apart.loc[apart["run_id"] == "private1", "auroc"] -= 0.2
    widths = [
        (m["auroc_high"] - m["auroc_low"])[(m["epsilon"] == 1) & (m["finding"] == "mass")].item()
        for m in (utility_means(table), utility_means(apart))
    ]
    assert widths[1] > 2 * widths[0]


def test_the_sentence_says_what_the_table_says(make_scored):
    means = utility_means(utility_table(make_scored(RUNS)))
    private = means[(means["epsilon"] == 1) & (means["finding"] == MACRO)].iloc[0]
    reference = means[means["epsilon"].isna() & (means["finding"] == MACRO)].iloc[0]
    sentence = utility_sentence(means, metric=AUROC, recipe="probe", unit="patient", finding=MACRO, epsilon=1.0)
    cost = abs(private["auroc"] - reference["auroc"])
    for number in (private["auroc"], private["auroc_low"], private["auroc_high"], reference["auroc"], cost):
        assert f"{number:.3f}" in sentence
    assert f"{private['n_cases']} test images of {private['n_patients']} patients" in sentence and "mean of 2 training runs" in sentence
    assert "cannot be judged" in utility_sentence(means, metric=AUROC, recipe="probe", unit="patient", finding=MACRO, epsilon=2.0)
    alone = means[means["epsilon"].notna()]
    assert "No model without privacy" in utility_sentence(alone, metric=AUROC, recipe="probe", unit="patient", finding=MACRO, epsilon=1.0)
