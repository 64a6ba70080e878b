import json
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import DamagedRunError, RunError
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.training.result import NEIGHBORING_RELATION, SCORE_COLUMNS, PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

RUN_IDS = ["40d2ca69195f69e0", "e0df61f9157295f8"]
"""What version 0.1 named two specifications under a key of zeros."""


@pytest.fixture
def runs(installation):
    return installation.runs


@pytest.fixture
def poisson():
    return PrivacyGuarantee(8.0, 1e-5, PrivacyUnit.PATIENT, "prv", NEIGHBORING_RELATION, 1.0, 1.0, 0.1, 6, 9, 7.9, "pld")


@pytest.fixture
def finished(runs, spec, settings, trainer):
    run_id = runs.ask(spec, cohort_name="images").run_id
    work_on(settings, run_id, trainer=trainer)
    return run_id


def test_equal_specifications_have_one_name_within_one_installation(runs, spec, tmp_path):
    assert runs.run_id(spec) == runs.run_id(replace(spec, privacy=PrivacyTarget(8.0, 0.00001)))
    assert runs.run_id(spec) != RunStore(tmp_path, b"x" * 32).run_id(spec)
    assert len({runs.run_id(replace(spec, seed=seed, privacy=p)) for seed in (0, 1) for p in (None, spec.privacy)}) == 4


def test_the_run_ids_of_earlier_versions_are_kept(spec, tmp_path):
    """Stored runs are found by them."""
    runs, spec = RunStore(tmp_path, bytes(32)), replace(spec, cohort_fingerprint="f" * 16)
    assert [runs.run_id(s) for s in (spec, replace(spec, privacy=None))] == RUN_IDS


def test_a_result_of_an_earlier_version_opens_with_the_relation_that_is_proven(runs, spec, poisson):
    """Earlier versions stored another word for the same mechanism."""
    run_id = runs.ask(spec, cohort_name="images").run_id
    result = RunResult(spec, replace(poisson, neighboring_relation="add-or-remove-one"), 1.0, 3, 9, 9)
    runs.finish(run_id, TrainedModel(result, pd.DataFrame(columns=list(SCORE_COLUMNS)), {"w": np.ones(3, np.float32)}))
    assert "add-or-remove-one" in (runs.root / run_id / "result.json").read_text()
    opened = runs.result(run_id)
    assert opened.guarantee == poisson and "(prv accountant, zero-out neighbours)" in opened.guarantee.sentence()


def test_many_who_queue_a_run_at_once_get_one(runs, spec):
    barrier, answers = threading.Barrier(12), []

    def ask():
        barrier.wait()
        answers.append(runs.ask(spec, cohort_name="images"))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.run_id for answer in answers}) == len({answer.asked_at for answer in answers}) == len(runs.statuses()) == 1


def test_a_run_comes_back_as_it_was_asked(runs, spec):
    status = runs.status(runs.ask(spec, cohort_name="images").run_id)
    assert (status.spec, status.cohort_name, status.state) == (spec, "images", RunState.QUEUED)


def test_queueing_again_does_not_change_a_run_that_has_ended(runs, finished, spec):
    assert runs.ask(spec, cohort_name="images").state is RunState.FINISHED


def test_a_queued_run_is_cancelled_at_once_and_can_be_retried(runs, spec):
    run_id = runs.ask(spec, cohort_name="images").run_id
    runs.cancel(run_id)
    assert runs.status(run_id).state is RunState.CANCELLED
    runs.retry(run_id)
    assert runs.status(run_id).state is RunState.QUEUED and not runs.wants_cancel(run_id)


def test_an_ended_run_cannot_be_cancelled_and_an_undamaged_one_cannot_be_retried(runs, finished):
    with pytest.raises(RunError, match="only a queued or training run"):
        runs.cancel(finished)
    with pytest.raises(RunError, match="only a failed, cancelled or damaged"):
        runs.retry(finished)


@pytest.mark.parametrize("file", ["result.json", "scores.parquet", "weights.safetensors"])
def test_a_damaged_result_is_not_shown_and_can_be_trained_again(runs, finished, settings, trainer, file):
    path = runs.root / finished / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    read = {"result.json": runs.result, "scores.parquet": runs.scores, "weights.safetensors": runs.weights}[file]
    with pytest.raises(DamagedRunError, match=file):
        read(finished)
    assert runs.is_damaged(finished)
    runs.retry(finished)
    work_on(settings, finished, trainer=trainer)
    assert runs.status(finished).state is RunState.FINISHED and not runs.is_damaged(finished)


