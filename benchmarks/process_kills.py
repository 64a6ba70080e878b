"""Every process of an installation, killed (SIGKILL) at random moments: does its work go on, how soon, and is spending right?

`python -m benchmarks process-kills` kills each kind thirty times; `python -m benchmarks.process_kills N [KIND ...]` those of these kinds N
times. For each of server, engine and workers there is an installation of its own, with one training worker and short runs. What an attempt
really did is told by a thread that reads the progress of all runs ten times a second, not by the ledger.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import psutil

from benchmarks.import_kills import PROGRAM
from benchmarks.importing import KEY, images
from benchmarks.running_installation import Running, running, wait_until
from dpmed_core.cohort.store import CohortStore
from dpmed_core.engine.process import engine_accepts
from dpmed_core.engine.worker_tasks import TaskKind, WorkerTask, worker_tasks
from dpmed_core.errors import DpmedError, ExportError
from dpmed_core.inference.requests import Explanation
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.reporting.static_images import picture
from dpmed_core.runs.charged_attempts import attempts_of
from dpmed_core.runs.status import OPEN_STATES, RunState

N_KILLS, AT_MOST_SECONDS, KIND_SECONDS = 30, 12.0, 1400.0
"""How often each kind is killed, the longest random time before that, once there is work, and after how long no more are killed."""
LONGEST_SECONDS = 300.0
"""A process whose work has not gone on by then has not recovered."""
N_PROCESSED, SIDE = 400, 512
"""Images of an import, and their side in pixels."""

Row = dict[str, object]


class Seen:
    """What the attempts at all runs were seen to do, by a thread that reads their progress.

    Attributes:
        steps: the furthest step of each run_id and number of its attempt.
    """

    def __init__(self, one: Running) -> None:
        self.one, self.steps, self._ended = one, dict[tuple[str, int], int](), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for path in self.one.here.runs.root.glob("*/progress.json"):
                with suppress(DpmedError):
                    progress = self.one.here.runs.progress(path.parent.name)
                    at = (path.parent.name, progress.attempt)
                    if progress.state in (RunState.TRAINING, RunState.FINISHED):
                        self.steps[at] = max(progress.step, self.steps.get(at, 0))

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


def rows() -> list[Row]:
    """One row for each kind of process."""
    return [killed(kind, N_KILLS) for kind in KINDS]


def killed(kind: str, n_kills: int) -> Row:
    """One kind of process, killed so often."""
    with tempfile.TemporaryDirectory(prefix=f"dpmed-{kind.replace(' ', '-')}-") as folder:
        return {"process": kind, **KINDS[kind](Path(folder), n_kills)}


def _times(seconds: list[float]) -> Row:
    recovered = sorted(one for one in seconds if one < LONGEST_SECONDS)
    middle, most = (recovered[len(recovered) // 2], recovered[-1]) if recovered else (None, None)
    return {"kills": len(seconds), "recovered": len(recovered), "median s": _tenths(middle), "longest s": _tenths(most)}


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _of_installation(kill: Callable[[Running, random.Random], float]) -> Callable[[Path, int], Row]:
    """Kill a process of a running installation again and again, while runs train in it."""

    def measure(folder: Path, n_kills: int) -> Row:
        moments, asked, seconds = random.Random(0), list[str](), list[float]()
        with running(folder) as one:
            one.start_server()
            one.start_engine()
            seen = Seen(one)
            began = time.monotonic()
            while len(seconds) < n_kills and time.monotonic() - began < KIND_SECONDS:
                asked += _keep_busy(one, asked)
                _wait_for_checkpoint(one, asked[-1])
                time.sleep(moments.uniform(0, AT_MOST_SECONDS))
                asked += _keep_busy(one, asked)  # the run may have ended meanwhile
                try:
                    seconds.append(kill(one, moments))
                except TimeoutError:
                    seconds.append(LONGEST_SECONDS)
                sys.stderr.write(f"{kill.__name__} {len(seconds)}: {seconds[-1]:.1f} s\n")
            with suppress(TimeoutError):
                one.wait_for_end(*asked)
            seen.close()
            return {**_times(seconds), **_spent(one, asked, seen), **_said(folder)}

    return measure


def _keep_busy(one: Running, asked: list[str]) -> list[str]:
    """A further run, where none is open."""
    return [] if any(one.state(run_id) in OPEN_STATES for run_id in asked[-2:]) else [one.ask(8.0, seed=len(asked))]


def _wait_for_checkpoint(one: Running, run_id: str) -> None:
    """Wait where the next death would be the third without a checkpoint, after which a run is taken for one that kills its worker."""

    def would_be_given_up() -> bool:
        deaths = 0
        for event in one.here.runs.attempts(run_id):
            deaths = 0 if event["event"] == "checkpoint" else deaths + (event["event"] == "started")
        return deaths >= 2 and one.state(run_id) in OPEN_STATES

    wait_until(lambda: not would_be_given_up(), "a checkpoint")


def _server(one: Running, _: random.Random) -> float:
    """Until it answers again, started by a supervisor at once."""
    server = one.servers.popitem()[1]
    began = time.monotonic()
    server.kill()
    server.wait()
    one.start_server()
    return time.monotonic() - began


def _engine(one: Running, _: random.Random) -> float:
    """Until another takes work, which the server's keeper starts."""
    killed_pid = None
    while killed_pid is None:
        wait_until(lambda: engine_accepts(one.settings), "an engine", LONGEST_SECONDS)
        pid = one.engine_pid()
        with suppress(ProcessLookupError):  # it may just have ended, with nothing left to do
            os.kill(pid, signal.SIGKILL)
            killed_pid = pid
    began = time.monotonic()
    wait_until(lambda: engine_accepts(one.settings) and one.engine_pid() != killed_pid, "another engine", LONGEST_SECONDS)
    return time.monotonic() - began


