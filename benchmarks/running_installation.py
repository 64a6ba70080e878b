"""An installation whose processes run as they do for users: a server, an engine with its workers, and runs to train; to be damaged."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.process import address, engine_accepts, engine_is_alive
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import OPEN_STATES, RunState
from dpmed_core.settings import Settings, settings_environment
from dpmed_core.training.spec import PrivacyUnit

ROOT = Path(__file__).resolve().parents[1]
CLOCK = Path(__file__).with_name("clock")
LONGEST_SECONDS = 600.0
CALIBRATIONS = Path(tempfile.gettempdir()) / "dpmed-benchmark-calibrations"
"""Kept between scenes: what is measured is not how long a calibration takes."""
N_IMAGES, IMAGES_A_PATIENT = 240, 2


@dataclass
class Running:
    """A data folder with a cohort, and the processes on it.

    Attributes:
        settings: of the data folder.
        servers: dashboards, by their port.
    """

    settings: Settings
    servers: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def here(self) -> Installation:
        """The installation, opened anew."""
        return Installation.open(self.settings)

    @property
    def clock(self) -> Path:
        """The file with the seconds by which the clock of all processes is set off."""
        return self.settings.data_dir.parent / "clock"

    def environment(self) -> dict[str, str]:
        """The variables of its processes."""
        paths = os.pathsep.join([str(CLOCK), str(ROOT)])
        return {**settings_environment(self.settings), "FAULT_CLOCK": str(self.clock), "PYTHONPATH": paths, "DPMED_DEMO": "false"}

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of DPMed, run to its end."""
        called = [sys.executable, "-W", "ignore", "-m", "dpmed_core", *words]
        return subprocess.run(called, cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=LONGEST_SECONDS)

    def ask(self, epsilon: float, seed: int = 0, recipe: str = "paper") -> str:
        """The run_id of a private run that is queued now."""
        cohort = self.here.cohorts.load("images")
        options = {"recipe": recipe, "epsilons": [epsilon], "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
        (spec,) = plan_runs(cohort, key=self.here.key, non_private=False, **options)
        spec = type(spec)(**{**vars(spec), "seed": seed})
        return self.here.ledger.ask(cohort, [spec])[0].run_id

    def start_server(self) -> int:
        """The port of a server, which answers."""
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = int(probe.getsockname()[1])
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        with (self.settings.data_dir.parent / "server.out").open("ab") as out:
            self.servers[port] = subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=out, stderr=out)
        wait_until(lambda: self.servers[port].poll() is not None or self.answers(port), "the server's start")
        if self.servers[port].poll() is not None:
            raise RuntimeError("The server ended: see server.out.")
        return port

    def answers(self, port: int, path: str = "health") -> bool:
        """Whether a server answers with status 200."""
        with suppress(OSError), urllib.request.urlopen(f"http://localhost:{port}/{path}", timeout=30) as answer:
            return answer.status == 200
        return False

    def start_engine(self) -> int:
        """The pid of an engine that takes work."""
        if not engine_accepts(self.settings):
            with (self.settings.data_dir.parent / "engine.out").open("ab") as out:
                command = [sys.executable, "-m", "dpmed_core", "engine"]
                subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=out, stderr=out, start_new_session=True)
        # It says that it takes work before it has written where it is.
        wait_until(lambda: engine_accepts(self.settings) and "pid" in (address(self.settings) or {}), "the engine's start")
        return self.engine_pid()

    def engine_pid(self) -> int:
        """The pid that the engine has noted."""
        return int(str((address(self.settings) or {})["pid"]))

    def workers(self) -> list[psutil.Process]:
        """The engine's worker processes."""
        with suppress(psutil.Error, KeyError):
            return [one for one in psutil.Process(self.engine_pid()).children(recursive=True) if "spawn_main" in " ".join(one.cmdline())]
        return []

    def state(self, run_id: str) -> RunState:
        """The state of a run."""
        return self.here.runs.status(run_id).state

    def wait_for_step(self, run_id: str, steps: int = 1) -> None:
        """Wait until a run has taken so many steps."""
        wait_until(lambda: self.here.runs.status(run_id).step >= steps or self.state(run_id) not in OPEN_STATES, f"step {steps}")

    def wait_for_end(self, *run_ids: str) -> None:
        """Wait until runs have ended."""
        wait_until(lambda: all(self.state(run_id) not in OPEN_STATES for run_id in run_ids), "the runs' end")

    def spending(self, *run_ids: str) -> str:
        """What the ledger says of runs: "right" where it agrees with their records and no finished run spent more than its target."""
        found = check_ledger(self.here.ledger)
        if found.problems:
            return f"WRONG: {found.problems[0]}"
        for run_id in run_ids:
            status = self.here.runs.status(run_id)
            if status.state is not RunState.FINISHED:
                return f"WRONG: run {run_id} is {status.state.value}: {status.message}"
            guarantee = self.here.runs.result(run_id).guarantee
            if guarantee is None or status.spec.privacy is None or guarantee.epsilon > status.spec.privacy.epsilon:
                return f"WRONG: run {run_id} spent more than its target"
            steps = [int(event["step"]) for event in self.here.runs.attempts(run_id) if event["event"] == "resumed"]
            if any(step > guarantee.steps for step in steps):
                return f"WRONG: run {run_id} went on beyond its end"
        return "right"

    def close(self) -> None:
        """End all processes."""
        for server in self.servers.values():
            server.kill()
            server.wait()
        wait_until(self._has_no_engine, "the engine's end")

    def _has_no_engine(self) -> bool:
        """Whether no engine is left; one that is, is asked to end."""
        with suppress(ProcessLookupError, KeyError):
            os.kill(self.engine_pid(), signal.SIGCONT)
            os.kill(self.engine_pid(), signal.SIGTERM)
        return not engine_is_alive(self.settings)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = LONGEST_SECONDS) -> float:
    """The seconds until `condition` held.

    Raises:
        TimeoutError: it does not.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(what)
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[Running]:
    """A new installation in `folder`, which exists; its processes are ended with the block."""
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    CALIBRATIONS.mkdir(mode=0o700, exist_ok=True)
    (folder / "data" / "calibrations").symlink_to(CALIBRATIONS)
    given = {"data_dir": folder / "data", "demo": False, "workers": 1, "engine_idle_seconds": 300, **settings}
    one = Running(Settings(**given))  # type: ignore[arg-type]
    write_cohort(one.here)
    try:
        yield one
    finally:
        one.close()


def write_cohort(
    installation: Installation, name: str = "images", *, n_images: int = N_IMAGES, images_a_patient: int = IMAGES_A_PATIENT
) -> Cohort:
    """A cohort of random images."""
    rng = np.random.default_rng(0)
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(n_images)],
            "patient_id": [f"{i // images_a_patient:016x}" for i in range(n_images)],
            "age": 50.0,
            "sex": "female",
            "split": None,
            "mass": rng.integers(0, 2, n_images).astype(float),
        }
    )
    return installation.cohorts.write(
        name,
        modality=Modality.RADIOGRAPH,
        synthetic=False,
        findings=("mass",),
        comorbidities=(),
        cases=cases,
        images=rng.integers(0, 256, (n_images, 64, 64), dtype=np.uint8),
        report=ImportReport(n_images, n_images, n_images // images_a_patient, 0, 0),
    )


def states_by_command(one: Running) -> dict[str, str]:
    """run_id -> state, as `runs --json` prints them."""
    return {run["run_id"]: run["state"] for run in json.loads(one.command("runs", "--json").stdout)["runs"]}
