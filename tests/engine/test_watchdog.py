"""Workers and engines that hang: found by what they do not do, and ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from dpmed_core.engine import engine_watch
from dpmed_core.engine.engine_watch import LONGEST_QUIET_SECONDS, EngineWatch
from dpmed_core.engine.process import accepting_lock, engine_lock
from dpmed_core.engine.training_task import cancel_run
from dpmed_core.engine.watchdog import CANCEL_SECONDS, STEPS_WITHOUT_A_STEP, Watchdog
from dpmed_core.engine.worker_tasks import TaskKind, WorkerTask, forget_ended_tasks, worker_tasks, working_on
from dpmed_core.files import write_json
from dpmed_core.inference.requests import PublicFeatures
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.runs.status import Progress, RunState

LOOK_SECONDS = 2.0
BUSY = "import threading\nprint(threading.get_native_id(), flush=True)\nwhile True: pass"
IDLE = "import threading\nprint(threading.get_native_id(), flush=True)\nthreading.Event().wait()"


class FakeTask(WorkerTask):
    """A task whose thread uses as much of the processor as the test says."""

    used = 0.0

    def processor_seconds(self) -> float:
        return FakeTask.used


class Scene:
    """A run in training, a watchdog over its worker, and time that passes when a test says so."""

    def __init__(self, installation, run_id):
        self.installation, self.run_id = installation, run_id
        self.now, self.ended = 0.0, []
        self.watchdog = Watchdog(installation, clock=lambda: self.now, end=lambda task: self.ended.append(task) or True)
        self.task = FakeTask(TaskKind.RUN, run_id, 1, 1, 1, "here", 0.0)
        FakeTask.used = 0.0

    def show(self, step, total=100):
        self.installation.runs.set_progress(self.run_id, Progress(RunState.TRAINING, step=step, total_steps=total, attempt=1))

    def pass_time(self, seconds, *, share=0.0):
        """`seconds` pass, of which the worker's thread computes a share."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            FakeTask.used += share * LOOK_SECONDS
            self.watchdog.look([self.task])


@pytest.fixture
def scene(installation, spec):
    return Scene(installation, installation.runs.ask(spec, cohort_name="images").run_id)


@pytest.fixture
def process():
    """Starts a child process that runs a program and says the number of its thread."""
    started = []

    def start(program):
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        started.append(child)
        return child, int(child.stdout.readline())

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def task_of(child, thread, name="0123"):
    return WorkerTask(TaskKind.RUN, name, child.pid, os.getpid(), thread, socket.gethostname(), time.time())


def test_a_worker_that_does_nothing_is_ended_after_the_time_that_is_set(scene, installation):
    scene.show(3)
    scene.pass_time(installation.settings.stall_seconds - LOOK_SECONDS)
    assert not scene.ended
    scene.pass_time(2 * LOOK_SECONDS)
    assert scene.ended == [scene.task]
    last = installation.runs.attempts(scene.run_id)[-1]
    assert last["event"] == "hung" and "had done nothing for 5 minutes" in last["message"]


def test_a_long_computation_before_the_first_step_is_left_alone(scene):
    """Features of a large cohort take hours, in which the run says nothing."""
    scene.show(0)
    scene.pass_time(6 * 3600, share=0.005)
    assert not scene.ended


def test_the_time_without_a_step_grows_with_the_time_that_steps_take(scene, installation):
    slow = installation.settings.stall_seconds
    for step in range(3):
        scene.show(step)
        scene.pass_time(slow, share=0.9)
    scene.pass_time((STEPS_WITHOUT_A_STEP - 2) * slow, share=0.9)
    assert not scene.ended
    scene.pass_time(3 * slow, share=0.9)
    assert len(scene.ended) == 1


def test_held_out_patients_are_scored_after_the_last_step_as_long_as_it_takes(scene, installation):
    for step in (98, 99, 100):
        scene.show(step)
        scene.pass_time(10, share=0.9)
    scene.pass_time(20 * installation.settings.stall_seconds, share=0.9)
    assert not scene.ended


def test_a_machine_that_was_suspended_does_not_count_the_time(scene):
    scene.show(3)
    scene.pass_time(10)
    scene.now += 100 * 3600
    scene.watchdog.look([scene.task])
    assert not scene.ended


def test_a_cancelled_run_is_given_a_moment_to_stop_by_itself(scene, installation):
    scene.show(3)
    installation.runs.cancel(scene.run_id)
    scene.pass_time(CANCEL_SECONDS - LOOK_SECONDS, share=0.9)
    assert not scene.ended
    scene.pass_time(2 * LOOK_SECONDS, share=0.9)
    assert len(scene.ended) == 1
    assert not installation.runs.attempts(scene.run_id), "it was asked to end: nothing hung"


