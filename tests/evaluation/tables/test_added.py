"""What private training adds to a public start alone: paired with it, without chance in the start, and without a verdict."""

import numpy as np
import pytest

from dpmed_core.evaluation.scores.arms import START_ALONE
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.tables.over_splits import over_splits
from tests.scored import evaluation_tables, panels_of

RUNS = {"reference": np.nan, "alone": 0.0, "one": 1.0, "two": 1.0, "high": 8.0}


def test_it_is_the_difference_of_the_means_and_covers_trainings_where_they_were_repeated(make_scored):
    scored = make_scored(RUNS)
    tables = evaluation_tables(scored, ["sex"])
    by_run = tables.auroc.utility.set_index(["run_id", "finding"])["auroc"]
    everybody = tables.auroc.added[tables.auroc.added["attribute"] == "all"]
    assert set(everybody["epsilon"]) == {1.0, 8.0} and set(everybody["reference"]) == {START_ALONE} and set(everybody["verdict"]) == {""}
    for row in everybody[everybody["finding"] != "macro"].to_dict("records"):
        own = [by_run[run, row["finding"]] for run, epsilon in RUNS.items() if epsilon == row["epsilon"]]
        assert row["difference"] == pytest.approx(np.mean(own) - by_run["alone", row["finding"]])
        assert row["difference_low"] < row["difference"] < row["difference_high"]
        assert row["covers"] == ("patients and trainings" if row["epsilon"] == 1.0 else "patients")
    assert {"female", "male"} <= set(tables.auroc.added["subgroup"])


def test_runs_from_scratch_have_no_such_rows(make_scored):
    assert evaluation_tables(make_scored({"reference": np.nan, "one": 1.0})).auroc.added.empty


def test_over_splits_the_start_alone_is_a_comparison_of_its_own(make_scored):
    by_split = {seed: make_scored(RUNS, n_patients=100 + 10 * seed) for seed in range(3)}
    table = over_splits(lambda seed: Scores(tuple(panels_of(by_split[seed])), (), (), ()), range(3), margin=0.02)
    with_start = table[table["reference"] == START_ALONE]
    assert set(with_start["epsilon"]) == {1.0, 8.0} and set(with_start["verdict"]) == {""}
    assert set(table.loc[table["reference"] != START_ALONE, "epsilon"]) == {0.0, 1.0, 8.0}
