"""Workers that are stopped by a signal, or never answer: the import goes on with others, and only an image at fault is left out."""

import os
import signal
import sys
import time

import psutil
import pytest

from dpmed_core.cohort.intake import workers as workers_module
from dpmed_core.cohort.intake.workers import Workers
from dpmed_core.imaging.modality import Modality

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(workers_module, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(workers_module, "ENDING_SECONDS", 1.0)


@pytest.mark.parametrize("which", ["first", "forked", "all"])
def test_images_of_a_stopped_worker_are_read_by_another(tmp_path, write_png, which):
    chunks = []
    for number in range(6):
        write_png(tmp_path / f"{number}.png", number)
        chunks.append([(number, str(tmp_path / f"{number}.png"))])
    with Workers(2, Modality.RADIOGRAPH) as workers:
        warm = [workers.submit(chunk) for chunk in chunks[:2]]
        assert all(future.result()[0][1].message == "" for future in warm)
        leader = psutil.Process(workers._started[0].pid)
        family = {"first": [leader], "forked": leader.children(), "all": [leader, *leader.children()]}[which]
        assert family
        for process in family:
            os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
        read = [workers.submit(chunk).result(timeout=60)[0][1] for chunk in chunks[2:]]
        assert [one.message for one in read] == [""] * 4 and all(one.pixels for one in read)
        assert time.monotonic() - began < 30
        # The first one has ended, and a process that it had forked is stopped: nobody knows it as a child any more.
        if which == "first":
            orphan = next(pid for pid in psutil.pids() if os.getsid(pid) == leader.pid and pid != leader.pid)
            os.kill(orphan, signal.SIGSTOP)
            read = [workers.submit(chunk).result(timeout=60)[0][1] for chunk in chunks[2:]]
            assert [one.message for one in read] == [""] * 4
            deadline = time.monotonic() + 30
            while psutil.pid_exists(orphan):  # a process that was ended stays listed until somebody asked how
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_an_image_that_takes_too_long_is_left_out_and_its_worker_is_ended(monkeypatch):
    """A worker that never answers about one image and answers at once about others."""
    program = "import sys, time\ntime.sleep(600)\n"
    real = workers_module.subprocess.Popen
    monkeypatch.setattr(
        workers_module.subprocess, "Popen", lambda command, **options: real([sys.executable, "-c", program, *command[3:]], **options)
    )
    monkeypatch.setitem(workers_module.LONGEST_SECONDS, Modality.RADIOGRAPH, 0.5)
    with Workers(1, Modality.RADIOGRAPH) as workers:
        [(_, read)] = workers.submit([(0, "/a.png")]).result(timeout=30)
        started = [process.pid for process in workers._started]
    assert read.message.startswith("takes the program that reads it more than") and read.pixels is None
    assert not any(psutil.pid_exists(pid) for pid in started)
