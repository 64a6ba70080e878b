import shutil
import threading

import pytest
from safetensors import SafetensorError

from dpmed_core.engine.training_task import GIVEN_UP_HUNG, MAX_FRUITLESS_ATTEMPTS, cancel_run, work_on
from dpmed_core.errors import SpecError, StorageError
from dpmed_core.files import RESERVE_BYTES
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.runs.charged_attempts import attempts_of
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import FINISHED_FILES
from tests.small_runs import N_STEPS

FULL = "Waiting: the disk of the data folder is full. The run goes on by itself when that is mended."


class Killed(BaseException):
    """Stands for the death of a worker: nothing of DPMed's catches it."""


def full_disk(*_: object, **__: object) -> None:
    """As the library says it that writes weights."""
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def leave_free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    """Disks have `n_bytes` left."""
    monkeypatch.setattr("dpmed_core.files.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, n_bytes))


@pytest.fixture
def run_id(installation, spec):
    return installation.runs.ask(spec, cohort_name="images").run_id


def events(installation, run_id):
    return [event["event"] for event in installation.runs.attempts(run_id)]


def raise_at(step_to_raise, error):
    def at(step):
        if step == step_to_raise:
            raise error

    return at


def test_a_run_is_trained_and_its_record_says_what_happened(installation, settings, run_id, trainer):
    work_on(settings, run_id, trainer=trainer)
    assert events(installation, run_id) == ["started", "planned", "checkpoint", "checkpoint", "checkpoint", "charged", "finished"]
    status = installation.runs.status(run_id)
    assert (status.state, status.step, status.total_steps) == (RunState.FINISHED, N_STEPS, N_STEPS)
    assert installation.runs.attempts(run_id)[-1]["steps"] == N_STEPS


def test_a_run_that_has_ended_is_not_trained_again(settings, run_id, trainer):
    work_on(settings, run_id, trainer=trainer)
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == [0]


def test_a_full_disk_at_the_last_file_leaves_no_output_and_is_charged(installation, settings, run_id, trainer, monkeypatch):
    """Scores written before the weights could not be must not be readable; the attempt counts whole all the same."""

    monkeypatch.setattr("dpmed_core.runs.store.save_file", full_disk)
    trainer.at = lambda step: None
    trainer.keeps_checkpoints = False
    with pytest.raises(StorageError):
        work_on(settings, run_id, trainer=trainer)
    status = installation.runs.status(run_id)
    assert (status.state, status.message) == (RunState.QUEUED, FULL)
    assert not [path.name for path in (installation.settings.runs_dir / run_id).iterdir() if path.name in FINISHED_FILES]
    assert [attempt.steps for attempt in attempts_of(installation.runs, run_id)] == [N_STEPS]
    assert [draw.is_open for draw in installation.ledger.book().draws] == [False]


def test_a_disk_that_is_full_at_a_checkpoint_gives_the_run_back_and_charges_what_is_stored(
    installation, settings, run_id, trainer, monkeypatch
):
    """The library that writes checkpoints hides the number of the error in its text; with space again the run goes on."""
    trainer.at = lambda step: monkeypatch.setattr("dpmed_core.runs.checkpoint_file.save_file", full_disk) if step == 4 else None
    for _ in range(2):
        with pytest.raises(StorageError):
            work_on(settings, run_id, trainer=trainer)
    status = installation.runs.status(run_id)
    assert (status.state, status.message) == (RunState.QUEUED, FULL)
    assert [attempt.steps for attempt in attempts_of(installation.runs, run_id)] == [4, 0]
    monkeypatch.undo()
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == [0, 4, 4]
    assert installation.runs.status(run_id).state is RunState.FINISHED
    assert sum(attempt.steps for attempt in attempts_of(installation.runs, run_id)) == N_STEPS
    assert not installation.ledger.book().unsettled(run_id)


def test_training_stops_before_the_reserve_on_the_disk_is_used_up(installation, settings, run_id, trainer, monkeypatch):
    trainer.at = lambda step: leave_free(monkeypatch, RESERVE_BYTES - 1) if step == 2 else None
    monkeypatch.setattr("dpmed_core.engine.training_task.PROGRESS_EVERY_SECONDS", 0)
    with pytest.raises(StorageError):
        work_on(settings, run_id, trainer=trainer)
    status = installation.runs.status(run_id)
    assert status.state is RunState.QUEUED
    assert "has 7 MiB left, of 8 MiB that are needed" in status.message
    assert events(installation, run_id)[-1] == "waiting"


def test_a_run_that_waits_for_its_disk_can_be_cancelled_and_owes_only_what_is_stored(installation, settings, run_id, trainer, monkeypatch):
    trainer.at = lambda step: monkeypatch.setattr("dpmed_core.runs.checkpoint_file.save_file", full_disk) if step == 2 else None
    with pytest.raises(StorageError):
        work_on(settings, run_id, trainer=trainer)
    monkeypatch.undo()
    cancel_run(installation, run_id)
    assert installation.runs.status(run_id).state is RunState.CANCELLED
    assert [attempt.steps for attempt in attempts_of(installation.runs, run_id)] == [2]


def test_a_training_run_without_a_worker_is_cancelled_at_once(installation, settings, run_id, trainer):
    """Its worker died, and no engine is there to notice."""
    trainer.at = raise_at(3, Killed())
    with pytest.raises(Killed):
        work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.TRAINING
    cancel_run(installation, run_id)
    assert installation.runs.status(run_id).state is RunState.CANCELLED
    assert [attempt.is_open for attempt in attempts_of(installation.runs, run_id)] == [False]
    assert not installation.ledger.book().unsettled(run_id)


def test_a_worker_that_hung_again_and_again_is_said_to_have_hung(installation, settings, run_id, trainer):
    trainer.at = raise_at(0, Killed())
    for _ in range(MAX_FRUITLESS_ATTEMPTS):
        with pytest.raises(Killed):
            work_on(settings, run_id, trainer=trainer)
        installation.runs.record(run_id, "hung")
    work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).message == GIVEN_UP_HUNG