def test_an_inference_worker_that_hangs_is_ended_when_its_request_has_expired_and_one_that_computes_is_not(scene, installation):
    """The next request would wait for it in vain; what computes, as features of a cohort, is stored for the next who asks."""
    requests = InferenceRequests(installation)
    name = requests.ask(PublicFeatures("images", "1"), limit_seconds=0.0)
    scene.task = FakeTask(TaskKind.REQUEST, name, 1, 1, 1, "here", 0.0)
    assert not requests.state(name).is_open
    scene.pass_time(3600, share=0.9)
    assert not scene.ended
    scene.pass_time(CANCEL_SECONDS + LOOK_SECONDS)
    assert scene.ended == [scene.task]


def test_a_thread_that_computes_is_told_from_one_that_waits(process):
    (busy, busy_thread), (idle, idle_thread) = process(BUSY), process(IDLE)
    used = {}
    for _ in range(2):
        for child, thread in ((busy, busy_thread), (idle, idle_thread)):
            used.setdefault(child.pid, []).append(task_of(child, thread).processor_seconds())
        time.sleep(0.3)
    assert used[busy.pid][1] > used[busy.pid][0]
    assert used[idle.pid][1] == used[idle.pid][0]


def test_a_process_that_only_has_the_number_of_a_worker_is_not_ended(process):
    child, thread = process(IDLE)
    task = task_of(child, thread)
    assert not replace(task, parent=task.parent + 1).end()
    assert not replace(task, host="elsewhere").end()
    assert not WorkerTask(TaskKind.RUN, "0123", os.getpid(), os.getppid(), thread, socket.gethostname(), 0.0).end()
    assert child.poll() is None
    assert task.end()
    assert child.wait(10) == -signal.SIGKILL


def test_what_a_worker_works_on_is_known_as_long_as_it_does(settings):
    with working_on(settings, TaskKind.REQUEST, "0123"):
        [task] = worker_tasks(settings)
    assert (task.kind, task.name, task.pid, task.parent) == (TaskKind.REQUEST, "0123", os.getpid(), os.getppid())
    assert worker_tasks(settings) == []


def test_what_a_killed_worker_has_left_is_removed(settings, process):
    child, thread = process(IDLE)
    write_json(settings.engine_dir / "working" / f"{child.pid}.json", vars(task_of(child, thread)))
    forget_ended_tasks(settings)
    assert [task.pid for task in worker_tasks(settings)] == [child.pid]
    child.kill()
    child.wait()
    forget_ended_tasks(settings)
    assert worker_tasks(settings) == []


def test_cancel_ends_a_worker_that_was_stopped_where_no_engine_is(installation, spec, process):
    """It holds the run's lock, and cannot notice that it is asked to stop."""
    run_id = installation.runs.ask(spec, cohort_name="images").run_id
    lock = installation.runs.worker_lock(run_id).lock_file
    hold = f"import fcntl\nheld = open({lock!r}, 'w')\nfcntl.flock(held, fcntl.LOCK_EX)\n{IDLE}"
    child, thread = process(hold)
    installation.runs.set_progress(run_id, Progress(RunState.TRAINING, step=3, total_steps=120, attempt=1))
    write_json(installation.settings.engine_dir / "working" / f"{child.pid}.json", vars(task_of(child, thread, run_id)))
    os.kill(child.pid, signal.SIGSTOP)
    while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    cancel_run(installation, run_id)
    assert child.wait(10) == -signal.SIGKILL
    assert installation.runs.status(run_id).state is RunState.CANCELLED


def test_an_engine_that_stands_still_is_ended_and_one_that_waits_for_work_is_not(settings, monkeypatch):
    now, switches, killed = [0.0], [0], []
    monkeypatch.setattr(engine_watch, "switches_of", lambda pid: switches[0])
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))
    write_json(settings.engine_dir / "address.json", {"pid": 4_000_000, "host": socket.gethostname(), "scheduler": ""})
    with engine_lock(settings), accepting_lock(settings):
        watch = EngineWatch(settings, clock=lambda: now[0])

        def look(seconds, *, moves):
            for _ in range(round(seconds / LOOK_SECONDS)):
                now[0] += LOOK_SECONDS
                switches[0] += moves
                watch.look()

        look(1000, moves=1)
        assert not killed
        look(LONGEST_QUIET_SECONDS + LOOK_SECONDS, moves=0)
        assert killed == [(4_000_000, signal.SIGKILL)]
    look(1000, moves=0)
    assert len(killed) == 1, "without an engine there is nobody to end"
