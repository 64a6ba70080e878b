"""What holds for every metric of the catalogue."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import METRICS, OFFERED, metric_called
from dpmed_core.evaluation.metrics.measured import mean_over_findings
from dpmed_core.evaluation.metrics.metric import Better
from dpmed_core.evaluation.metrics.paired import paired_differences
from dpmed_core.evaluation.metrics.parity import PARITY_DIFFERENCES
from dpmed_core.evaluation.statistics.jackknife import jackknife
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "reference-again": np.nan, "private": 1.0, "private-again": 1.0}


@pytest.fixture(scope="module")
def probabilities():
    """Scores between 0 and 1, so that calibration and net benefit have a meaning too."""

    def make(make_scored):
        scored = make_scored(RUNS, n_patients=240, validation=True)
        return scored.assign(score=1 / (1 + np.exp(1 - scored["score"])))

    return make


@pytest.mark.parametrize("metric", OFFERED.values(), ids=OFFERED)
def test_a_metric_has_every_table_within_its_range_and_in_its_column(make_scored, probabilities, metric):
    tables = evaluation_tables(probabilities(make_scored), ["sex"]).of(metric)
    value, low, high = metric.columns
    for table in (tables.utility, tables.subgroups, tables.means, tables.groups):
        assert (len(table) and "auroc" not in table.columns) or metric is AUROC
        known = table.dropna(subset=value)
        assert len(known) and known[value].between(metric.low, metric.high).all()
        inside = known.dropna(subset=[low, high])
        assert (inside[low] <= inside[value]).all() and (inside[value] <= inside[high]).all()
    unknown = tables.utility[tables.utility[value].isna()]
    assert (unknown["reason"] != "").all()
    assert {value, f"{value}_reference", "difference"} <= set(tables.costs.columns)
    judged = tables.costs["difference_low"].notna() & (metric.better is not Better.NEAR_IDEAL)
    assert ((tables.costs["verdict"] != "") == judged).all()


@pytest.mark.parametrize("metric", PARITY_DIFFERENCES, ids=lambda metric: metric.name)
def test_a_contrast_has_rows_for_subgroups_only_and_they_are_the_parity_tables(make_scored, metric):
    tables = evaluation_tables(make_scored(RUNS, n_patients=240, validation=True), ["sex"])
    means = tables.of(metric).means
    assert set(means["attribute"]) == {"sex"} and set(means["subgroup"]) == {"female", "male"}
    keys = ["recipe", "unit", "epsilon", "subgroup", "finding"]
    both = means.merge(tables.parity, on=keys, suffixes=("", "_in_table"))
    assert len(both) == len(means)
    for column in metric.columns:
        assert both[column].to_numpy() == pytest.approx(both[f"{column}_in_table"].to_numpy())


def test_rates_as_metrics_are_those_of_the_table_of_rates(make_scored):
    tables = evaluation_tables(make_scored(RUNS, n_patients=240, validation=True), ["sex"])
    for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "positive_rate", "underdiagnosis"):
        means = tables.of(METRICS[name]).means
        both = means.merge(tables.rates, on=["epsilon", "attribute", "subgroup", "finding"], suffixes=("", "_in_table"))
        assert len(both) == len(means) > 0
        for column in METRICS[name].columns:
            assert both[column].to_numpy() == pytest.approx(both[f"{column}_in_table"].to_numpy())


@pytest.mark.parametrize("name", [name for name in OFFERED if name != "ece"])
def test_every_metric_has_its_cost_of_privacy_by_subgroup_with_an_interval(make_scored, probabilities, name):
    """Private minus non-private of the table of means, inside its interval; the expected calibration error, which is biased, has none."""
    tables = evaluation_tables(probabilities(make_scored), ["sex"]).of(METRICS[name])
    costs = tables.costs[tables.costs["subgroup"] != "unknown"]
    means = tables.means.assign(arm=tables.means["epsilon"].fillna(0)).set_index(["arm", "subgroup", "finding"])[name]
    assert set(costs["subgroup"]) == {"all", "female", "male"} and set(costs["finding"]) == {"mass", "nodule", "macro"}
    for row in costs.itertuples():
        place = (row.subgroup, row.finding)
        assert row.difference == pytest.approx(means[(1.0, *place)] - means[(0.0, *place)])
        assert row.difference_low < row.difference < row.difference_high and 0 < row.p_value <= 1


def test_a_loss_of_a_metric_that_should_be_low_is_a_rise(make_scored, probabilities):
    """A private model whose errors are larger is inferior by the Brier score, although its value is higher."""
    scored = probabilities(make_scored)
    private = scored["epsilon"].notna()
    scored["score"] = scored["score"].mask(private, 1 - scored["score"])
    costs = evaluation_tables(scored).of(METRICS["brier"]).costs
    assert (costs["difference"] > 0).all() and set(costs["verdict"]) == {"inferior"}


def test_only_findings_that_are_used_count_in_their_mean():
    values = np.array([[0.9, 0.5], [0.7, 0.1]])
    assert mean_over_findings(values, np.array([[True, True], [True, False]])).tolist() == [0.8, 0.5]
    assert np.isnan(mean_over_findings(values, np.zeros((2, 2), dtype=bool))).all()


def test_an_unknown_metric_is_refused_with_those_that_exist():
    with pytest.raises(SpecError, match="no metric 'f1': choose one of auroc, auprc"):
        metric_called("f1")


@pytest.mark.parametrize("name", OFFERED)
def test_size_against_loss_has_a_value_or_a_reason_whatever_the_metric(make_scored, probabilities, name):
    table = evaluation_tables(probabilities(make_scored), ["age"]).of(METRICS[name]).size_loss
    assert len(table) and (table["pearson_r"].notna() | (table["reason"] != "")).all()


def test_thresholds_of_both_arms_are_paired_by_the_resample_that_they_were_chosen_on(make_scored):
    """The difference of an arm to itself, under another name, has no error at all; of independent thresholds it would have."""
    scored = make_scored({"reference": np.nan, "private": 1.0}, n_patients=240, validation=True)
    same = scored[scored["run_id"] == "reference"].assign(run_id="private", epsilon=1.0, epsilon_spent=1.0, delta=1e-5, accountant="prv")
    costs = evaluation_tables(pd.concat([scored[scored["run_id"] == "reference"], same])).of(METRICS["sensitivity"]).costs
    assert costs[["difference", "difference_low", "difference_high"]].to_numpy() == pytest.approx(np.zeros((len(costs), 3)), abs=1e-6)
    differing = evaluation_tables(scored).of(METRICS["sensitivity"])
    (pair,) = paired_differences(differing.measured[0])
    by_hand = (pair.private.replicates - pair.non_private.replicates).var(axis=-1)
    patients, _ = jackknife(pair.influence, pair.measured.grouping, pair.private.n_effective)
    arms = (pair.private, pair.non_private)
    own = [jackknife(arm.influence, pair.measured.grouping, arm.n_effective)[0] + arm.replicates.var(axis=-1) for arm in arms]
    assert own[0] + own[1] - 2 * pair.correlation * np.sqrt(own[0] * own[1]) == pytest.approx(patients + by_hand)
