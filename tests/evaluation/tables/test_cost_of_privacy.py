import numpy as np
import pytest

from benchmarks.paired_cost import coverage
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.paired import paired_differences
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import INFERIOR, NON_INFERIOR, NOT_ENOUGH, non_inferiority
from tests.scored import cost_table, evaluation_tables, utility_table

ONE_EACH = {"reference0": np.nan, "private0": 1.0}
TWO_EACH = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}


def paired_delong(scored, finding):
    """Difference private minus reference and its standard error, DeLong et al. 1988 by loops, for one image a patient."""
    by_run = [
        scored[(scored["run_id"] == run) & (scored["finding"] == finding)].dropna(subset="label") for run in ("reference0", "private0")
    ]
    aurocs, v10, v01 = [], [], []
    for cases in by_run:
        positive, negative = (cases.loc[cases["label"] == label, "score"].to_numpy() for label in (1, 0))
        psi = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        aurocs.append(psi.mean())
        v10.append(psi.mean(axis=1))
        v01.append(psi.mean(axis=0))
    variance = np.var(v10[1] - v10[0], ddof=1) / len(v10[0]) + np.var(v01[1] - v01[0], ddof=1) / len(v01[0])
    return aurocs[1] - aurocs[0], np.sqrt(variance)


def test_with_one_image_each_the_arms_vary_together_as_delong_says(make_scored):
    """The variance of the difference, from each arm's own and their correlation, is that of DeLong's paired test."""
    scored = make_scored(ONE_EACH, n_patients=400).drop_duplicates(["run_id", "finding", "patient_id"])
    (pair,) = paired_differences(evaluation_tables(scored).auroc.measured[0])
    for index, finding in enumerate(pair.measured.findings[:-1]):
        difference, error = paired_delong(scored, finding)
        assert pair.values[index, 0] == pytest.approx(difference, abs=1e-12)
        errors = [np.sqrt(np.square(arm.influence[index]).sum()) for arm in (pair.private, pair.non_private)]
        together = errors[0] ** 2 + errors[1] ** 2 - 2 * pair.correlation[index, 0] * errors[0] * errors[1]
        assert together == pytest.approx(error**2, rel=1e-10)


def test_the_interval_is_where_its_p_value_is_five_percent(make_scored):
    """The two-sided p-value of a difference is the level at which 0 lies at the end of its interval."""
    (pair,) = paired_differences(evaluation_tables(make_scored(TWO_EACH)).auroc.measured[0])
    upper = pair.combination.upper_p()
    known = ~np.isnan(upper)
    low, high = pair.combination.limits(np.where(known, np.minimum(upper, 1 - upper), 0.025))
    touching = np.where(pair.combination.estimate > 0, low, high)[known]
    assert touching == pytest.approx(np.zeros(known.sum()), abs=1e-8)


def test_two_perfect_models_of_five_positives_differ_by_no_less_than_either_varies(make_scored):
    """0.000 (0.000 to 0.000) and "non-inferior" would claim what five positives cannot show; one AUROC of 1 alone says 0.478 to 1."""
    scored = make_scored(TWO_EACH, n_patients=60).drop_duplicates(["run_id", "finding", "patient_id"])
    positive = scored["patient_id"].isin(sorted(scored["patient_id"].unique())[:5])
    rng = np.random.default_rng(0)
    scored["label"] = positive.astype(float)
    scored["score"] = positive + 0.5 * rng.random(len(scored))
    row = cost_table(scored).set_index("finding").loc["mass"]
    assert (row["auroc"], row["auroc_reference"], row["difference"]) == (1, 1, 0)
    assert row["difference_low"] == pytest.approx(0.025 ** (1 / 5) - 1, abs=1e-6)
    assert row["p_value"] == 1 and row["verdict"] == NOT_ENOUGH


