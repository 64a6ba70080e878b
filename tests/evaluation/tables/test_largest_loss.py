"""What loses most: picked from the tables of costs and verdicts, and not called shown because it is large."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.brier import BRIER
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED
from dpmed_core.evaluation.tables.largest_loss import (
    at_budget,
    group_verdict,
    largest_finding_loss,
    largest_group_loss,
    overall_cost,
    widened_groups,
)
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import exported
from tests.scored import evaluation_tables

FINDINGS = ("mass", "nodule", "edema", "hernia")
TWO_EACH = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}
AT = {"recipe": "probe", "unit": "patient", "epsilon": 1.0}
BY = ("sex", "age", "copd")


@pytest.fixture
def scored(make_scored):
    """Two runs with and two without privacy; of one finding and of one group the private scores are mostly noise."""
    table = make_scored(TWO_EACH, n_patients=400, findings=FINDINGS, skill=1.5)
    noise, private = np.random.default_rng(2).normal(size=len(table)), table["epsilon"].notna()
    harmed = private & ((table["finding"] == "edema") | ((table["sex"] == "male") & (noise > -0.5)))
    return table.assign(score=table["score"].where(~harmed, noise))


@pytest.fixture
def costs(scored):
    return at_budget(evaluation_tables(scored, BY).auroc.costs, **AT)


def test_the_largest_losses_are_those_of_the_exported_table_by_pandas(scored, costs, images_cohort):
    cohort = replace(images_cohort, findings=FINDINGS)
    csv = exported("loss-map", evaluation_tables(scored, BY), cohort, Choice(**AT), ".csv")
    table = pd.read_csv(BytesIO(csv)).dropna(subset="difference")
    of_all = table[(table["attribute"] == "all") & (table["finding"] != "macro")].set_index("finding")
    found = largest_finding_loss(costs, AUROC)
    assert found.row["finding"] == of_all["difference"].idxmin() == "edema"
    assert found.loss == pytest.approx(-of_all["difference"].min()) and found.n_compared == len(of_all) == 4
    groups = table[(table["attribute"] != "all") & (table["finding"] == "macro")].set_index("subgroup")
    group = largest_group_loss(costs, AUROC, "macro")
    assert group.row["subgroup"] == groups["difference"].idxmin() == "male"
    assert group.loss == pytest.approx((groups["auroc_reference"] - groups["auroc"]).max()) and group.n_compared == len(groups)


def test_the_p_value_counts_the_picking_as_statsmodels_does(costs):
    found = largest_finding_loss(costs, AUROC)
    of_all = costs[(costs["attribute"] == "all") & (costs["finding"] != "macro")]
    adjusted = multipletests(of_all["p_value"], method="bonferroni")[1]
    assert found.p_adjusted == pytest.approx(adjusted[list(of_all["finding"]).index("edema")])
    assert found.is_shown and found.n_shown == ((adjusted < 0.05) & (of_all["difference"] < 0)).sum()


def test_the_largest_of_losses_by_chance_alone_is_hardly_ever_called_shown(make_scored):
    """80 cohorts without any loss, four findings each: the largest one's own p-value is below .05 more often than it may be."""
    table, shown, alone = make_scored(TWO_EACH, n_patients=90, findings=FINDINGS), [], []
    first, private = table["run_id"] == "reference0", table["epsilon"].notna()
    for draw in range(80):
        rng = np.random.default_rng(draw)
        # What an arm's trainings have in common is large, and what chance in training adds is small.
        of_arm = {is_private: rng.normal(size=first.sum()) for is_private in (False, True)}
        common = np.concatenate([of_arm[bool(is_private)] for is_private in private.groupby(table["run_id"], sort=False).first()])
        own = 0.02 * rng.normal(size=len(table))
        scored = table.assign(score=np.nan_to_num(table["label"]) + common + own)
        found = largest_finding_loss(at_budget(evaluation_tables(scored).auroc.costs, **AT), AUROC)
        shown.append(found.is_shown)
        alone.append(found.loss > 0 and found.row["p_value"] < 0.05)
    assert np.mean(shown) <= 0.05 < np.mean(alone)


