"""Processes killed (SIGKILL) at random moments, and an engine that is asked at the moments at which it ends."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import plotly.graph_objects as go
import psutil
from filelock import Timeout

from benchmarks.import_kills import PROGRAM
from benchmarks.importing import KEY, images
from benchmarks.running_installation import Running, running, wait_until, write_cohort
from dpmed_core.cohort.store import CohortStore
from dpmed_core.engine import cluster, process
from dpmed_core.engine.process import engine_accepts, engine_is_alive, ensure_engine
from dpmed_core.engine.worker_tasks import TaskKind, WorkerTask, worker_tasks
from dpmed_core.errors import ExportError
from dpmed_core.installation import Installation
from dpmed_core.reporting.static_images import picture
from dpmed_core.runs.status import OPEN_STATES, Progress, RunState
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

N_KILLS, N_ASKS = 30, 500
IDLE_SECONDS = 0.1


SEEN = {
    "server": ("the page reconnects when the server is started again", "nothing"),
    "engine": ("training goes on", "steps after the last checkpoint"),
    "worker": ("training goes on", "steps after the last checkpoint"),
}
"""By kind of process: what users see, and what is lost."""


def processes_scene(folder: Path) -> list[dict[str, object]]:
    """Server, engine and workers are killed in turn, at random moments while runs train; a supervisor starts the server again."""
    moments, asked = random.Random(0), list[str]()
    seconds: dict[str, list[float]] = {kind: [] for kind in SEEN}
    with running(folder, workers=2) as one:
        one.start_server()
        one.start_engine()
        for kind in [*SEEN] * N_KILLS:
            asked += _keep_busy(one, asked)
            time.sleep(moments.uniform(0, 4))
            seconds[kind].append(_kill(one, kind, moments))
            sys.stderr.write(f"{kind}: {seconds[kind][-1]:.1f} s\n")
        one.wait_for_end(*asked)
        spending = f"{one.spending(*asked)}, of {len(asked)} runs"
    return [
        {
            "fault": f"{kind} killed at {N_KILLS} random moments",
            "users see": sees,
            "lost": lost,
            "recovers in s": _spread(seconds[kind]),
            "spending": spending,
        }
        for kind, (sees, lost) in SEEN.items()
    ]


def _keep_busy(one: Running, asked: list[str]) -> list[str]:
    """Further runs, so that three are open."""
    n_open = sum(one.state(run_id) in OPEN_STATES for run_id in asked[-6:])
    return [one.ask(8.0, seed=len(asked) + more) for more in range(3 - n_open)]


def _kill(one: Running, kind: str, moments: random.Random) -> float:
    """Kill a process of a kind; the seconds until another does its work."""
    began = time.monotonic()
    if kind == "server":
        _, server = one.servers.popitem()
        server.kill()
        server.wait()
        one.start_server()
    elif kind == "engine":
        killed = one.engine_pid()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: engine_accepts(one.settings) and one.engine_pid() != killed, "another engine, by the server's keeper")
    else:
        wait_until(lambda: bool(_at_work(one)), "work")
        task = moments.choice(_at_work(one))
        began = time.monotonic()
        task.end()
        # The same run by another process; or its end, where it was killed after its last step.
        wait_until(
            lambda: one.state(task.name) not in OPEN_STATES or any(t.name == task.name and t.pid != task.pid for t in _at_work(one)),
            "work by another",
        )
    return time.monotonic() - began


def _at_work(one: Running) -> list[WorkerTask]:
    """What workers that live are working on."""
    return [task for task in worker_tasks(one.settings) if task.kind is TaskKind.RUN and task.processor_seconds() is not None]


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} (median; at most {ordered[-1]:.1f})"


def import_worker_scene(folder: Path) -> list[dict[str, object]]:
    """Processes that read images are killed or stopped at random moments of imports; the cohort is whole all the same."""
    moments, outcomes = random.Random(0), Counter[str]()
    with images(400, 512) as manifest:
        store = CohortStore(folder / "cohorts", KEY)
        command = [sys.executable, "-c", PROGRAM, str(store.root), str(manifest), str(folder / "first")]
        began = time.monotonic()
        subprocess.run(command, check=True)
        whole_seconds, fingerprint = time.monotonic() - began, store.fingerprint("images")
        n_images, n_hit, longest = len(store.load("images").cases), 0, 0.0
        while n_hit < N_KILLS:
            store.remove("images")
            began = time.monotonic()
            importer = subprocess.Popen(command)
            n_hit += _hit_readers(importer, moments, whole_seconds, most=N_KILLS - n_hit)
            importer.wait()
            longest = max(longest, time.monotonic() - began)
            stored = store.load("images")
            whole = stored.fingerprint == fingerprint
            outcomes["whole" if whole else f"{n_images - len(stored.cases)} of {n_images} images left out"] += 1
    sees = f"the import goes on; cohorts: {dict(outcomes)}"
    seconds = f"{whole_seconds:.1f} s for an import, at most {longest:.1f} with kills"
    return [{"fault": f"import workers killed at {N_KILLS} random moments", "users see": sees, "lost": "nothing", "recovers in s": seconds,
             "spending": "none"}]  # fmt: skip


def _hit_readers(importer: "subprocess.Popen[bytes]", moments: random.Random, seconds: float, *, most: int) -> int:
    """Kill up to two processes of an import at random moments; how many were there to be killed."""
    hit = 0
    for _ in range(min(2, most)):
        time.sleep(moments.uniform(0.3, max(seconds / 2, 0.5)))
        with suppress(psutil.Error, IndexError):
            moments.choice(psutil.Process(importer.pid).children(recursive=True)).kill()
            hit += 1
    return hit


def export_scene(folder: Path) -> list[dict[str, object]]:
    """The browser that draws pictures is killed at random moments: a picture is whole, or one sentence says that there is none."""
    moments, outcomes, seconds = random.Random(0), Counter[str](), []
    figure = go.Figure(go.Scatter(y=[1, 2, 3])).update_layout(width=400, height=300)
    whole = picture(figure, "png")
    for _ in range(N_KILLS):
        killer = threading.Thread(target=_kill_a_browser, args=(moments.uniform(0.2, 4.0),))
        killer.start()
        began = time.monotonic()
        try:
            outcomes["whole" if picture(figure, "png") == whole else "ANOTHER PICTURE"] += 1
        except ExportError:
            outcomes["refused in one sentence"] += 1
        seconds.append(time.monotonic() - began)
        killer.join()
        assert picture(figure, "png") == whole, "the next one is drawn"
    del folder
    return [{"fault": f"export's browser killed at {N_KILLS} random moments", "users see": str(dict(outcomes)), "lost": "nothing",
             "recovers in s": f"{_spread(seconds)} to the answer; the next picture is drawn", "spending": "none"}]  # fmt: skip


def _kill_a_browser(after: float) -> None:
    time.sleep(after)
    started = [one for one in psutil.Process().children(recursive=True) if "chrom" in one.name().lower()]
    for one in started:
        with suppress(psutil.Error):
            one.kill()


class _Scheduler:
    """Stands for Dask: a run that is submitted is finished at once."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    def submit(self, task: object, settings: Settings, run_id: str, **_: object) -> "Future[None]":
        """Finish the run."""
        self.installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
        done: Future[None] = Future()
        done.set_result(None)
        done.status = "finished"  # type: ignore[attr-defined]
        return done

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        """Nobody's address."""
        return {"address": "none", "workers": {}}


