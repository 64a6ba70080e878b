import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import confusion_matrix, roc_curve

from benchmarks.cohorts import Cohort, separation
from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Part
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.contrast import _contrast, contrasts
from dpmed_core.evaluation.metrics.measured import NO_THRESHOLD, measure
from dpmed_core.evaluation.metrics.parity import PAPER_PARITY
from dpmed_core.evaluation.metrics.rates import RATES, SENSITIVITY
from dpmed_core.evaluation.scores.operating_point import OperatingRule, patient_resamples, thresholds
from dpmed_core.evaluation.scores.panel_design import PanelDesign, rows_of_runs
from tests.scored import disparity_table, panels_of, parity_table, rate_table

RUNS = {"reference0": np.nan, "private0": 1.0}


@pytest.fixture
def scored(make_scored):
    return make_scored(RUNS, n_patients=500, validation=True)


def flagged(scored, table, epsilon, finding):
    """Known test images of one run and finding, with what the table's threshold calls them."""
    own = scored["epsilon"].isna() if np.isnan(epsilon) else scored["epsilon"] == epsilon
    images = scored[own & (scored["split"] == "test") & (scored["finding"] == finding)].dropna(subset="label")
    cut = table.loc[same_epsilon(table, epsilon) & (table["finding"] == finding), "threshold"].iloc[0]
    return images.assign(called=(images["score"] >= cut).astype(float))


def same_epsilon(table, epsilon):
    return table["epsilon"].isna() if np.isnan(epsilon) else table["epsilon"] == epsilon


def test_rates_are_those_of_the_confusion_matrix(scored):
    table = rate_table(scored, ["sex"])
    for row in table[(table["finding"] != "macro") & (table["reason"] == "")].itertuples():
        images = flagged(scored, table, row.epsilon, row.finding)
        if row.attribute != "all":
            images = images[subgroups(images, row.attribute) == row.subgroup]
        tn, fp, fn, tp = confusion_matrix(images["label"], images["called"]).ravel()
        expected = (tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn), (tp + tn) / len(images), (tp + fp) / len(images))
        got = (row.sensitivity, row.specificity, row.ppv, row.npv, row.accuracy, row.positive_rate)
        assert got == pytest.approx(expected) and row.underdiagnosis == pytest.approx(fn / (tp + fn))
        assert row.sensitivity_low < row.sensitivity < row.sensitivity_high


def test_the_macro_rate_is_the_mean_over_findings(scored):
    table = rate_table(scored)
    means = table[table["finding"] != "macro"].groupby("epsilon", dropna=False)["specificity"].mean()
    macro = table[table["finding"] == "macro"].set_index("epsilon")["specificity"]
    assert macro.to_numpy() == pytest.approx(means[macro.index].to_numpy())


def test_youdens_threshold_is_scikit_learns_and_targets_are_met_as_closely_as_possible():
    rng = np.random.default_rng(0)
    labels = (rng.random(500) < 0.3).astype(float)
    scores = np.round(labels + rng.normal(size=500), 1)
    false_alarms, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    once = np.ones((1, 500))
    best = thresholds(scores, labels, once, OperatingRule())[0]
    called = scores >= best
    assert called[labels == 1].mean() - called[labels == 0].mean() == pytest.approx((hits - false_alarms).max())
    high = scores >= thresholds(scores, labels, once, OperatingRule.parse("sensitivity=0.9"))[0]
    assert high[labels == 1].mean() == pytest.approx(hits[hits >= 0.9].min())
    low = scores >= thresholds(scores, labels, once, OperatingRule.parse("specificity=0.9"))[0]
    assert low[labels == 0].mean() == pytest.approx(false_alarms[false_alarms <= 0.1].max())


def test_a_specificity_that_no_score_gives_calls_nobody():
    scores, labels = np.array([0.1, 0.2, 0.9]), np.array([1.0, 1.0, 0.0])
    assert thresholds(scores, labels, np.ones((1, 3)), OperatingRule.parse("specificity=0.9"))[0] > 0.9


