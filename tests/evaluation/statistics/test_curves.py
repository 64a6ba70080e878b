import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from dpmed_core.evaluation.statistics.curves import mean_roc, reliability_table, roc_table, wilson_interval
from tests.scored import panels_of


@pytest.fixture
def scored(make_scored):
    table = make_scored({"reference": np.nan, "private": 1.0})
    return table.assign(score=1 / (1 + np.exp(-table["score"])))


@pytest.mark.parametrize("digits", [0, 1, 6])  # rounded scores are tied: then the curve has slopes
def test_a_roc_curve_is_scikit_learns_and_its_area_is_the_auroc(scored, digits):
    scored = scored.assign(score=scored["score"].round(digits))
    curves = roc_table(panels_of(scored))
    for (run, finding), curve in curves.groupby(["run_id", "finding"]):
        cases = scored[(scored["run_id"] == run) & (scored["finding"] == finding) & scored["label"].notna()]
        false_positive, sensitivity, _ = roc_curve(cases["label"], cases["score"], drop_intermediate=False)
        x, y = curve["false_positive_rate"].to_numpy(), curve["sensitivity"].to_numpy()
        corners = set(zip(x, y, strict=True))
        assert corners <= set(zip(false_positive, sensitivity, strict=True)) and {(0, 0), (1, 1)} <= corners
        assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(cases["label"], cases["score"]), abs=1e-12)


def test_the_mean_curves_area_is_the_mean_of_the_areas(scored):
    for digits in (1, 6):
        curves = roc_table(panels_of(scored.assign(score=scored["score"].round(digits)))).query("finding == 'mass'")
        areas = [np.trapezoid(run["sensitivity"], run["false_positive_rate"]) for _, run in curves.groupby("run_id")]
        mean = mean_roc(curves)
        assert np.all(np.diff(mean["false_positive_rate"]) >= 0) and np.all(np.diff(mean["sensitivity"]) >= -1e-15)
        assert np.trapezoid(mean["sensitivity"], mean["false_positive_rate"]) == pytest.approx(np.mean(areas), abs=1e-12)
        one = curves[curves["run_id"] == "private"]
        assert np.trapezoid(mean_roc(one)["sensitivity"], mean_roc(one)["false_positive_rate"]) == pytest.approx(areas[0], abs=1e-12)


def test_a_worthless_score_is_drawn_with_an_area_of_one_half(scored):
    flat = roc_table(panels_of(scored.assign(score=0.5)))
    assert len(flat) == 2 * 2 * 2  # two runs, two findings, the two corners
    mean = mean_roc(flat.query("finding == 'mass'"))
    assert np.trapezoid(mean["sensitivity"], mean["false_positive_rate"]) == 0.5


@pytest.mark.parametrize("label", [1.0, np.nan])
def test_a_finding_of_one_class_or_without_labels_has_its_reason_and_no_curve(scored, label):
    panels = panels_of(scored.assign(label=scored["label"].where(scored["finding"] != "mass", label)))
    for table, values in (
        (roc_table(panels), ["false_positive_rate", "sensitivity"]),
        (reliability_table(panels), ["predicted", "observed"]),
    ):
        mass, nodule = (table[table["finding"] == finding] for finding in ("mass", "nodule"))
        assert mass["run_id"].is_unique and len(mass) == 2 and (mass["reason"] != "").all() and mass[values].isna().all(axis=None)
        assert (nodule["reason"] == "").all() and nodule[values].notna().all(axis=None)


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