def _training_worker(one: Running, moments: random.Random) -> float:
    """Until another attempt at the run has begun, or the run has ended."""
    return _kill_worker(one, TaskKind.RUN, moments, lambda task, begun: one.state(task.name) not in OPEN_STATES or _attempts(one) > begun)


def _attempts(one: Running) -> int:
    """How many attempts at all runs have begun."""
    return sum(event["event"] == "started" for run_id in one.here.runs.ids() for event in one.here.runs.attempts(run_id))


def _inference_worker(one: Running, moments: random.Random) -> float:
    """Until the request that it worked on is answered."""
    requests, name = InferenceRequests(one.here), ""

    def ask() -> bool:
        nonlocal name
        if not name or not requests.state(name).is_open:
            name = requests.ask(_request(one, moments))
        return bool(_at_work(one, TaskKind.REQUEST))

    wait_until(lambda: any(status.state is RunState.FINISHED for status in one.here.runs.statuses()), "a model to explain")
    wait_until(ask, "a request that is worked on", LONGEST_SECONDS)
    seconds = _kill_worker(one, TaskKind.REQUEST, moments, lambda task, _: not requests.state(task.name).is_open)
    state = requests.state(name)
    return seconds if state.stage is Stage.ANSWERED else LONGEST_SECONDS


def _request(one: Running, moments: random.Random) -> Explanation:
    """An explanation of a random case, by occlusion, which takes longest."""
    run_id = next(status.run_id for status in one.here.runs.statuses() if status.state is RunState.FINISHED)
    case = moments.choice(list(one.here.cohorts.load("images").cases["case_id"]))
    return Explanation("images", case, ((run_id, one.here.runs.weights_digest(run_id)),), "mass", "occlusion")


def _kill_worker(one: Running, kind: TaskKind, moments: random.Random, is_done: Callable[[WorkerTask, int], bool]) -> float:
    """Kill a worker that works; the seconds until its work goes on, by the task and how many attempts had begun."""
    wait_until(lambda: bool(_at_work(one, kind)), "work", LONGEST_SECONDS)
    task = moments.choice(_at_work(one, kind))
    began = time.monotonic()
    task.end()
    begun = _attempts(one)
    wait_until(lambda: is_done(task, begun), "work by another", LONGEST_SECONDS)
    return time.monotonic() - began


def _at_work(one: Running, kind: TaskKind) -> list[WorkerTask]:
    """What workers that live are working on."""
    return [task for task in worker_tasks(one.settings) if task.kind is kind and task.processor_seconds() is not None]


def _spent(one: Running, asked: list[str], seen: Seen) -> Row:
    """What became of the runs: how many have no result, and whether the ledger holds each attempt that was seen to take a step.

    A model holds as many steps as were planned; what is charged for it can be more, and never less.
    """
    runs, drawn = one.here.runs, {draw.draw for draw in one.here.ledger.book().draws}
    draws = {(run_id, int(e["attempt"])): str(e["draw"]) for run_id in asked for e in runs.attempts(run_id) if e["event"] == "planned"}
    stepped = [at for at, step in seen.steps.items() if step > _began(one, at)]
    finished = [run_id for run_id in asked if runs.status(run_id).state is RunState.FINISHED and not runs.is_damaged(run_id)]
    charged = {run_id: sum(attempt.steps for attempt in attempts_of(runs, run_id)) for run_id in finished}
    too_few = [run_id for run_id in finished if charged[run_id] < runs.status(run_id).total_steps]
    return {
        "runs": len(asked),
        "runs lost": len(asked) - len(finished),
        "attempts": len(draws),
        "seen to take steps": len(stepped),
        "of them charged": sum(draws.get(at) in drawn for at in stepped),
        "steps in models": sum(runs.status(run_id).total_steps for run_id in finished),
        "steps charged": sum(charged.values()),
        "spending": one.spending(*asked) if not too_few else f"WRONG: run {too_few[0]} is charged too little",
    }


def _began(one: Running, at: tuple[str, int]) -> int:
    """The step from which an attempt went on."""
    number, began = 0, 0
    for event in one.here.runs.attempts(at[0]):
        number = int(event.get("attempt", number)) if event["event"] == "started" else number
        if event["event"] == "resumed" and number == at[1]:
            began = int(event["step"])
    return began