def test_with_one_training_run_nothing_is_shown(scored):
    one_each = scored[scored["run_id"].isin(["reference0", "private0"])]
    found = largest_finding_loss(at_budget(evaluation_tables(one_each).auroc.costs, **AT), AUROC)
    assert found.row["finding"] == "edema" and found.p_adjusted < 0.05 and not found.is_shown and found.n_shown == 0


def test_for_a_metric_that_should_be_low_a_rise_is_the_loss(scored):
    costs = at_budget(evaluation_tables(scored).of(BRIER).costs, **AT)
    of_all = costs[costs["finding"] != "macro"].set_index("finding")["difference"]
    found = largest_finding_loss(costs, BRIER)
    assert found.row["finding"] == of_all.idxmax() and found.loss == of_all.max()


def test_patients_of_unknown_value_are_no_group_and_a_single_group_has_nobody_to_lose_more_than(scored):
    unknown = scored.assign(sex=scored["sex"].where(scored["sex"] == "female", "unknown"))
    assert largest_group_loss(at_budget(evaluation_tables(unknown, ["sex"]).auroc.costs, **AT), AUROC, "macro") is None
    assert largest_group_loss(at_budget(evaluation_tables(scored).auroc.costs, **AT), AUROC, "macro") is None


def test_where_nothing_is_estimable_nothing_is_picked(scored):
    costs = at_budget(evaluation_tables(scored.assign(label=0.0), ["sex"]).auroc.costs, **AT)
    assert largest_finding_loss(costs, AUROC) is None and largest_group_loss(costs, AUROC, "macro") is None
    assert np.isnan(overall_cost(costs, "macro")["difference"])
    assert overall_cost(costs.iloc[:0], "macro") is None


def verdicts(*rows):
    columns = ["subgroup", "finding", "verdict", "excess", "detectable", "reason"]
    return pd.DataFrame([dict(zip(columns, row, strict=True), attribute="sex") for row in rows])


def test_a_groups_verdict_over_findings_is_extra_loss_where_one_is():
    table = verdicts(
        ("female", "mass", NOT_WIDENED, 0.0, np.nan, ""),
        ("female", "nodule", WIDENED, 0.2, np.nan, ""),
        ("male", "mass", NOT_WIDENED, -0.1, np.nan, ""),
        ("male", "nodule", NOT_ESTIMABLE, np.nan, np.nan, "only one class"),
    )
    female, male = (group_verdict(table, "sex", group, "macro") for group in ("female", "male"))
    assert female.verdict == WIDENED and female.widened == ("nodule",) and (female.n_judged, female.n_findings) == (2, 2)
    assert male.verdict == NOT_WIDENED and (male.n_judged, male.n_findings) == (1, 2)
    assert group_verdict(table, "sex", "female", "mass").verdict == NOT_WIDENED
    nothing = group_verdict(table, "sex", "male", "nodule")
    assert nothing.verdict == NOT_ESTIMABLE and nothing.reasons == ("only one class",)
    assert widened_groups(table, "macro") == [("sex", "female")] and widened_groups(table, "mass") == []


def test_not_enough_evidence_in_one_finding_leaves_the_group_undecided_with_what_could_be_found():
    table = verdicts(
        ("female", "mass", NOT_WIDENED, 0.0, 0.05, ""),
        ("female", "nodule", "not enough evidence", 0.1, 0.3, ""),
        ("female", "edema", "not enough evidence", 0.1, 0.2, ""),
    )
    found = group_verdict(table, "sex", "female", "macro")
    assert found.verdict == "not enough evidence" and found.detectable == (0.2, 0.3)


def test_the_verdict_on_the_harmed_group_is_that_of_the_tables(scored, costs):
    table = at_budget(evaluation_tables(scored, BY).verdicts, **AT)
    group = largest_group_loss(costs, AUROC, "macro").row
    of_group = table[(table["attribute"] == group["attribute"]) & (table["subgroup"] == group["subgroup"])]
    assert group_verdict(table, "sex", "male", "macro").widened == tuple(of_group.loc[of_group["verdict"] == WIDENED, "finding"]) != ()
