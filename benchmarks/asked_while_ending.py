"""An engine that is asked at the moments at which it ends."""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from filelock import Timeout

from benchmarks.running_installation import wait_until, write_cohort
from dpmed_core.engine import cluster, process
from dpmed_core.engine.process import engine_is_alive, ensure_engine
from dpmed_core.installation import Installation
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

N_ASKS = 500
IDLE_SECONDS = 0.1


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