def test_test_patients_do_not_move_the_threshold(scored):
    turned = scored.copy()
    test = turned["split"] == "test"
    turned.loc[test, "label"] = 1 - turned.loc[test, "label"]
    assert rate_table(turned)["threshold"].equals(rate_table(scored)["threshold"])
    validation = scored.copy()
    validation.loc[~test, "score"] += 1
    assert (rate_table(validation)["threshold"].dropna() > rate_table(scored)["threshold"].dropna() + 0.5).all()


def test_without_validation_scores_there_is_a_reason_and_no_rate(make_scored):
    table = rate_table(make_scored(RUNS))
    assert table["sensitivity"].isna().all() and set(table[table["finding"] != "macro"]["reason"]) == {NO_THRESHOLD}
    parity = parity_table(make_scored(RUNS), ["sex"])
    assert parity["parity_difference"].isna().all() and (parity["reason"] != "").all()


def test_the_papers_parity_difference_is_accuracy_minus_the_size_weighted_accuracy_of_the_others(scored):
    rates, parity = rate_table(scored), parity_table(scored, ["age"])
    for row in parity[(parity["finding"] == "mass") & (parity["reason"] == "")].itertuples():
        images = flagged(scored, rates, row.epsilon, "mass")
        correct = (images["called"] == images["label"]).groupby(subgroups(images, "age"), observed=True)
        accuracy, size = correct.mean().drop("unknown", errors="ignore"), correct.size().drop("unknown", errors="ignore")
        others = [name for name in accuracy.index if name != row.subgroup]
        expected = accuracy[row.subgroup] - (accuracy[others] * size[others]).sum() / size[others].sum()
        assert row.paper_parity_difference == pytest.approx(expected)
        assert row.paper_parity_difference_low < expected < row.paper_parity_difference_high


def test_all_others_are_everybody_else_of_known_value_small_groups_too(make_scored):
    """A band of nine patients whom every threshold calls wrongly is among the others of every other band, though it has no value itself."""
    scored = make_scored(RUNS, n_patients=160, validation=True)
    patient = scored["patient_id"].str[1:].astype(int)
    scored["age"] = np.where(patient < 13, 85.0, np.where(patient % 10 == 0, np.nan, 50.0 + 15 * (patient % 2)))
    scored.loc[patient < 13, "score"] = 10 * (1 - scored.loc[patient < 13, "label"])
    rates, parity = rate_table(scored), parity_table(scored, ["age"])
    values = {"called": "parity_difference", "correct": "paper_parity_difference"}
    checked = 0
    for row in parity[parity["finding"] != "macro"].itertuples():
        images = flagged(scored, rates, row.epsilon, row.finding)
        images = images.assign(correct=images["called"] == images["label"], group=subgroups(images, "age").astype(str))
        own, others = images["group"] == row.subgroup, ~images["group"].isin([row.subgroup, "unknown"])
        assert (row.n_cases_others, row.n_patients_others) == (others.sum(), images.loc[others, "patient_id"].nunique())
        if row.subgroup == "80+":
            assert images.loc[own, "patient_id"].nunique() < 10
            assert np.isnan(row.paper_parity_difference) and row.reason == "fewer than 10 patients"
            continue
        for column, name in values.items():
            assert getattr(row, name) == pytest.approx(images.loc[own, column].mean() - images.loc[others, column].mean(), abs=1e-12)
        ill = images["label"] == 1
        missed = 1 - images["called"]
        assert row.underdiagnosis_difference == pytest.approx(missed[own & ill].mean() - missed[others & ill].mean(), abs=1e-12)
        known = images[images["group"] != "unknown"]
        oracle = {"y_true": known["label"], "y_pred": known["called"], "sensitive_features": known["group"] == row.subgroup}
        assert abs(row.parity_difference) == pytest.approx(fairlearn.metrics.demographic_parity_difference(**oracle), abs=1e-12)
        assert row.reason == row.underdiagnosis_reason == ""
        checked += 1
    assert checked == 8