def test_an_error_that_a_person_can_mend_is_told_in_its_words(installation, settings, run_id, trainer):
    trainer.at = raise_at(1, SpecError("Too few patients: import more."))
    work_on(settings, run_id, trainer=trainer)
    status = installation.runs.status(run_id)
    assert (status.state, status.message) == (RunState.FAILED, "Too few patients: import more.")


def test_an_unforeseen_error_is_told_without_the_values_in_it(installation, settings, run_id, trainer, caplog):
    trainer.at = raise_at(1, ValueError("patient Doe^Jane"))
    work_on(settings, run_id, trainer=trainer)
    message = installation.runs.status(run_id).message
    assert "ValueError at test_training_task.py:" in message
    assert "Doe" not in message + caplog.text + str(installation.runs.attempts(run_id))


def test_a_cancelled_run_records_what_it_spent_and_goes_on_from_its_checkpoint(installation, settings, run_id, trainer):
    trainer.at = lambda step: installation.runs.cancel(run_id) if step == 3 else None
    work_on(settings, run_id, trainer=trainer)
    last = installation.runs.attempts(run_id)[-1]
    assert (last["event"], last["steps"]) == ("cancelled", 4)
    installation.runs.retry(run_id)
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == [0, 4]
    assert installation.runs.status(run_id).state is RunState.FINISHED


def test_a_run_whose_worker_died_goes_on_from_its_last_checkpoint(installation, settings, run_id, trainer):
    trainer.at = raise_at(3, Killed())
    with pytest.raises(Killed):
        work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.TRAINING
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == [0, 2]
    assert events(installation, run_id).count("finished") == 1
    taken = [event["step"] for event in installation.runs.attempts(run_id) if event["event"] == "checkpoint"]
    assert taken == [2, 4, 6]


def test_a_run_that_kills_its_worker_again_and_again_is_given_up_and_can_be_tried_again(installation, settings, run_id, trainer):
    trainer.at = raise_at(0, Killed())
    for _ in range(MAX_FRUITLESS_ATTEMPTS):
        with pytest.raises(Killed):
            work_on(settings, run_id, trainer=trainer)
    work_on(settings, run_id, trainer=trainer)
    status = installation.runs.status(run_id)
    assert status.state is RunState.FAILED and "died three times" in status.message
    assert len(trainer.started_from) == MAX_FRUITLESS_ATTEMPTS
    installation.runs.retry(run_id)
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.FINISHED


def test_deaths_of_the_engine_itself_are_not_held_against_a_run(installation, settings, run_id, trainer, monkeypatch):
    trainer.at = raise_at(0, Killed())
    for engine in range(100, 100 + 2 * MAX_FRUITLESS_ATTEMPTS):
        monkeypatch.setattr("os.getppid", lambda engine=engine: engine)
        with pytest.raises(Killed):
            work_on(settings, run_id, trainer=trainer)
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.FINISHED


def test_deaths_with_a_checkpoint_between_them_are_not_held_against_a_run(installation, settings, run_id, trainer):
    for step in (2, 4, 5, 5):
        trainer.at = raise_at(step, Killed())
        with pytest.raises(Killed):
            work_on(settings, run_id, trainer=trainer)
    trainer.at = lambda step: None
    work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.FINISHED


def test_a_result_whose_worker_died_before_it_said_so_is_not_trained_again(installation, settings, run_id, trainer):
    work_on(settings, run_id, trainer=trainer)
    installation.runs.set_progress(run_id, Progress(RunState.TRAINING, step=5, total_steps=N_STEPS, attempt=1))
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == [0]
    assert installation.runs.status(run_id).state is RunState.FINISHED


def test_two_workers_on_one_run_train_it_once(installation, settings, run_id, trainer):
    began, go_on = threading.Event(), threading.Event()

    def wait(step):
        began.set()
        go_on.wait(10)

    trainer.at = wait
    threads = [threading.Thread(target=work_on, args=(settings, run_id), kwargs={"trainer": trainer}) for _ in range(2)]
    for thread in threads:
        thread.start()
    began.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert trainer.started_from == [0]
    assert events(installation, run_id).count("started") == 1


def test_a_queued_run_that_was_cancelled_is_not_begun(installation, settings, run_id, trainer):
    installation.runs.cancel(run_id)
    work_on(settings, run_id, trainer=trainer)
    assert trainer.started_from == []


def test_an_end_that_the_ledger_cannot_write_down_stops_no_training(installation, settings, run_id, trainer, monkeypatch):
    """It stays charged whole until the ledger can."""
    settle = Ledger.settle

    def fails(*_):
        raise RuntimeError

    monkeypatch.setattr(Ledger, "settle", fails)
    work_on(settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.FINISHED
    assert [draw.is_open for draw in installation.ledger.book().draws] == [True]
    monkeypatch.setattr(Ledger, "settle", settle)
    installation.ledger.settle(run_id)
    assert [draw.is_open for draw in installation.ledger.book().draws] == [False]
