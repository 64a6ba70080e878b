"""ROC and calibration figures."""

import numpy as np
import pytest

from dpmed_core.evaluation.metrics.catalogue import METRICS
from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "low": 0.3, "low-again": 0.3}


@pytest.fixture
def scored(make_scored):
    table = make_scored(RUNS, validation=True)
    return table.assign(score=1 / (1 + np.exp(-table["score"])))


def test_roc_curves_of_both_arms_begin_and_end_in_the_corners(scored, cohort, words):
    figure = draw("roc", evaluation_tables(scored), Choice(finding="mass", epsilon=0.3), cohort)
    thick = [trace for trace in figure.data if trace.name]
    assert [trace.name for trace in thick] == ["without privacy", "private: mean of 2 training runs"]
    for trace in thick:
        assert (trace.x[0], trace.y[0], trace.x[-1], trace.y[-1]) == (0, 0, 1, 1)
    assert "ε = 0.3 at δ = 1e-05 for each patient (analytic-gaussian accountant)" in words(figure)
    assert "positive of" in words(figure)


def test_calibration_draws_the_bins_of_the_first_training_run(scored, cohort, points):
    tables = evaluation_tables(scored)
    figure = draw("calibration", tables, Choice(finding="mass", epsilon=0.3), cohort)
    bins = tables.reliability
    first = bins[(bins["finding"] == "mass") & bins["run_id"].isin(["reference", "low"])]
    assert {(row.predicted, round(row.observed, 9)) for row in first.itertuples()} <= points(figure)


@pytest.mark.parametrize("name", ["roc", "calibration"])
def test_findings_of_one_class_keep_their_panel_with_the_reason(scored, cohort, words, name):
    one_class = scored.assign(label=scored["label"].where(scored["finding"] != "nodule", np.nan))
    tables = evaluation_tables(one_class)
    assert "Nodule" in words(draw(name, tables, Choice(epsilon=0.3), cohort))
    assert "not estimable" in words(draw(name, tables, Choice(finding="nodule", epsilon=0.3), cohort))


def test_the_error_of_a_perfect_model_stands_beside_the_expected_calibration_error(scored, cohort, words):
    tables = evaluation_tables(scored)
    text = words(draw("calibration", tables, Choice(finding="mass", epsilon=0.3), cohort))
    rows = tables.calibration.query("finding == 'mass' and attribute == 'all'")
    assert f"perfectly calibrated model, about {rows['ece_floor'].min():.2f}" in text
    of_metric = draw("privacy-utility", tables, Choice(finding="mass", epsilon=0.3, metric="ece"), cohort)
    assert "above 0 even for a perfectly calibrated model" in words(of_metric)
    assert "perfectly calibrated" not in words(draw("privacy-utility", tables, Choice(finding="mass", epsilon=0.3), cohort))
    assert "perfectly calibrated" not in words(draw("roc", tables, Choice(finding="mass", epsilon=0.3, metric="ece"), cohort))


@pytest.mark.parametrize(("name", "axis"), [("privacy-utility", "yaxis"), ("findings", "yaxis"), ("fairness-forest", "xaxis")])
def test_a_metric_without_an_interval_is_drawn_at_its_values(scored, cohort, words, name, axis):
    """No band of unknown ends, and an axis that holds the points."""
    tables = evaluation_tables(scored, ["sex"])
    figure = draw(name, tables, Choice(finding="mass", epsilon=0.3, metric="ece", attribute="sex"), cohort)
    bottom, top = figure.layout[axis].range
    of_metric = tables.of(METRICS["ece"])
    values = (of_metric.means if name == "fairness-forest" else of_metric.overall).query("finding == 'mass'")["ece"]
    assert bottom <= values.min() and values.max() <= top
    if name == "privacy-utility":
        assert all(shape.type != "rect" for shape in figure.layout.shapes) and "95 % interval" not in words(figure)


@pytest.mark.parametrize("name", ["roc", "calibration", "decision-curve"])
def test_a_finding_with_too_few_positives_is_not_drawn_and_its_panel_says_why(scored, cohort, words, name):
    rare = scored.assign(label=scored["label"].where(scored["finding"] != "nodule", _positive_in_three_patients(scored)))
    tables = evaluation_tables(rare)
    alone = draw(name, tables, Choice(finding="nodule", epsilon=0.3), cohort)
    assert [trace.name for trace in alone.data if trace.name] == [] and "not estimable: fewer than 5" in words(alone)
    together = draw(name, tables, Choice(epsilon=0.3), cohort)
    assert "not estimable: fewer than 5" in words(together) and any(trace.showlegend for trace in together.data)


def test_the_table_of_curves_keeps_a_finding_that_is_not_drawn_with_its_reason(scored):
    rare = scored.assign(label=scored["label"].where(scored["finding"] != "nodule", _positive_in_three_patients(scored)))
    tables = evaluation_tables(rare)
    for table in (tables.roc, tables.reliability):
        reasons = table.groupby("finding")["reason"].unique()
        assert list(reasons["mass"]) == [""] and list(reasons["nodule"]) == ["fewer than 5 positives"]


def _positive_in_three_patients(scored):
    """1 in the first case of each of three test patients, 0 in all others."""
    test = scored[scored["split"] == "test"]
    chosen = test.drop_duplicates("patient_id")["case_id"].head(3)
    return scored["case_id"].isin(chosen).astype(float)