@pytest.mark.parametrize("n_patients", [60, 160, 500])
def test_a_difference_and_a_reason_why_there_is_none_never_stand_together(make_scored, n_patients):
    scored = make_scored(RUNS, n_patients=n_patients, validation=True)
    scored.loc[scored["age"] > 80, "label"] = 0.0  # a band without the finding has an accuracy and no underdiagnosis rate
    parity = parity_table(scored, ["age", "sex", "sex*age"])
    for value, reason in (
        ("paper_parity_difference", "reason"),
        ("parity_difference", "reason"),
        ("underdiagnosis_difference", "underdiagnosis_reason"),
    ):
        assert (parity[value].isna() == (parity[reason] != "")).all()
    assert (parity["reason"] == "").any() and (parity["underdiagnosis_reason"] != "").any()
    disparity = disparity_table(scored, ["age", "sex"])
    names = ["demographic_parity_difference", "equalized_odds_difference", "underdiagnosis_gap"]
    assert (disparity[names].notna().all(axis=1) == (disparity["reason"] == "")).all()
    rates = rate_table(scored, ["age", "sex", "sex*age"])
    values = rates[[rate.name for rate in RATES]]
    assert (values.notna().all(axis=1) == (rates["reason"] == "")).all()
    partly = rates[values.notna().any(axis=1) & values.isna().any(axis=1)]
    # What has a value is not among the rates that the reason says are missing.
    assert len(partly) and not any(
        rate.phrase in row["reason"].split(":")[0] for _, row in partly.iterrows() for rate in RATES if pd.notna(row[rate.name])
    )


