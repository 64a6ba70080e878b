"""What is kept of runs: equal to the last digit to what is computed, rebuilt when it is missing or damaged, and never needed."""

import os
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation import keep_tables as keeping
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord
from dpmed_core.evaluation.metrics.catalogue import METRICS
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores import kept_arrays
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs import kept as kept_results
from dpmed_core.runs.folder import KEPT, KEPT_TOGETHER
from dpmed_core.runs.kept_together import KeptTogether
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.training.result import SCORE_COLUMNS, PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

PLAN = AnalysisPlan.of(["sex", "copd"], ["mass"], 0.02)
OF_METRIC = ("utility", "subgroups", "means", "groups", "gaps", "costs", "size_loss", "unknowns")
OF_ALL = ("verdicts", "rates", "practice", "practice_differences", "parity", "disparity", "calibration", "net_benefit", "roc")


@pytest.fixture
def stored(make_scored, fixed_key, tmp_path) -> tuple[RunStore, Cohort]:
    """Two private runs and two references on one cohort."""
    table = make_scored({"a": 1.0, "b": 1.0, "c": np.nan, "d": np.nan}, n_patients=80)
    table["score"] = 1 / (1 + np.exp(-table["score"]))
    table["split"] = np.where(table["patient_id"].str[1:].astype(int) < 25, "validation", "test")
    who = table.drop_duplicates("case_id")[["case_id", "patient_id", "age", "sex", "copd"]]
    images = np.zeros((len(who), 1, 1), np.uint8)
    cohort = Cohort("images", Modality.RADIOGRAPH, False, ("mass", "nodule"), ("copd",), who, images, "f" * 16)
    store = RunStore(tmp_path / "runs", fixed_key)
    for number, (_, scores) in enumerate(table.groupby("run_id")):
        target = PrivacyTarget(1.0, 1e-5) if number < 2 else None
        finish(store, RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, target, number % 2), scores)
    return store, cohort


def finish(store: RunStore, spec: RunSpec, scores: pd.DataFrame) -> None:
    run_id = store.ask(spec, cohort_name="images").run_id
    guarantee = None
    if spec.privacy:
        guarantee = PrivacyGuarantee.from_fields(
            {
                "epsilon": 0.99,
                "delta": 1e-5,
                "unit": "patient",
                "accountant": "analytic-gaussian",
                "neighboring_relation": "zero-out",
                "noise_multiplier": 4.0,
                "max_grad_norm": 1.0,
                "sample_rate": 1.0,
                "steps": 1,
                "n_units": 1,
                "check_epsilon": 0.99,
                "check_accountant": "rdp",
            }
        )
    result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=1, n_train_cases=1, n_train_units=1)
    store.finish(run_id, TrainedModel(result, scores[list(SCORE_COLUMNS)].reset_index(drop=True), {"w": np.zeros(1, np.float32)}))
    store.set_progress(run_id, replace(Progress(RunState.FINISHED), attempt=1))


