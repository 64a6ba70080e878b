"""Training runs that repeat each other exactly are one training."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.cases.case_scores import case_scores, trainings_of_case
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.reporting.wording.utility import utility_sentence
from tests.scored import evaluation_tables, panels_of

RUNS = {"r0": np.nan, "r1": np.nan, "r2": np.nan, "p0": 1.0, "p1": 1.0, "p2": 1.0}


@pytest.fixture
def scored(make_scored):
    """Three private models, and three references of a recipe that has no chance in it."""
    table = make_scored(RUNS, validation=True)
    first = table.loc[table["run_id"] == "r0", "score"].to_numpy()
    for run in ("r1", "r2"):
        table.loc[table["run_id"] == run, "score"] = first + 1e-12  # sums in another order
    return table


def test_their_interval_is_that_of_one_and_a_new_run_would_be_the_same(scored):
    means = evaluation_tables(scored).auroc.overall.set_index(["epsilon", "finding"])
    alone = evaluation_tables(scored[scored["run_id"] == "r0"]).auroc.overall.set_index(["epsilon", "finding"])
    for finding in ("mass", "nodule", "macro"):
        repeated, private = means.loc[(np.nan, finding)], means.loc[(1.0, finding)]
        assert (repeated["n_seeds"], repeated["n_distinct"], private["n_seeds"], private["n_distinct"]) == (3, 1, 3, 3)
        assert repeated[["auroc", "auroc_low", "auroc_high"]].to_list() == pytest.approx(
            alone.loc[(np.nan, finding), ["auroc", "auroc_low", "auroc_high"]].to_list()
        )
        assert np.isnan(repeated["new_low"]) and private["new_low"] < private["auroc_low"]


def test_one_case_that_scores_alike_by_chance_is_no_repetition(scored):
    scored = scored.copy()
    scored.loc[(scored["run_id"] == "r1") & (scored["case_id"] == scored["case_id"].iloc[-1]), "score"] += 0.1
    means = evaluation_tables(scored).auroc.overall
    assert set(means.loc[means["epsilon"].isna(), "n_distinct"]) == {2}


def test_rates_and_single_cases_say_so_too(scored):
    rates = evaluation_tables(scored).rates
    assert set(rates.loc[rates["epsilon"].isna(), "n_distinct"]) == {1}
    scores = case_scores(panels_of(scored), panels_of(scored, Part.VALIDATION), recipe="probe", unit="patient")
    rows = trainings_of_case(scores, scores.panel.cases["case_id"].iloc[0])
    assert dict(rows.groupby("run_id")["repeats"].first()) == {"r0": False, "r1": True, "r2": True, "p0": False, "p1": False, "p2": False}


def test_the_sentence_does_not_speak_of_three_trainings_without_privacy(scored):
    means = evaluation_tables(scored).auroc.overall
    about = {"metric": AUROC, "recipe": "probe", "unit": "patient", "finding": "mass", "epsilon": 1.0}
    said = utility_sentence(means, **about)
    assert "mean of 3 training runs" in said and "(one training, which 2 more repeat exactly, since nothing in it is random)" in said
    two = evaluation_tables(scored[scored["run_id"] != "r2"]).auroc.overall
    assert "(one training, which 1 more repeats exactly" in utility_sentence(two, **about)
    one = pd.concat([means[means["epsilon"].notna()], means[means["epsilon"].isna()].assign(n_seeds=1)])
    assert "repeat" not in utility_sentence(one, **about)
