"""What values would be if what is unknown were known."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.evaluation.metrics.catalogue import METRICS
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from tests.scored import evaluation_tables

RUNS = {"r0": np.nan, "p0": 1.0, "p1": 1.0}


@pytest.fixture
def scored(make_scored):
    return make_scored(RUNS, n_patients=200, validation=True)


def mean_auroc(scored, label, keep=None):
    """scikit-learn's, mean over the runs of each arm, with unknown labels as `label`; None leaves them out."""
    test = scored[(scored["split"] == "test") & (scored["finding"] == "mass")]
    test = test.dropna(subset="label") if label is None else test.fillna({"label": label})
    test = test if keep is None else test[test["sex"].isin(keep)]
    by_run = {run: roc_auc_score(rows["label"], rows["score"]) for run, rows in test.groupby("run_id")}
    return {1.0: (by_run["p0"] + by_run["p1"]) / 2, "reference": by_run["r0"]}


def test_aurocs_under_each_assumption_are_scikit_learns(scored):
    table = evaluation_tables(scored, ["sex"]).auroc.unknowns.query("finding == 'mass'")
    private, reference = table[table["epsilon"] == 1.0].set_index("subgroup"), table[table["epsilon"].isna()].set_index("subgroup")
    for group, keep in (("all", None), ("female", ["female"]), ("male", ["male"])):
        for column, label in (("auroc", None), ("auroc_if_positive", 1.0), ("auroc_if_negative", 0.0)):
            expected = mean_auroc(scored, label, keep)
            assert private.loc[group, column] == pytest.approx(expected[1.0]) and reference.loc[group, column] == pytest.approx(
                expected["reference"]
            )
            difference = column.replace("auroc", "difference")
            assert private.loc[group, difference] == pytest.approx(expected[1.0] - expected["reference"])
    both = mean_auroc(scored, None, ["female", "unknown"])
    assert private.loc["female", "auroc_if_members"] == pytest.approx(both[1.0])
    assert private.loc["female", "difference_if_members"] == pytest.approx(both[1.0] - both["reference"])
    assert np.isnan(private.loc["all", "auroc_if_members"]) and reference["difference"].isna().all()


def test_the_counts_are_of_what_is_unknown(scored):
    table = evaluation_tables(scored, ["sex"]).auroc.unknowns.query("finding == 'mass' and epsilon == 1.0").set_index("subgroup")
    test = scored[(scored["split"] == "test") & (scored["finding"] == "mass") & (scored["run_id"] == "p0")]
    for group in ("female", "male"):
        assert table.loc[group, "n_unknown_labels"] == (test["label"].isna() & (test["sex"] == group)).sum() > 0
        assert table.loc[group, "n_unknown_group"] == (test["label"].notna() & (test["sex"] == "unknown")).sum() > 0
    assert table.loc["all", "n_unknown_labels"] == test["label"].isna().sum() and table.loc["all", "n_unknown_group"] == 0


def test_a_share_lies_between_its_worst_and_best_case(scored):
    table = evaluation_tables(scored, ["sex"]).of(METRICS["positive_rate"]).unknowns
    assert (table["positive_rate_if_positive"] - table["positive_rate_if_negative"]).abs().max() < 1e-12  # labels do not say who is called
    accuracy = evaluation_tables(scored).of(METRICS["accuracy"]).unknowns.query("finding == 'mass' and epsilon.isna()").iloc[0]
    assert min(accuracy["accuracy_if_positive"], accuracy["accuracy_if_negative"]) < accuracy["accuracy"]


def test_the_mean_is_of_the_same_findings_under_every_assumption(scored):
    """A finding with four known positives is in no mean, and not in that with filled labels either, where it could be estimated."""
    rare = scored["finding"] == "nodule"
    positive = scored.index[rare & (scored["label"] == 1)]
    scored.loc[positive, "label"] = np.nan
    table = evaluation_tables(scored).auroc.unknowns.set_index(["epsilon", "finding"])
    assert np.isnan(table.loc[(1.0, "nodule"), "auroc"]) and table.loc[(1.0, "nodule"), "auroc_if_positive"] > 0
    assert table.loc[(1.0, "macro"), "auroc_if_positive"] == pytest.approx(table.loc[(1.0, "mass"), "auroc_if_positive"])


def test_a_label_that_is_missing_because_runs_disagree_is_never_filled_in():
    labels = np.array([[1.0, 0.0, np.nan, np.nan]])
    unusable = np.array([[False, False, True, False]])
    panel = Panel(None, ("mass",), None, np.arange(4), 4, labels, np.zeros((1, 1, 4)), unusable)
    assert np.array_equal(panel.with_unknown_labels(1.0).labels, [[1, 0, np.nan, 1]], equal_nan=True)


def test_nothing_trained_gives_an_empty_table():
    from dpmed_core.evaluation.scores.load_scores import Scores

    table = EvaluationTables(lambda: Scores((), (), (), ())).auroc.unknowns
    assert table.empty and "auroc_if_positive" in table