def tables(store: RunStore, cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Every table, as a process that has just started makes them."""
    made = EvaluationTables(partial(read_scores, store, cohort), PLAN.attributes, margin=PLAN.margin, findings=PLAN.findings)
    of_metrics = {f"{name} of {metric}": getattr(made.of(METRICS[metric]), name) for metric in ("auroc", "brier") for name in OF_METRIC}
    return {"runs": made.runs} | of_metrics | {name: getattr(made, name) for name in OF_ALL}


@pytest.fixture
def uncached(stored, monkeypatch) -> dict[str, pd.DataFrame]:
    """The tables where nothing is kept and nothing is read that was."""
    with monkeypatch.context() as patch:
        patch.setattr(kept_results.KeptResults, "read", lambda *_: None)
        patch.setattr(kept_results.KeptResults, "write", lambda *_: None)
        patch.setattr(KeptTogether, "read", lambda *_: None)
        patch.setattr(KeptTogether, "write", lambda *_: None)
        found = tables(*stored)
    assert not files(stored[0])
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        assert len(table), name
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)


def statuses(store):
    return store.statuses()


def files(store):
    return sorted(path for path in [*store.root.glob(f"*/{KEPT}/*/*"), *store.root.glob(f"{KEPT_TOGETHER}/*/*")] if path.is_file())


def refuse(*_, **__):
    raise AssertionError("computed though it is kept")


def test_tables_from_what_is_kept_are_equal_to_the_last_digit(stored, uncached):
    store, cohort = stored
    assert_same(tables(store, cohort), uncached)  # which keeps
    assert files(store)
    assert_same(tables(store, cohort), uncached)


def test_nothing_of_a_run_is_computed_again_once_it_is_kept(stored, monkeypatch):
    store, cohort = stored
    keeping.keep_tables(store, cohort, PLAN, keeping.runs_to_keep(store, cohort, PLAN))
    assert keeping.runs_to_keep(store, cohort, PLAN) == []
    monkeypatch.setattr("dpmed_core.evaluation.metrics.measured._computed", refuse)
    monkeypatch.setattr("dpmed_core.evaluation.scores.panel_design.run_thresholds", refuse)
    monkeypatch.setattr("dpmed_core.evaluation.tables.decision_curve._of_run", refuse)
    monkeypatch.setattr(RunStore, "scores", refuse)
    for by in ((), ("sex",), PLAN.attributes):
        made = EvaluationTables(partial(read_scores, store, cohort), by, margin=0.02)
        for name in (*OF_METRIC[:-1], "measured"):
            getattr(made.auroc, name)
        for name in ("rates", "calibration", "net_benefit", "disparity", "parity"):
            assert len(getattr(made, name)) or not by


PAGES = ({"by": ()}, {"by": ("sex",)}, {"by": PLAN.attributes, "margin": PLAN.margin, "findings": PLAN.findings})
"""The tables of pages where nothing was planned before results."""


def test_what_pages_show_first_is_only_read_once_it_is_kept(stored, uncached, monkeypatch):
    store, cohort = stored
    assert keeping.keep_shown(store, cohort, PlanRecord((), PLAN))
    monkeypatch.setattr(keeping, "read_scores", refuse)
    assert keeping.keep_shown(store, cohort, PlanRecord((), PLAN)), "nothing is computed twice"
    for name in ("verdict_rows", "cost_rows", "mean_rows", "run_rows", "practice_rows", "practice_differences"):
        monkeypatch.setattr(f"dpmed_core.evaluation.tables.all_tables.{name}", refuse)
    for options in PAGES:
        EvaluationTables(partial(read_scores, store, cohort), **options).compute_shown()
    of_plan = EvaluationTables(partial(read_scores, store, cohort), **PAGES[-1])
    pd.testing.assert_frame_equal(of_plan.verdicts, uncached["verdicts"], check_exact=True)


def test_a_further_run_has_what_pages_show_computed_again_and_time_that_ended_begins_nothing(stored):
    store, cohort = stored
    assert not keeping.keep_shown(store, cohort, PlanRecord((), PLAN), until=0.0)
    assert keeping.keep_shown(store, cohort, PlanRecord((), PLAN), until=time.monotonic() + 600)
    store.withdraw(store.ids()[0])
    assert not keeping.keep_shown(store, cohort, PlanRecord((), PLAN), until=0.0)


def test_tables_with_another_margin_group_or_label_are_other_tables(stored):
    store, cohort = stored

    def costs(of, **options):
        return EvaluationTables(partial(read_scores, store, of), **{"by": ("sex",), **options}).auroc.costs

    first = costs(cohort)
    assert not costs(cohort, margin=0.3).equals(first) and not costs(cohort, by=("copd",)).equals(first)
    others = replace(cohort, cases=cohort.cases.assign(sex=cohort.cases["sex"].iloc[::-1].to_numpy()))
    assert not costs(others).equals(first) and costs(cohort).equals(first)


def test_of_several_runs_the_newest_tables_are_kept(stored, monkeypatch):
    store, _ = stored
    monkeypatch.setattr("dpmed_core.runs.kept_together.MOST_FILES", 2)
    kept = kept_arrays.KeptArrays(store)
    for number in range(4):
        kept.put_together(f"n{number}", {"values": np.ones(2)}, number, run_ids=store.ids())
        os.utime(files(store)[-1], (number, number))
    assert [kept.get_together(f"n{number}") is not None for number in range(4)] == [False, False, True, True]
    kept.put_together("what JSON cannot hold", {}, {1, 2}, run_ids=store.ids())
    assert kept.get_together("what JSON cannot hold") is None


def test_another_plan_or_other_code_has_everything_computed_again(stored, monkeypatch):
    store, cohort = stored
    keeping.keep_tables(store, cohort, PLAN, keeping.runs_to_keep(store, cohort, PLAN))
    assert len(keeping.runs_to_keep(store, cohort, AnalysisPlan.of(["sex"], ["mass"], 0.02))) == 4
    of_code = {path.parent for path in files(store)}
    monkeypatch.setattr(kept_arrays, "code_version", lambda: "later")
    assert len(keeping.runs_to_keep(store, cohort, PLAN)) == 4
    keeping.keep_tables(store, cohort, PLAN, keeping.runs_to_keep(store, cohort, PLAN))
    assert not any(folder.exists() for folder in of_code), "what earlier code kept is removed when something is kept"


@pytest.mark.parametrize("damage", ["emptied", "truncated", "changed", "removed", "a folder"])
def test_what_is_damaged_is_computed_again(stored, uncached, damage):
    store, cohort = stored
    tables(store, cohort)
    for path in files(store):
        content = path.read_bytes()
        path.unlink()
        if damage == "a folder":
            path.mkdir()
        elif damage != "removed":
            path.write_bytes({"emptied": b"", "truncated": content[:-3], "changed": content[:-1] + bytes([content[-1] ^ 1])}[damage])
    assert_same(tables(store, cohort), uncached)


def test_looking_writes_nothing_where_nothing_can_be_written(stored, uncached, monkeypatch):
    for module in ("kept", "kept_together"):
        monkeypatch.setattr(f"dpmed_core.runs.{module}.space_reason", lambda *_: "the data folder is on a disk that is read-only")
    store, cohort = stored
    assert_same(tables(store, cohort), uncached)
    assert files(store) == []


def test_a_file_in_the_place_of_the_folder_is_no_hindrance(stored, uncached):
    store, cohort = stored
    for run_id in store.ids():
        (store.root / run_id / KEPT).write_text("in the way")
    (store.root / KEPT_TOGETHER).write_text("in the way")
    assert_same(tables(store, cohort), uncached)


def test_scores_that_changed_on_the_disk_are_not_served_from_what_is_kept(stored):
    store, cohort = stored
    tables(store, cohort)
    run_id = store.ids()[0]
    path = store.scores_path(run_id)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert read_scores(store, cohort).damaged == (run_id,)


@pytest.mark.parametrize("undo", ["withdraw", "retry"])
def test_what_is_kept_goes_with_its_run(stored, undo):
    store, cohort = stored
    tables(store, cohort)
    run_id = store.ids()[0]
    if undo == "retry":
        path = store.scores_path(run_id)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    getattr(store, undo)(run_id)
    assert not (store.root / run_id / KEPT).exists()
    assert (store.root / store.ids()[1] / KEPT).exists()
    assert not (store.root / KEPT_TOGETHER).exists(), "tables of several runs tell of each of them"


def test_a_process_that_computed_while_the_run_was_withdrawn_leaves_nothing(stored):
    store, _ = stored
    run_id = store.ids()[0]
    kept = kept_arrays.KeptArrays(store)
    kept.put(run_id, "before", {"values": np.ones(2)})
    store.withdraw(run_id)
    kept.put(run_id, "after", {"values": np.ones(2)})
    kept_arrays.KeptArrays(store).put(run_id, "of another process", {"values": np.ones(2)})
    kept.put_together("together", {"values": np.ones(2)}, None, run_ids=store.ids())
    assert files(store) == []


def test_what_is_kept_is_for_its_owner_alone_and_names_nobody(stored):
    store, cohort = stored
    tables(store, cohort)
    content = b"".join(path.read_bytes() for path in files(store))
    assert {path.stat().st_mode & 0o777 for path in files(store)} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in store.root.glob(f"*/{KEPT}/*")} == {0o700}
    assert not any(str(name).encode() in content for name in cohort.cases["patient_id"] if len(str(name)) > 3)


def test_metrics_whose_estimates_are_kept_have_names_that_say_all(stored):
    assert {metric.name for metric in METRICS.values() if not metric.is_kept} == {"net_benefit"}
    assert not Metric("new", "new", lambda scored: scored).is_kept, "a metric with a parameter must not be kept by its name alone"


def test_a_run_holds_no_more_than_its_room(stored, monkeypatch):
    store, _ = stored
    run_id = store.ids()[0]
    monkeypatch.setattr(kept_results, "MOST_FILES", 3)
    kept = kept_arrays.KeptArrays(store)
    for number in range(5):
        kept.put(run_id, f"n{number}", {"values": np.ones(2)})
    assert len(files(store)) == 3
    monkeypatch.setattr(kept_results, "MOST_BYTES_EACH", 100)
    kept_arrays.KeptArrays(store).put(store.ids()[1], "large", {"values": np.ones(100)})
    assert len(files(store)) == 3


def test_names_differ_for_all_that_differs():
    names = [
        kept_arrays.digest_of(*parts)
        for parts in (
            ("ab", "c"),
            ("a", "bc"),
            ("abc",),
            (b"abc",),
            (np.array([1.0, 2.0]),),
            (np.array([[1.0], [2.0]]),),
            (np.array([1, 2]),),
            (np.array([1.0, 2.0], dtype=np.float32),),
        )
    ]
    assert len(set(names)) == len(names)