def test_the_difference_from_all_others_has_the_error_of_leaving_each_patient_out(make_scored):
    """Patients whose images stand in two age bands count once in the variance, by pandas."""
    scored = make_scored({"one": 1.0}, n_patients=90, validation=True)
    rng = np.random.default_rng(0)
    scored["age"] = np.where(rng.random(len(scored) // 2) < 0.5, 50.0, 65.0)[np.arange(len(scored)) % (len(scored) // 2)]
    rates = rate_table(scored)
    images = flagged(scored, rates, 1.0, "mass")
    design = PanelDesign(panels_of(scored)[0], ("age",), rows_of_runs(panels_of(scored, Part.VALIDATION)))
    arm = measure(PAPER_PARITY, design).of_arm(design.arms[0])
    found = contrasts(arm, "age")
    images = images.assign(correct=images["called"] == images["label"], young=images["age"] < 60)

    def difference(rows):
        return rows.loc[rows["young"], "correct"].mean() - rows.loc[~rows["young"], "correct"].mean()

    lost = [difference(images) - difference(images[images["patient_id"] != p]) for p in images["patient_id"].unique()]
    place = found.groups.index(arm.measured.groups_of("age")["30-59"])
    assert found.values[0, place] == pytest.approx(difference(images))
    of_patients = _contrast(arm, 0, found.groups, found.others).influence[place]
    assert np.square(of_patients).sum() == pytest.approx(np.square(lost).sum(), rel=0.03)


def test_the_textbooks_differences_are_fairlearns(scored):
    rates = rate_table(scored)
    disparity = disparity_table(scored, ["age", "copd"])
    parity = parity_table(scored, ["copd"])
    for row in disparity[disparity["finding"] == "mass"].itertuples():
        images = flagged(scored, rates, row.epsilon, "mass")
        groups = subgroups(images, row.attribute).astype(str)
        assert row.n_groups == groups.nunique()
        oracle = {"y_true": images["label"], "y_pred": images["called"], "sensitive_features": groups}
        assert row.demographic_parity_difference == pytest.approx(fairlearn.metrics.demographic_parity_difference(**oracle))
        assert row.equalized_odds_difference == pytest.approx(fairlearn.metrics.equalized_odds_difference(**oracle))
    for row in parity[parity["finding"] == "mass"].itertuples():
        images = flagged(scored, rates, row.epsilon, "mass")
        share = images.groupby(subgroups(images, "copd"), observed=True)["called"].mean()
        other = share.drop(row.subgroup).iloc[0]
        assert row.parity_difference == pytest.approx(share[row.subgroup] - other)
    by_finding = parity.pivot_table(index=["epsilon", "subgroup"], columns="finding", values="parity_difference")
    assert by_finding["macro"].to_numpy() == pytest.approx(by_finding[["mass", "nodule"]].mean(axis=1).to_numpy())


def test_several_training_runs_are_averaged_and_their_spread_widens_the_interval(make_scored):
    scored = make_scored({"a": 1.0, "b": 1.0, "c": 1.0}, n_patients=500, validation=True)
    table = rate_table(scored)
    one_by_one = [rate_table(scored[scored["run_id"] == run])["sensitivity"] for run in "abc"]
    assert table["sensitivity"].to_numpy() == pytest.approx(np.mean(one_by_one, axis=0)) and set(table["n_seeds"]) == {3}
    apart = scored.copy()
    apart.loc[(apart["run_id"] == "c") & (apart["split"] == "test"), "score"] -= 2
    width = [t["sensitivity_high"].iloc[0] - t["sensitivity_low"].iloc[0] for t in (table, rate_table(apart))]
    assert width[1] > 2 * width[0]


def test_the_interval_carries_the_thresholds_own_uncertainty():
    """150 cohorts, few validation patients: 95 % intervals hold the target sensitivity; without the threshold's variance they do not."""
    held, held_without = 0, 0
    for number in range(150):
        rng = np.random.default_rng([5, number])
        panels = []
        for n_patients in (60, 264):
            cohort = Cohort.draw(rng, n_patients=n_patients, n_findings=1, correlation=0.0, prevalence=0.3)
            scores = separation(0.85) * cohort.labels + cohort.noise(1)
            panels.append(cohort.panel(scores[None], [np.nan]))
        validation, test = panels
        weights = patient_resamples(validation.patients, validation.n_patients)
        cuts = thresholds(validation.scores[0, 0], validation.labels[0], weights, OperatingRule.parse("sensitivity=0.8"))
        for chosen in (cuts, np.full_like(cuts, cuts[0])):
            design = PanelDesign(test)
            design.__dict__["thresholds"] = (chosen[None],)
            low, high = measure(SENSITIVITY, design).of_arm(design.arms[0]).intervals()
            inside = low[0, 0] <= 0.8 <= high[0, 0]
            held, held_without = held + (inside and chosen is cuts), held_without + (inside and chosen is not cuts)
    reach = norm.ppf(0.999) * np.sqrt(0.95 * 0.05 / 150)
    assert held / 150 > 0.95 - reach > held_without / 150


@pytest.mark.parametrize("text", ["sensitivity", "youden=0.9", "sensitivity=1.5", "specificity=0", "sharp", "sensitivity=high"])
def test_an_invalid_operating_rule_is_refused(text):
    with pytest.raises(SpecError):
        OperatingRule.parse(text)


def test_the_sentence_of_a_rule_names_the_validation_patients():
    for text in ("youden", "sensitivity=0.9", "specificity=0.95"):
        assert "validation patients" in OperatingRule.parse(text).sentence()


def test_disparity_over_several_runs_is_the_mean_of_each_runs_own(make_scored):
    """Averaging the runs' rates first would hide disparities that run in different directions."""
    several = make_scored({f"run{number}": 1.0 for number in range(4)}, n_patients=160, validation=True)
    together = disparity_table(several, ["sex"]).set_index("finding")
    alone = [disparity_table(several[several["run_id"] == run], ["sex"]).set_index("finding") for run in several["run_id"].unique()]
    for name in ("demographic_parity_difference", "equalized_odds_difference", "underdiagnosis_gap"):
        for finding in ("mass", "nodule", "macro"):
            assert together.loc[finding, name] == pytest.approx(np.mean([table.loc[finding, name] for table in alone]), rel=1e-12)
