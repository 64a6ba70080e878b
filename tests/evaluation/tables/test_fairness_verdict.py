import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.verdict import verdicts
from dpmed_core.evaluation.statistics.multiplicity import holm, max_t
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED, verdict_rows
from tests.scored import cost_table, evaluation_tables, gap_table, size_loss_table, subgroup_table, verdict_table

TWO_EACH = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}


@pytest.fixture
def same_scores(make_scored):
    """Two training runs with and two without privacy, all with the same scores, and 600 patients."""
    scored = make_scored(TWO_EACH, n_patients=600, skill=2.0)
    scored["score"] = scored.groupby(["case_id", "finding"])["score"].transform("first")
    return scored


def spoil(scored, who, *, share=1.0):
    """Private scores of `who` become noise, in that share of images."""
    rng = np.random.default_rng(1)
    private = scored["epsilon"].notna() & who & (rng.random(len(scored)) < share)
    scored.loc[private, "score"] = rng.normal(size=private.sum())
    return scored


def test_holm_is_statsmodels():
    p = np.random.default_rng(0).random(40) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)
    with_gap = np.insert(p, 7, np.nan)
    assert np.isnan(holm(with_gap)[7]) and np.delete(holm(with_gap), 7) == pytest.approx(holm(p))


def test_max_t_of_independent_tests_is_sidaks_and_of_one_test_repeated_is_that_test():
    p = np.array([0.001, 0.01, 0.04, 0.3])
    adjusted, single = max_t(p, np.eye(4))
    assert adjusted == pytest.approx(1 - (1 - p) ** 4, rel=0.08, abs=0.001) and single == pytest.approx(1 - 0.95 ** (1 / 4), rel=0.08)
    adjusted, single = max_t(p, np.ones((4, 4)))
    assert adjusted == pytest.approx(p, rel=0.1) and single == pytest.approx(0.05, rel=0.05)


def test_runs_with_equal_scores_are_not_widened(same_scores):
    table = verdict_table(same_scores, ["sex", "age"], margin=0.05)
    judged = table[table["reason"] == ""]
    assert len(judged) > 8 and set(judged["verdict"]) == {NOT_WIDENED} and (judged["excess"] == 0).all()


def test_a_group_that_alone_loses_is_widened_and_its_loss_is_that_of_the_cost_table(same_scores):
    scored = spoil(same_scores, same_scores["sex"] == "female")
    table = verdict_table(scored, ["sex"], margin=0.05)
    women = table[table["subgroup"] == "female"]
    assert set(women["verdict"]) == {WIDENED} and not women["within_margin"].any()
    assert (women["excess_low"] > 0).all() and (women["p_adjusted"] < 0.05).all() and (women["p_adjusted"] >= women["p_value"]).all()
    men = table[table["subgroup"] == "male"].set_index("finding")
    assert men["excess"].to_numpy() == pytest.approx(-women.set_index("finding")["excess"].loc[men.index].to_numpy())
    costs = cost_table(scored, ["sex"]).set_index(["subgroup", "finding"])["difference"]
    for row in women.itertuples():
        assert row.loss == pytest.approx(-costs["female", row.finding]) and row.excess == pytest.approx(row.loss - row.loss_others)


def test_the_detectable_change_does_not_depend_on_the_observed_one(same_scores):
    """Losing in women or in men: the standard errors are alike, so are the detectable changes, though one excess is above 0."""
    table = verdict_table(spoil(same_scores, same_scores["sex"] == "female", share=0.3), ["sex"], margin=0.05)
    pairs = table[table["finding"] == "mass"].set_index("subgroup")
    # The limits of one side are not quite those of the other.
    assert pairs.loc["female", "detectable"] == pytest.approx(pairs.loc["male", "detectable"], rel=0.01)
    assert pairs.loc["female", "excess"] == pytest.approx(-pairs.loc["male", "excess"])


def test_a_budget_that_was_not_planned_changes_no_planned_verdict(make_scored):
    runs = {"reference0": np.nan, "reference1": np.nan} | {f"private{e:g}-{seed}": e for e in (1.0, 8.0, 2.0) for seed in range(2)}
    scored = make_scored(runs, n_patients=300)
    planned = scored[scored["epsilon"].isna() | scored["epsilon"].isin([1.0, 8.0])]
    both, alone = (
        verdict_rows(evaluation_tables(s, ["sex"]).auroc.measured, ["sex"], margin=0.05, epsilons=(1.0, 8.0)) for s in (scored, planned)
    )
    pd.testing.assert_frame_equal(both[both["epsilon"] != 2.0].reset_index(drop=True), alone.reset_index(drop=True))
    other = both[both["epsilon"] == 2.0]
    assert set(other["n_comparisons"]) == {3 * len(other)} and set(alone["n_comparisons"]) == {len(alone)}


def test_more_budgets_judged_together_make_every_p_value_larger(make_scored):
    runs = {"reference0": np.nan, "reference1": np.nan} | {f"private{e:g}-{seed}": e for e in (1.0, 8.0) for seed in range(2)}
    measured = evaluation_tables(make_scored(runs, n_patients=300), ["sex"]).auroc.measured
    nine, one = verdict_rows(measured, ["sex"], margin=0.05), verdict_rows(measured, ["sex"], margin=0.05, epsilons=(1.0,))
    at_one = [table[table["epsilon"] == 1.0].reset_index(drop=True) for table in (nine, one)]
    assert (at_one[0]["n_comparisons"] == 2 * at_one[1]["n_comparisons"]).all()
    assert (at_one[0]["p_adjusted"] >= at_one[1]["p_adjusted"]).all()