@pytest.mark.parametrize("kind", ["binormal", "skewed"])
def test_near_1_the_true_loss_is_rarely_beyond_the_interval(kind):
    """60 cohorts of the simulation that docs/STATISTICS.md reports in full: with 2.5 % beyond, more than 6 of 60 is a defect."""
    row = coverage(60, kind, n_patients=264, auroc=0.99, loss=0.03, n_seeds=1, sd=0.0)
    assert row["all coverage"] >= 54 / 60 and row["all non-inferior"] <= 6 / 60


def test_one_training_run_is_never_enough(make_scored):
    scored = make_scored(ONE_EACH, n_patients=400, skill=2.0)
    private = scored["run_id"] == "private0"
    scored.loc[private, "score"] = np.random.default_rng(0).random(private.sum())
    assert set(cost_table(scored, margin=0.05)["verdict"]) == {NOT_ENOUGH}


def test_the_difference_is_that_of_the_utility_table(make_scored):
    scored = make_scored(TWO_EACH)
    utility = utility_table(scored)
    for row in cost_table(scored).itertuples():
        means = utility[utility["finding"] == row.finding].groupby(utility["epsilon"].isna())["auroc"].mean()
        assert row.difference == pytest.approx(means[False] - means[True])
        assert row.covers == "patients and trainings" and (row.n_seeds, row.n_seeds_reference) == (2, 2)


def test_equal_scores_cost_nothing_and_are_non_inferior(make_scored):
    scored = make_scored(TWO_EACH)
    scored["score"] = scored.groupby(["case_id", "finding"])["score"].transform("first")
    table = cost_table(scored, ["sex"])
    estimable = table[table["reason"] == ""]
    assert (estimable["difference"] == 0).all() and (estimable["p_value"] == 1).all() and (estimable["verdict"] == NON_INFERIOR).all()
    assert set(table["covers"]) == {"patients and trainings"}
    assert set(cost_table(make_scored(ONE_EACH))["covers"]) == {"patients"}


def test_a_private_model_at_chance_is_inferior(make_scored):
    scored = make_scored({**TWO_EACH, "reference2": np.nan, "private2": 1.0}, n_patients=400, skill=2.0)
    private = scored["epsilon"].notna()
    scored.loc[private, "score"] = np.random.default_rng(0).random(private.sum())
    row = cost_table(scored, margin=0.05).set_index("finding").loc[MACRO]
    assert row["verdict"] == INFERIOR and row["difference_high"] < -0.05 and row["p_value"] < 0.001


def test_the_three_verdicts_follow_from_interval_and_margin():
    low, high = np.array([-0.01, -0.09, -0.05, np.nan]), np.array([0.03, -0.03, 0.01, np.nan])
    assert non_inferiority(low, high, 0.02).tolist() == [NON_INFERIOR, INFERIOR, NOT_ENOUGH, ""]


def test_references_are_reported_as_sampled_alike_and_as_conventional(make_scored):
    scored = make_scored({"reference0": np.nan, "image0": np.nan, "private0": 1.0})
    scored.loc[scored["run_id"] == "image0", "unit"] = "image"
    table = cost_table(scored)
    assert set(table["reference"]) == {SAMPLED_ALIKE, CONVENTIONAL}
    utility = utility_table(scored).set_index(["run_id", "finding"])["auroc"]
    for reference, run in ((SAMPLED_ALIKE, "reference0"), (CONVENTIONAL, "image0")):
        row = table[(table["reference"] == reference) & (table["finding"] == "mass")].iloc[0]
        assert row["auroc_reference"] == pytest.approx(utility[run, "mass"])


def test_runs_on_other_cases_are_not_paired(make_scored):
    scored = make_scored(ONE_EACH)
    elsewhere = (scored["run_id"] == "reference0") & (scored["case_id"] == scored["case_id"].iloc[0])
    assert cost_table(scored[~elsewhere]).empty and len(utility_table(scored[~elsewhere])) == 2 * 3


@pytest.mark.parametrize("margin", [0.0, -0.02, 0.5, float("nan")])
def test_a_margin_that_no_loss_can_have_is_refused(make_scored, margin):
    with pytest.raises(SpecError, match="margin"):
        cost_table(make_scored(ONE_EACH), margin=margin)