def _said(folder: Path) -> Row:
    """Tracebacks, and errors, in all that the processes of an installation said."""
    texts = [path.read_text(errors="replace") for path in _outputs(folder)]
    return {
        "tracebacks": sum(text.count("Traceback (most recent call last)") for text in texts),
        "errors logged": sum(len(re.findall(r'"level": "(?:ERROR|CRITICAL)"', text)) for text in texts),
    }


def _outputs(folder: Path) -> Iterator[Path]:
    for pattern in ("*.out", "data/logs/*.log*", "data/engine/*.log*", "data/engine/*.err"):
        yield from folder.glob(pattern)


def _of_import(hit: Callable[["subprocess.Popen[bytes]", random.Random, float], bool], *, is_process: bool) -> Callable[[Path, int], Row]:
    """Kill an import, or what reads its images, again and again; whether the cohort is whole, at once or by the same command again."""

    def measure(folder: Path, n_kills: int) -> Row:
        moments, seconds, n_hit, n_lost = random.Random(0), list[float](), 0, 0
        with images(N_PROCESSED, SIDE) as manifest, (folder / "import.out").open("ab") as out:
            store = CohortStore(folder / "cohorts", KEY)
            command: dict[str, Any] = {"args": [sys.executable, "-c", PROGRAM, store.root, manifest, folder / "first"], "stderr": out}
            began = time.monotonic()
            subprocess.run(**command, check=True)
            whole_seconds, fingerprint = time.monotonic() - began, store.fingerprint("images")
            while n_hit < n_kills:
                store.remove("images")
                importer = subprocess.Popen(**command)
                was_hit, began = hit(importer, moments, whole_seconds), time.monotonic()
                importer.wait()
                if was_hit and is_process and "images" not in store.names():
                    subprocess.run(**command, check=True)
                if was_hit:
                    n_hit += 1
                    seconds.append(time.monotonic() - began)
                    n_lost += store.load("images").fingerprint != fingerprint
                    sys.stderr.write(f"{hit.__name__} {n_hit}: {seconds[-1]:.1f} s\n")
        return {**_times(seconds), "cohorts lost": n_lost, **_said(folder)}

    return measure


def _import_process(importer: "subprocess.Popen[bytes]", moments: random.Random, seconds: float) -> bool:
    """Kill an import, unless it has ended, with what it started left to itself."""
    time.sleep(moments.uniform(0, seconds))
    was_alive = importer.poll() is None
    importer.kill()
    return was_alive


def _import_worker(importer: "subprocess.Popen[bytes]", moments: random.Random, seconds: float) -> bool:
    """Kill one of the processes that read images, some time after there is one, unless there is none by then."""
    while importer.poll() is None and not _readers(importer):
        time.sleep(0.05)
    time.sleep(moments.uniform(0, seconds / 4))
    if readers := _readers(importer):
        moments.choice(readers).kill()
    return bool(readers)


def _readers(importer: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [child for child in psutil.Process(importer.pid).children() if "cohort.intake.worker" in " ".join(child.cmdline())]
    return []


def _export_browser(_: Path, n_kills: int) -> Row:
    """Kill the browser that draws a picture: it is whole, or one sentence says that there is none, and the next one is drawn."""
    moments, seconds, n_lost, n_hit = random.Random(0), list[float](), 0, 0
    figure = go.Figure(go.Scatter(y=[1, 2, 3])).update_layout(width=400, height=300)
    began = time.monotonic()
    whole = picture(figure, "png")
    longest = time.monotonic() - began
    while n_hit < n_kills:
        killer = _Killer(moments.uniform(0, longest))
        with suppress(ExportError):
            n_lost += picture(figure, "png") != whole
        killer.join()
        if killer.hit_at is not None:
            n_hit += 1
            n_lost += picture(figure, "png") != whole
            seconds.append(time.monotonic() - killer.hit_at)
            sys.stderr.write(f"browser {n_hit}: {seconds[-1]:.1f} s\n")
    return {**_times(seconds), "wrong pictures": n_lost}


class _Killer(threading.Thread):
    """Kills the browsers of this process once, after some time; when, or None where there was none."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.after = after
        self.hit_at: float | None = None
        self.start()

    def run(self) -> None:
        time.sleep(self.after)
        for one in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "chrom" in one.name().lower():
                    one.kill()
                    self.hit_at = self.hit_at or time.monotonic()


KINDS: dict[str, Callable[[Path, int], Row]] = {
    "export browser": _export_browser,
    "import process": _of_import(_import_process, is_process=True),
    "import worker": _of_import(_import_worker, is_process=False),
    "training worker": _of_installation(_training_worker),
    "inference worker": _of_installation(_inference_worker),
    "server": _of_installation(_server),
    "engine": _of_installation(_engine),
}
"""Each is given an empty folder, and how often to kill."""


if __name__ == "__main__":
    for name in sys.argv[2:] or list(KINDS):
        sys.stdout.write(" | ".join(f"{key}: {value}" for key, value in killed(name, int(sys.argv[1])).items()) + "\n")
        sys.stdout.flush()
