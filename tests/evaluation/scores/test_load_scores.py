from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.scored_runs import finished_runs, run_facts
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.training.result import SCORE_COLUMNS, RunResult, TrainedModel
from dpmed_core.training.spec import PrivacyUnit, RunSpec
from tests.scored import evaluation_tables


@pytest.fixture
def stored(make_scored, fixed_key, tmp_path):
    """Three runs: two in the same order of rows, the third shuffled and with a test case less."""
    table = make_scored({"a": np.nan, "b": np.nan, "c": np.nan})
    patient = table["patient_id"].str[1:].astype(int)
    table["split"] = np.where(patient < 30, "validation", "test")
    who = table.drop_duplicates("case_id")[["case_id", "patient_id", "age", "sex", "copd"]]
    cohort = Cohort(
        "images", Modality.RADIOGRAPH, False, ("mass", "nodule"), ("copd",), who, np.zeros((len(who), 1, 1), np.uint8), "f" * 16
    )
    store = RunStore(tmp_path / "runs", fixed_key)
    for seed, (_, scores) in enumerate(table.groupby("run_id")):
        rows = scores[list(SCORE_COLUMNS)].reset_index(drop=True)
        if seed == 2:
            rows = rows[rows["case_id"] != rows.loc[rows["split"] == "test", "case_id"].iloc[0]].sample(frac=1, random_state=1)
        spec = RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, None, seed)
        store.ask(spec, cohort_name="images")
        run_id = store.run_id(spec)
        result = RunResult(spec, None, elapsed_seconds=1.0, n_parameters=1, n_train_cases=1, n_train_units=1)
        store.finish(run_id, TrainedModel(result, rows.reset_index(drop=True), {"w": np.zeros(1, np.float32)}))
        store.set_progress(run_id, replace(Progress(RunState.FINISHED), attempt=1))
    return store, cohort


def table_of(store, cohort) -> pd.DataFrame:
    """The stored test scores as one table, as the store gives them run by run."""
    facts = [(status, store.scores(status.run_id)) for status in finished_runs(store, cohort)]
    tables = [scores.assign(**run_facts(store, status)) for status, scores in facts]
    return pd.concat(tables, ignore_index=True).merge(cohort.cases[["case_id", "sex", "age", "copd"]], on="case_id")


def test_scores_read_as_arrays_give_the_same_values_as_the_table_of_stored_scores(stored):
    store, cohort = stored
    assert [len(panel.runs) for panel in read_scores(store, cohort).test] == [2, 1]
    by_array = EvaluationTables(lambda: read_scores(store, cohort), ["sex"]).auroc.subgroups
    by_table = evaluation_tables(table_of(store, cohort), ["sex"]).auroc.subgroups
    keys = ["run_id", "finding", "subgroup"]
    assert len(by_array) == 3 * 3 * 3
    pd.testing.assert_frame_equal(by_array.set_index(keys).sort_index(), by_table.set_index(keys).sort_index(), check_dtype=False)


def test_validation_and_test_panels_share_no_patient(stored):
    store, cohort = stored
    read = read_scores(store, cohort)
    tested = set().union(*(panel.cases["patient_id"] for panel in read.test))
    chosen_on = set().union(*(panel.cases["patient_id"] for panel in read.validation))
    assert tested and chosen_on and not tested & chosen_on
    assert sum(len(panel.runs) for panel in read.validation) == 3


def test_runs_by_an_older_version_of_their_recipe_are_named_and_left_out(stored):
    store, cohort = stored
    older = store.statuses()
    assert not read_scores(store, cohort).superseded
    for recipe, version in (("probe", 2), ("paper", 1)):
        spec = replace(older[0].spec, recipe=recipe, recipe_version=version)
        run_id = store.ask(spec, cohort_name="images").run_id
        result = replace(store.result(older[0].run_id), spec=spec)
        scores = store.scores(older[0].run_id)
        store.finish(run_id, TrainedModel(result, scores, {"w": np.zeros(1, np.float32)}))
        store.set_progress(run_id, replace(Progress(RunState.FINISHED), attempt=1))
    read = read_scores(store, cohort)
    counting = pd.concat([panel.runs for panel in read.test])
    assert sorted(counting["recipe"]) == ["paper", "probe"]
    assert set(read.superseded) == {status.run_id for status in older}


def test_a_damaged_run_is_named_and_the_others_stay(stored):
    store, cohort = stored
    run_id = store.statuses()[0].run_id
    path = store.scores_path(run_id)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    read = read_scores(store, cohort)
    assert read.damaged == (run_id,)
    assert run_id not in set(pd.concat([panel.runs for panel in read.test])["run_id"])


def test_one_delta_is_taken_for_each_budget(make_scored):
    """Two deltas at one epsilon are two guarantees, whose runs are not averaged."""
    scored = make_scored({"reference": np.nan, "loose": 1.0, "strict": 1.0, "other": 8.0}, validation=True)
    scored.loc[scored["run_id"] == "strict", "delta"] = 1e-6
    tables = evaluation_tables(scored)
    assert set(tables.scores.at_one_delta(1e-5).deltas) == {1e-6, 1e-5}

    def runs(wanted):
        kept = tables.scores.at_one_delta(wanted)
        assert [set(panel.runs["run_id"]) for panel in kept.test] == [set(panel.runs["run_id"]) for panel in kept.validation]
        return set(kept.test[0].runs["run_id"])

    assert runs(None) == runs(0.3) == {"reference", "strict", "other"}
    assert runs(1e-5) == {"reference", "loose", "other"}
    same = evaluation_tables(scored[scored["run_id"] != "strict"]).scores
    assert same.at_one_delta(1e-6) is same and same.deltas == ()
