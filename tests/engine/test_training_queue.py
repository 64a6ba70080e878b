"""What the training queue submits and when: one that comes back unfinished is not submitted again at once."""

import errno
import shutil
from concurrent.futures import Future

import pytest

from dpmed_core.engine.training_queue import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, TrainingQueue
from dpmed_core.errors import StorageError
from dpmed_core.files import RESERVE_BYTES
from dpmed_core.runs.space import needed_bytes, what_holds_up
from dpmed_core.runs.status import Progress, RunState

FULL = "Waiting: the disk of the data folder is full. The run goes on by itself when that is mended."


class Scene:
    """A queue, a scheduler whose runs end when a test says so, and time that passes likewise."""

    def __init__(self, installation):
        self.now, self.submitted, self.futures = 0.0, [], []
        self.queue = TrainingQueue(installation, self, clock=lambda: self.now)

    def submit(self, task, settings, run_id, **_):
        self.submitted.append((self.now, run_id))
        self.futures.append(Future())
        return self.futures[-1]

    def come_back(self, error=None):
        """The last run that was submitted comes back without having ended."""
        future = self.futures[-1]
        future.status = "error" if error else "finished"
        future.set_exception(error) if error else future.set_result(None)

    def pass_time(self, seconds, *, each=0.25, at_each=lambda: None):
        for _ in range(round(seconds / each)):
            self.now += each
            self.queue.submit_new()
            at_each()


@pytest.fixture
def scene(installation):
    return Scene(installation)


@pytest.fixture
def run_id(installation, spec):
    return installation.runs.ask(spec, cohort_name="images").run_id


def leave_free(monkeypatch, n_bytes):
    monkeypatch.setattr("dpmed_core.files.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, n_bytes))


def test_a_run_that_comes_back_again_and_again_is_submitted_ever_later(scene, run_id, caplog):
    """Before, one whose disk was full went round six times a second."""

    def fail():
        if scene.futures and not scene.futures[-1].done():
            scene.come_back(StorageError(FULL))

    scene.pass_time(28, at_each=fail)
    assert len(scene.submitted) == 5
    scene.pass_time(600, at_each=fail)
    gaps = [after[0] - before[0] for before, after in zip(scene.submitted, scene.submitted[1:], strict=False)]
    assert gaps[0] == pytest.approx(FIRST_DELAY_SECONDS, abs=1)
    assert max(gaps) == pytest.approx(LONGEST_DELAY_SECONDS, abs=1.5)
    assert [record.getMessage() for record in caplog.records] == [f"run {run_id}: {FULL}"]


def test_a_run_that_worked_for_a_while_starts_again_with_the_first_delay(scene, run_id):
    for _ in range(6):
        scene.pass_time(70, at_each=lambda: None)
        scene.come_back()
    scene.pass_time(3)
    assert scene.submitted[-1][0] - scene.submitted[-2][0] < 75


def test_an_ended_run_is_forgotten_and_leaves_nothing_to_do(scene, installation, run_id):
    assert scene.queue.submit_new()
    installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
    scene.come_back()
    scene.pass_time(3)
    assert not scene.queue.is_busy and len(scene.submitted) == 1


def test_a_run_waits_for_space_and_starts_when_there_is_some(scene, installation, run_id, monkeypatch, caplog):
    runs = installation.runs
    needed = needed_bytes(runs, runs.status(run_id))
    assert needed > 2 << 20
    leave_free(monkeypatch, RESERVE_BYTES + needed - 1)
    scene.pass_time(300)
    assert not scene.submitted and scene.queue.is_busy
    status = runs.status(run_id)
    assert status.state is RunState.QUEUED
    assert status.message == what_holds_up(runs, status) and "that are needed. The run goes on by itself" in status.message
    assert len(caplog.records) == 1 and not runs.attempts(run_id)
    leave_free(monkeypatch, RESERVE_BYTES + needed)
    scene.pass_time(LONGEST_DELAY_SECONDS + 1)
    assert len(scene.submitted) == 1


def test_a_run_that_needed_more_than_was_thought_waits_for_twice_as_much(scene, installation, run_id, monkeypatch):
    needed = needed_bytes(installation.runs, installation.runs.status(run_id))
    leave_free(monkeypatch, RESERVE_BYTES + needed)
    scene.queue.submit_new()
    scene.come_back(StorageError(FULL))
    scene.pass_time(200)
    assert len(scene.submitted) == 1
    leave_free(monkeypatch, RESERVE_BYTES + 2 * needed)
    scene.pass_time(LONGEST_DELAY_SECONDS + 1)
    assert len(scene.submitted) == 2


def test_a_quota_does_not_show_in_the_free_space_and_gives_one_attempt_and_one_sentence(scene, installation, run_id, monkeypatch):
    """The disk has space, and takes nothing: without trying first, every try would leave its events in the record."""

    def over_quota(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("dpmed_core.files.os.posix_fallocate", over_quota)
    scene.queue.submit_new()
    scene.come_back(StorageError(FULL))
    scene.pass_time(600)
    assert len(scene.submitted) == 1
    assert installation.runs.status(run_id).message.startswith("Waiting: the disk quota of the data folder is used up.")
    monkeypatch.undo()
    scene.pass_time(LONGEST_DELAY_SECONDS + 1)
    assert len(scene.submitted) == 2


def test_that_a_run_waits_is_shown_where_it_cannot_be_written(installation, run_id, monkeypatch):
    installation.runs.set_progress(run_id, Progress(RunState.TRAINING, step=3, total_steps=120, attempt=1))
    leave_free(monkeypatch, 0)
    said = what_holds_up(installation.runs, installation.runs.status(run_id))
    assert said.startswith("Waiting: the disk of the data folder has 0 MiB left")


def test_a_run_without_a_step_for_minutes_says_so(installation, run_id, monkeypatch):
    installation.runs.set_progress(run_id, Progress(RunState.TRAINING, step=3, total_steps=120, attempt=1))
    at = installation.runs.progress(run_id).updated_at
    for seconds, said in ((30, ""), (360, "no step for 6 minutes"), (-1e6, "")):
        monkeypatch.setattr("dpmed_core.runs.status.time.time", lambda seconds=seconds: at + seconds)
        assert what_holds_up(installation.runs, installation.runs.status(run_id)) == said
    # Each step takes five minutes: one is not late before three of them.
    installation.runs.set_progress(run_id, Progress(RunState.TRAINING, step=3, total_steps=5, seconds_left=600.0, attempt=1))
    at = installation.runs.progress(run_id).updated_at
    for seconds, said in ((360, ""), (960, "no step for 16 minutes")):
        monkeypatch.setattr("dpmed_core.runs.status.time.time", lambda seconds=seconds: at + seconds)
        assert what_holds_up(installation.runs, installation.runs.status(run_id)) == said