def test_no_detectable_change_is_larger_than_a_fall_to_chance(make_scored):
    """Ten patients of each sex: a change of more than the AUROC's distance from 0.5 is no loss that privacy can cause."""
    table = verdict_table(make_scored(TWO_EACH, n_patients=60), ["sex", "age"], margin=0.05)
    judged = table[table["reason"] == ""]
    assert judged["detectable"].isna().any() and (judged["detectable"].dropna() < 0.5).all()
    assert judged["excess_low"].ge(-1).all() and judged["excess_high"].le(1).all()


def test_one_training_run_is_never_enough(same_scores):
    scored = spoil(same_scores, same_scores["sex"] == "female")
    table = verdict_table(scored[scored["run_id"].isin(["reference0", "private0"])], ["sex"], margin=0.05)
    assert set(table["verdict"]) == {NOT_ENOUGH} and table[["p_value", "detectable"]].isna().all().all()
    assert table["reason"].str.contains("one training run").all()


def test_what_is_not_estimable_has_a_reason_and_is_never_zero(make_scored):
    """A group of one class, an empty one, one of three cases, one of unknown labels, and Pearson's r of two groups."""
    scored = make_scored(TWO_EACH, n_patients=300)
    patient = scored["patient_id"].str[1:].astype(int)
    scored["sex"] = np.select([patient % 4 == 0, patient < 3, patient % 4 == 1], ["female", "other", "male"], default="unknown")
    scored.loc[scored["sex"] == "female", "label"] = 0.0
    scored.loc[scored["sex"] == "male", "label"] = np.nan
    table = verdict_table(scored, ["sex"], margin=0.05)
    assert set(table["subgroup"]) == {"female", "male", "other"} and set(table["verdict"]) == {NOT_ESTIMABLE}
    assert table[["loss", "excess", "excess_low", "p_adjusted", "detectable"]].isna().all().all() and (table["reason"] != "").all()
    costs = cost_table(scored, ["sex"])
    assert costs.loc[costs["subgroup"].isin(["female", "male", "other"]), "difference"].isna().all()
    correlation = size_loss_table(scored, ["sex"])
    assert correlation["pearson_r"].isna().all() and correlation["reason"].str.contains("fewer than 5").all()


def test_nothing_is_called_widened_when_all_lose_alike_and_a_real_loss_is_found():
    """40 cohorts each of the simulation that docs/STATISTICS.md reports in full: at most 5 % false, so above 6 of 40 is a defect."""
    alike = [verdicts(np.random.default_rng([1, n]), n_seeds=3, auroc=0.95, loss=0.2, extra=0.0, shift_sd=0.0) for n in range(40)]
    assert sum((table["verdict"] == WIDENED).any() for table in alike) <= 6
    women = [verdicts(np.random.default_rng([2, n]), n_seeds=3, auroc=0.85, loss=0.02, extra=0.2, shift_sd=0.0) for n in range(10)]
    assert sum((table.loc[table["subgroup"] == "female", "verdict"] == WIDENED).any() for table in women) >= 8


def test_the_mean_over_findings_compares_subgroups_on_the_same_findings(make_scored):
    """Nodule is not estimable in men, and for everybody it is: men have no mean over findings, and nobody is compared by it."""
    scored = make_scored(TWO_EACH, n_patients=400)
    scored.loc[(scored["sex"] == "male") & (scored["finding"] == "nodule"), "label"] = 0.0
    scored.loc[scored["sex"] == "unknown", "label"] = np.nan
    gaps = gap_table(scored, ["sex"]).set_index(["run_id", "finding"])
    for run in TWO_EACH:
        assert np.isnan(gaps.loc[(run, "macro"), "gap"]) and gaps.loc[(run, "macro"), "reason"]
        assert gaps.loc[(run, "mass"), "gap"] > 0
    table = verdict_table(scored, ["sex"], margin=0.05, findings=["mass", "macro"]).set_index(["subgroup", "finding"])
    assert table.loc[("male", "macro"), "reason"] == "1 of the 2 findings of the mean not estimable"
    assert np.isnan(table.loc[("female", "macro"), "excess"]) and not np.isnan(table.loc[("female", "mass"), "excess"])
    subgroups = subgroup_table(scored, ["sex"]).set_index(["run_id", "subgroup", "finding"])
    men, women = (subgroups.loc[("reference0", sex, "macro")] for sex in ("male", "female"))
    assert (men["n_findings"], women["n_findings"]) == (2, 2)
    assert np.isnan(men["auroc"]) and men["reason"] == "1 of the 2 findings of the mean not estimable" and women["auroc"] > 0.5


def test_a_mean_over_one_estimable_finding_is_that_finding_in_value_interval_and_counts(make_scored):
    scored = make_scored(TWO_EACH, n_patients=200)
    scored.loc[(scored["finding"] == "nodule") & (scored["label"] == 1.0), "label"] = np.nan
    table = subgroup_table(scored, ["sex"]).set_index(["run_id", "subgroup", "finding"])
    numbers = ["auroc", "auroc_low", "auroc_high", "freedom", "n_cases", "n_positive", "n_patients", "n_effective", "n_findings"]
    for run, sex in ((run, sex) for run in TWO_EACH for sex in ("female", "male")):
        macro, mass = (table.loc[(run, sex, finding), numbers].astype(float) for finding in ("macro", "mass"))
        np.testing.assert_allclose(macro, mass, rtol=1e-12)