class _Engine:
    """An engine in a thread of this process: its locks and its loop are the real ones."""

    pid = os.getpid()

    def __init__(self, installation: Installation, closing: Callable[[], float]) -> None:
        self.installation, self.closing = installation, closing
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def poll(self) -> int | None:
        """None while it runs."""
        return None if self.thread.is_alive() else 0

    def _serve(self) -> None:
        # Not alone: the engine that was ending has seen the run after all, and goes on.
        with suppress(Timeout), cluster.alone(self.installation.settings):
            cluster.work_until_idle(self.installation.settings, _Scheduler(self.installation))  # type: ignore[arg-type]
            time.sleep(self.closing())  # as workers take time to end


def ask_while_ending(installation: Installation, spec: RunSpec, n_asks: int) -> tuple[int, float]:
    """Ask for runs at moments around the idle limit of the engine, each once, by somebody who does not come back to look.

    Returns:
        (engines that were started, the longest time in seconds that a run waited for its end).

    Raises:
        TimeoutError: a run stays queued.
    """
    settings, moments, started, longest = installation.settings, random.Random(0), [], 0.0

    def start(_: Settings) -> _Engine:
        started.append(_Engine(installation, closing=lambda: moments.uniform(0, 0.2)))
        return started[-1]

    quick = [(cluster, "POLL_SECONDS", 0.005), (cluster, "IDLE_POLL_SECONDS", 0.005), (process, "_start", start)]
    with patch("dpmed_core.engine.training_queue.IDLE_LOOK_SECONDS", 0.02):
        patches = [patch.object(module, name, value) for module, name, value in quick]
        for one in patches:
            one.start()
        try:
            for number in range(n_asks):
                run_id = installation.runs.ask(replace(spec, seed=number), cohort_name="images").run_id
                ensure_engine(settings)
                done = lambda run_id=run_id: installation.runs.progress(run_id).state is RunState.FINISHED  # noqa: E731
                longest = max(longest, wait_until(done, f"run {number} stays queued", 60.0))
                time.sleep(moments.uniform(IDLE_SECONDS - 0.05, IDLE_SECONDS + 0.1))
            wait_until(lambda: not engine_is_alive(settings), "the idle engine's end", 60.0)
        finally:
            for one in patches:
                one.stop()
    return len(started), longest


def asks_scene(folder: Path) -> list[dict[str, object]]:
    """An engine that is asked while it ends."""
    (folder / "data").mkdir(mode=0o700)
    installation = Installation.open(Settings(data_dir=folder / "data", workers=1, engine_idle_seconds=IDLE_SECONDS, demo=False))
    cohort = write_cohort(installation)
    spec = RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(8.0, 1e-5), seed=0)
    n_started, longest = ask_while_ending(installation, spec, N_ASKS)
    return [{"fault": f"engine asked {N_ASKS} times around its end", "users see": f"each run starts; {n_started} engines were needed",
             "lost": "nothing", "recovers in s": f"at most {longest:.1f}", "spending": "none"}]  # fmt: skip
