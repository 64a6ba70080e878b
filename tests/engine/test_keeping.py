"""What the engine has computed in the background, and when."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine import keeping
from dpmed_core.engine.keeping import PRIORITY, Keeping, keep_missing, keep_run
from dpmed_core.evaluation.keep_tables import runs_to_keep
from dpmed_core.runs.folder import KEPT
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table


class Scheduler:
    """Takes what is submitted, and lets a test say what came of it."""

    def __init__(self):
        self.submitted = []

    def submit(self, task, *arguments, **options):
        self.submitted.append((task, arguments, options))
        self.future = Future()
        return self.future

    def come_back(self, more):
        self.future.status = "finished"
        self.future.set_result(more)


@pytest.fixture
def finished(installation, cohort, spec):
    """Two finished runs."""

    def finish(spec):
        run_id = installation.runs.ask(spec, cohort_name=cohort.name).run_id
        split = assign_parts(cohort, seed=0, key=installation.key)
        rows = held_out_rows(split)
        scores = scores_table(cohort, split, np.random.default_rng(spec.seed).random((len(rows), len(cohort.findings))))
        result = RunResult(spec, None, elapsed_seconds=1.0, n_parameters=1, n_train_cases=1, n_train_units=1)
        installation.runs.finish(run_id, TrainedModel(result, pd.DataFrame(scores), {"w": np.zeros(1, np.float32)}))
        installation.runs.set_progress(run_id, Progress(RunState.FINISHED, attempt=1))
        return run_id

    return [finish(replace(spec, privacy=None, seed=seed)) for seed in (0, 1)]


def to_keep(installation, cohort):
    return [status.run_id for status in runs_to_keep(installation.runs, cohort, installation.ledger.plan_record(cohort).plan)]


def test_a_finished_run_is_kept_and_no_other(installation, settings, cohort, finished):
    first, second = finished
    keep_run(settings, first)
    assert to_keep(installation, cohort) == [second]


def test_what_goes_wrong_with_it_ends_no_training(installation, settings, finished, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(keeping, "_keep_of_cohort", broken)
    keep_run(settings, finished[0])
    assert "are not kept" in caplog.text
    installation.runs.withdraw(finished[0])
    caplog.clear()
    keep_run(settings, finished[0])
    assert not caplog.text and not (installation.runs.root / finished[0] / KEPT).exists()


def test_what_is_missing_is_computed_for_some_time_and_then_the_rest(installation, settings, cohort, finished, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "SECONDS_EACH", -1.0)
        assert keep_missing(settings)
    assert to_keep(installation, cohort) == finished
    assert not keep_missing(settings) and to_keep(installation, cohort) == []


def test_it_is_submitted_when_the_engine_is_free_and_runs_have_changed(installation, settings, finished):
    scheduler = Scheduler()
    queue = Keeping(installation, scheduler, {"training": 1})
    assert not queue.submit_new(is_free=False) and not scheduler.submitted
    assert queue.submit_new(is_free=True) and queue.submit_new(is_free=True)
    [(task, arguments, options)] = scheduler.submitted
    assert task is keep_missing and arguments == (settings,)
    assert options["priority"] == PRIORITY and options["resources"] == {"training": 1}
    scheduler.come_back(more=True)
    assert queue.submit_new(is_free=True) and len(scheduler.submitted) == 2
    scheduler.come_back(more=False)
    assert not queue.submit_new(is_free=True) and not queue.submit_new(is_free=True), "nothing has changed"
    installation.runs.withdraw(finished[0])
    assert queue.submit_new(is_free=True) and len(scheduler.submitted) == 3