def test_a_finished_run_whose_checksums_are_missing_can_be_trained_again(runs, finished, settings, trainer, monkeypatch):
    """As after a `retry` that was killed between the removal of the checksums and the new state."""
    (runs.root / finished / "scores.parquet").write_bytes(b"damaged")
    monkeypatch.setattr(RunStore, "set_progress", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        runs.retry(finished)
    monkeypatch.undo()
    assert runs.status(finished).state is RunState.FINISHED and runs.is_damaged(finished)
    with pytest.raises(DamagedRunError, match="checksums"):
        runs.scores(finished)
    runs.retry(finished)
    work_on(settings, finished, trainer=trainer)
    assert runs.status(finished).state is RunState.FINISHED and not runs.is_damaged(finished)


def test_an_interrupted_removal_of_a_cohort_can_be_repeated(installation, cohort, spec, settings, trainer, monkeypatch):
    ids = [installation.runs.ask(replace(spec, cohort_fingerprint=cohort.fingerprint, seed=s), cohort_name="images").run_id for s in (0, 1)]
    for run_id in ids:
        work_on(settings, run_id, trainer=trainer)
    withdraw = RunStore.withdraw

    def interrupted(runs, run_id):
        if run_id == ids[1]:
            raise KeyboardInterrupt
        withdraw(runs, run_id)

    monkeypatch.setattr(RunStore, "withdraw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        installation.remove_cohort("images")
    monkeypatch.undo()
    installation.remove_cohort("images")
    assert installation.cohorts.names() == []
    assert {installation.runs.status(run_id).state for run_id in ids} == {RunState.WITHDRAWN}


def test_a_withdrawn_run_keeps_only_its_specification_and_what_it_spent(runs, finished, spec):
    before = runs.attempts(finished)
    runs.withdraw(finished)
    assert {path.name for path in (runs.root / finished).iterdir() if not path.name.startswith(".")} == {
        "request.json",
        "progress.json",
        "attempts.jsonl",
        "result.json",
    }
    assert runs.attempts(finished)[:-1] == before
    assert runs.status(finished).state is RunState.WITHDRAWN
    assert runs.ask(spec, cohort_name="images").state is RunState.QUEUED


def test_a_broken_last_line_of_the_record_hides_no_other(runs, finished):
    path = runs.root / finished / "attempts.jsonl"
    whole = runs.attempts(finished)
    path.write_bytes(path.read_bytes() + b'{"event": "che')
    assert runs.attempts(finished) == whole
    runs.record(finished, "later")
    assert runs.attempts(finished)[-1]["event"] == "later"


def test_checkpoints_come_back_and_an_unreadable_one_is_recorded_and_not_used(runs, spec):
    run_id = runs.ask(spec, cohort_name="images").run_id
    assert runs.checkpoint(run_id) is None
    runs.save_checkpoint(run_id, Checkpoint(4, {"a": np.arange(6.0).reshape(2, 3).T}, elapsed_seconds=1.25))
    back = runs.checkpoint(run_id)
    assert (back.step, back.elapsed_seconds) == (4, 1.25) and np.array_equal(back.tensors["a"], np.arange(6.0).reshape(2, 3).T)
    path = runs.root / run_id / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    assert runs.checkpoint(run_id) is None
    assert runs.attempts(run_id)[-1]["event"] == "checkpoint-unreadable"


@pytest.mark.parametrize("run_id", ["none", "../..", "a/b", ""])
def test_a_missing_run_is_refused_with_a_sentence(runs, run_id):
    with pytest.raises(RunError, match="There is no run"):
        runs.status(run_id)


def test_a_status_without_a_number_is_still_json(runs, spec):
    status = runs.ask(replace(spec, privacy=None), cohort_name="images")
    assert json.loads(json.dumps(status.to_fields(), allow_nan=False))["epsilon"] is None


def test_states_survive_the_way_to_disk(runs, spec):
    run_id = runs.ask(spec, cohort_name="images").run_id
    runs.set_progress(run_id, Progress(RunState.TRAINING, step=2, total_steps=6, seconds_left=1.5, attempt=1))
    progress = runs.progress(run_id)
    assert (progress.state, progress.step, progress.seconds_left) == (RunState.TRAINING, 2, 1.5) and progress.updated_at > 0
