"""Runs that are asked for while an idle engine ends: none of them stays queued."""

import os
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from filelock import Timeout

from dpmed_core.engine import cluster, process
from dpmed_core.engine.process import engine_accepts, engine_is_alive, ensure_engine
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.settings import Settings

N_ASKS = 40
IDLE_SECONDS = 0.1
LONGEST_SECONDS = 60.0


class Scheduler:
    """Stands for Dask: a run that is submitted is finished at once."""

    def submit(self, task, settings, run_id, **_):
        self.installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
        done = Future()
        done.set_result(None)
        done.status = "finished"
        return done

    def scheduler_info(self, n_workers):
        return {"address": "none", "workers": {}}


class Engine:
    """An engine in a thread of this process: its locks and its loop are the real ones."""

    pid = os.getpid()

    def __init__(self, settings, installation, closing):
        self.closing = closing
        self.client = Scheduler()
        self.client.installation = installation
        self.thread = threading.Thread(target=self.serve, args=(settings,), daemon=True)
        self.thread.start()

    def poll(self):
        return None if self.thread.is_alive() else 0

    def serve(self, settings):
        # Not alone: the engine that was ending has seen the run after all, and goes on.
        with suppress(Timeout), cluster.alone(settings):
            cluster.work_until_idle(settings, self.client)
            time.sleep(self.closing())  # as workers take time to end


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir, workers=1, engine_idle_seconds=IDLE_SECONDS)


def wait_for(condition, what):
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_run_that_is_asked_for_while_the_engine_ends_is_not_left_queued(settings, installation, spec, monkeypatch):
    """Asked at moments around the idle limit, each run once, by somebody who does not come back to look."""
    random_ = random.Random(0)
    started = []

    def start(_):
        started.append(Engine(settings, installation, closing=lambda: random_.uniform(0, 0.2)))
        return started[-1]

    monkeypatch.setattr(process, "_start", start)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(cluster, "IDLE_POLL_SECONDS", 0.005)
    monkeypatch.setattr("dpmed_core.engine.training_queue.IDLE_LOOK_SECONDS", 0.02)
    for number in range(N_ASKS):
        run_id = installation.runs.ask(replace(spec, seed=number), cohort_name="images").run_id
        ensure_engine(settings)
        wait_for(lambda run_id=run_id: installation.runs.progress(run_id).state is RunState.FINISHED, f"run {number} stays queued")
        time.sleep(random_.uniform(IDLE_SECONDS - 0.05, IDLE_SECONDS + 0.1))
    wait_for(lambda: not engine_is_alive(settings), "the idle engine does not end")
    assert 1 < len(started) < N_ASKS, "some asks met an engine that took them, some one that ended"


def test_looking_at_an_engine_keeps_no_other_from_starting_and_is_not_taken_for_one(settings):
    with process.engine_lock(settings):  # makes the file
        assert engine_is_alive(settings)

    def look():
        return [engine_is_alive(settings) for _ in range(1000)]

    with ThreadPoolExecutor(4) as pool:
        assert not any(any(seen.result()) for seen in [pool.submit(look) for _ in range(4)])
        looks = [pool.submit(look) for _ in range(4)]
        for _ in range(20):
            with process.engine_lock(settings).acquire(timeout=process.LOCK_SECONDS):
                pass
        assert all(seen.result() for seen in looks)


def test_looking_writes_nothing(settings):
    assert not engine_is_alive(settings) and not engine_accepts(settings)
    assert not settings.engine_dir.exists()
