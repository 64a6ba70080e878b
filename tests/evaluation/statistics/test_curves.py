import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from dpmed_core.evaluation.statistics.curves import reliability_table, roc_table, wilson_interval
from tests.scored import panels_of


@pytest.fixture
def scored(make_scored):
    table = make_scored({"reference": np.nan, "private": 1.0})
    return table.assign(score=1 / (1 + np.exp(-table["score"])))


def test_a_roc_curve_is_scikit_learns_read_at_a_grid(scored):
    curves = roc_table(panels_of(scored))
    for (run, finding), curve in curves.groupby(["run_id", "finding"]):
        cases = scored[(scored["run_id"] == run) & (scored["finding"] == finding) & scored["label"].notna()]
        false_positive, sensitivity, _ = roc_curve(cases["label"], cases["score"])
        x, y = curve["false_positive_rate"].to_numpy(), curve["sensitivity"].to_numpy()
        for at, value in zip(x, y, strict=True):
            assert value >= sensitivity[false_positive <= at + 1e-12].max() - 1e-12
        assert np.all(np.diff(y) >= 0) and y[-1] == 1
        assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(cases["label"], cases["score"]), abs=0.01)


def test_a_finding_of_one_class_has_no_roc_curve(scored):
    one_class = scored.assign(label=scored["label"].where(scored["finding"] != "mass", 1.0))
    assert set(roc_table(panels_of(one_class))["finding"]) == {"nodule"}
    assert roc_table(panels_of(one_class[one_class["finding"] == "mass"])).empty


def test_calibration_bins_are_scikit_learns_quantile_bins(scored):
    untied = scored.assign(score=scored["score"] + np.linspace(0, 1e-6, len(scored)))
    bins = reliability_table(panels_of(untied))
    cases = untied[(untied["run_id"] == "reference") & (untied["finding"] == "mass") & untied["label"].notna()]
    ours = bins[(bins["run_id"] == "reference") & (bins["finding"] == "mass")]
    observed, predicted = calibration_curve(cases["label"], cases["score"], n_bins=len(ours), strategy="quantile")
    assert ours["predicted"].to_numpy() == pytest.approx(predicted, abs=0.02)
    assert ours["observed"].to_numpy() == pytest.approx(observed, abs=0.06)
    assert ours["bin_cases"].sum() == len(cases) and ours["bin_positive"].sum() == cases["label"].sum()


def test_an_interval_of_images_of_one_patient_each_is_wilsons_and_of_many_images_wider(scored):
    assert wilson_interval(0.3, 50) == pytest.approx(proportion_confint(15, 50, method="wilson"), abs=1e-12)
    alone = scored.assign(patient_id=scored["case_id"])
    clustered = scored.assign(
        patient_id=(scored["label"].fillna(0) * 8 + scored["case_id"].str[-1].map(lambda c: int(c, 16) % 8)).astype(str)
    )
    widths = [(t["observed_high"] - t["observed_low"]).mean() for t in map(reliability_table, map(panels_of, (alone, clustered)))]
    row = reliability_table(panels_of(alone)).iloc[3]
    assert row["observed_low"] == pytest.approx(proportion_confint(row["bin_positive"], row["bin_cases"], method="wilson")[0], abs=0.01)
    assert widths[1] > 1.1 * widths[0]
