import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix

from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.statistics.calibration_error import calibration_error_floor, expected_calibration_error
from tests.scored import benefit_table, calibration_table, evaluation_tables


@pytest.fixture
def scored(make_scored):
    scored = make_scored({"one": 1.0}, n_patients=400)
    return scored.assign(score=1 / (1 + np.exp(-(scored["score"] - 1))))


def images(scored, finding="mass"):
    return scored[scored["finding"] == finding].dropna(subset="label")


def test_slope_intercept_and_brier_are_the_oracles(scored):
    row = calibration_table(scored).set_index("finding").loc["mass"]
    cases = images(scored)
    x = np.log(cases["score"] / (1 - cases["score"])).to_numpy()
    fit = sm.Logit(cases["label"].to_numpy(), sm.add_constant(x)).fit(disp=0)
    large = sm.GLM(cases["label"].to_numpy(), np.ones(len(x)), family=sm.families.Binomial(), offset=x).fit()
    assert row["slope"] == pytest.approx(fit.params[1], rel=1e-6) and row["intercept"] == pytest.approx(large.params[0], rel=1e-6)
    assert row["brier"] == pytest.approx(brier_score_loss(cases["label"], cases["score"]))
    patients = cases["patient_id"].to_numpy()
    clustered = sm.Logit(cases["label"].to_numpy(), sm.add_constant(x)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": np.unique(patients, return_inverse=True)[1]}
    )
    assert (row["slope_high"] - row["slope_low"]) / 2 / 1.96 == pytest.approx(clustered.bse[1], rel=0.06)


def test_the_calibration_error_is_the_mean_distance_over_equally_filled_bins():
    rng = np.random.default_rng(0)
    scores = rng.random(1000)
    labels = (rng.random(1000) < scores**2).astype(float)
    shares, means = calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    assert expected_calibration_error(scores, labels) == pytest.approx(np.abs(shares - means).mean(), rel=1e-6)


@pytest.mark.parametrize("n", [20, 40, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (0.3, 5), (5, 5)])
def test_the_floor_is_the_mean_error_of_labels_drawn_from_the_scores(n, shape):
    rng = np.random.default_rng([n, int(10 * shape[0])])
    scores = rng.beta(*shape, n)
    simulated = np.mean([expected_calibration_error(scores, (rng.random(n) < scores).astype(float)) for _ in range(1500)])
    assert calibration_error_floor(scores) == pytest.approx(simulated, rel=0.035)  # standard error of the simulation: about 1 %


def test_the_floor_stands_beside_the_error_in_tables_of_subgroups_and_of_bins(scored):
    table = calibration_table(scored, ["sex"]).set_index(["finding", "subgroup"])
    cases = images(scored)
    women = cases.loc[cases["sex"] == "female", "score"].to_numpy()
    assert table.loc[("mass", "female"), "ece_floor"] == pytest.approx(calibration_error_floor(women))
    assert table.loc[("mass", "female"), "ece_floor"] > table.loc[("mass", "all"), "ece_floor"] > 0
    bins = evaluation_tables(scored).reliability.query("finding == 'mass'")
    assert bins[["ece", "ece_floor"]].drop_duplicates().to_numpy() == pytest.approx(
        table.loc[[("mass", "all")], ["ece", "ece_floor"]].to_numpy()
    )


def test_a_well_calibrated_score_has_slope_one_and_intercept_zero_inside_its_intervals(make_scored):
    scored = make_scored({"one": 1.0}, n_patients=900)
    rng = np.random.default_rng(0)
    probability = rng.random(len(scored)) * 0.8 + 0.1
    scored = scored.assign(score=probability, label=(rng.random(len(scored)) < probability).astype(float))
    for row in calibration_table(scored).itertuples():
        assert row.slope_low < 1 < row.slope_high and row.intercept_low < 0 < row.intercept_high and row.ece < 0.1


def test_separated_classes_have_no_slope(make_scored):
    scored = make_scored({"one": 1.0})
    scored["score"] = np.where(scored["label"] == 1, 0.9, 0.1)
    assert calibration_table(scored)["slope"].isna().all()


def test_net_benefit_is_its_definition(scored):
    cases = images(scored)
    table = benefit_table(scored).set_index(["finding", "threshold"]).loc["mass"]
    for threshold in (0.1, 0.3, 0.6):
        _, fp, _, tp = confusion_matrix(cases["label"], cases["score"] >= threshold).ravel()
        odds, prevalence = threshold / (1 - threshold), (cases["label"] == 1).mean()
        row = table.loc[threshold]
        assert row["net_benefit"] == pytest.approx((tp - fp * odds) / len(cases))
        assert row["treat_all"] == pytest.approx(prevalence - (1 - prevalence) * odds)
        assert row["net_benefit_low"] < row["net_benefit"] < row["net_benefit_high"]


def test_with_one_image_each_the_net_benefit_has_the_error_of_a_mean():
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.3).astype(float)
    scores = rng.random(2000) * 0.5 + labels * 0.3
    facts = {**dict.fromkeys(RUN_COLUMNS, np.nan), "run_id": "one", "recipe": "probe", "unit": "patient", "epsilon": 1.0}
    names = [f"p{i:04d}" for i in range(2000)]
    cases = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "finding": "mass", "label": labels, "score": scores})
    row = benefit_table(cases.assign(**facts, age=50.0, sex="female")).set_index("threshold").loc[0.4]
    worth = np.where(labels == 1, 1.0, -0.4 / 0.6) * (scores >= 0.4)
    assert row["net_benefit"] == pytest.approx(worth.mean())
    width = row["net_benefit_high"] - row["net_benefit_low"]
    assert width / 2 / 1.96 == pytest.approx(worth.std(ddof=1) / np.sqrt(2000), rel=0.01)
