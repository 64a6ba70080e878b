"""What an installation is doing at this moment, for whoever runs it: versions, storage, engine, workers, queue and the last faults logged.

Nothing in it is about a patient: runs and requests go by their keyed names, and logs hold nothing of a patient (`dpmed_core.logs`).
"""

import json
import os
import platform
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from sqlalchemy import URL, make_url

from dpmed_core.engine.process import address, engine_accepts, engine_is_alive, engine_is_starting
from dpmed_core.engine.worker_tasks import worker_tasks
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.runs.index import LOOK_AT_ALL_SECONDS
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings, own_version

PACKAGES = ("torch", "opacus", "streamlit", "dask", "scikit-learn", "pydicom")
"""Whose versions are said: those that train, account, serve and read files."""
MOST_FAULTS = 20
TAIL_BYTES = 200_000
"""Read of the end of each log."""
FAULTS = {"WARNING", "ERROR", "CRITICAL"}


@dataclass(frozen=True)
class EngineState:
    """The engine.

    Attributes:
        state: "running", "ending", "starting" or "not running".
        pid: of its process; None where none runs.
        host: the machine on which it runs; None where none runs.
        since: when it started, in UTC seconds since the epoch; None where none runs, or it runs on another machine.
    """

    state: str
    pid: int | None = None
    host: str | None = None
    since: float | None = None


@dataclass(frozen=True)
class WorkerState:
    """A worker that works.

    Attributes:
        kind: "run" or "request".
        name: of the run or the request.
        pid: of its process.
        host: the machine.
        seconds: how long it has worked on this.
        step: steps taken of a run; None for a request.
        total_steps: steps planned; None for a request.
    """

    kind: str
    name: str
    pid: int
    host: str
    seconds: float
    step: int | None = None
    total_steps: int | None = None


@dataclass(frozen=True)
class Fault:
    """A line of a log that is a warning or an error.

    Attributes:
        time: in UTC.
        process: that wrote it.
        level: WARNING, ERROR or CRITICAL.
        message: without anything of a patient.
    """

    time: str
    process: str
    level: str
    message: str


@dataclass(frozen=True)
class WorkingState:
    """What an installation is working at.

    Attributes:
        free_bytes: of the data folder's disk.
        engine: the engine.
        workers: those that work.
        n_training: runs in training.
        n_queued: runs that wait.
        oldest_queued_at: when the run that waits longest was asked for, in UTC seconds since the epoch; None where none waits.
        n_requests: open requests for explanations, scores of uploaded images, measurements and audits.
        unreadable: of each run that cannot be read what is wrong and what to do.
        faults: the last ones in the logs, newest first.
    """

    free_bytes: int
    engine: EngineState
    workers: list[WorkerState]
    n_training: int
    n_queued: int
    oldest_queued_at: float | None
    n_requests: int
    unreadable: list[str]
    faults: list[Fault]


@dataclass(frozen=True)
class InstallationState(WorkingState):
    """What an installation is working at, and what it is.

    Attributes:
        versions: of DPMed, Python and the main packages.
        data_dir: the data folder.
        database: its address, without user and password.
        used_bytes: by folder of the data folder.
    """

    versions: dict[str, str]
    data_dir: str
    database: str
    used_bytes: dict[str, int]


def working_state_of(here: Installation) -> WorkingState:
    """What an installation is working at.

    Raises:
        NotAllowedError: whoever looks may not.
    """
    here.actor.require(Action.SEE_OPERATIONS)
    settings = here.settings
    listing = here.runs.listing(at_most_seconds_old=LOOK_AT_ALL_SECONDS)
    queued = [status.asked_at for status in listing.open if status.state is RunState.QUEUED]
    return WorkingState(
        free_bytes=shutil.disk_usage(settings.data_dir).free,
        engine=engine_state(settings),
        workers=list(_workers(here)),
        n_training=len(listing.open) - len(queued),
        n_queued=len(queued),
        oldest_queued_at=min(queued, default=None),
        n_requests=len(InferenceRequests(here).open_names()),
        unreadable=[run.message for run in listing.unreadable],
        faults=last_faults(settings),
    )


def state_of(here: Installation) -> InstallationState:
    """What an installation is working at, and what it is.

    Raises:
        NotAllowedError: whoever looks may not.
    """
    settings = here.settings
    return InstallationState(
        **vars(working_state_of(here)),
        versions=versions(),
        data_dir=str(settings.data_dir),
        database=database_address(settings),
        used_bytes=used_bytes(settings.data_dir),
    )


def versions() -> dict[str, str]:
    """Version by name: DPMed, Python and `PACKAGES`; "not installed" where one is missing."""
    found = {"DPMed": own_version(), "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def database_address(settings: Settings) -> str:
    """What kind of database is used and where, without user, password and options."""
    if settings.database_url is None:
        return "SQLite in the data folder"
    url = make_url(settings.database_url)
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def used_bytes(data_dir: Path) -> dict[str, int]:
    """Bytes of each folder of the data folder, the largest first; files that lie in it directly are "files"."""
    sizes = {"files": 0}
    for entry in sorted(data_dir.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            sizes[entry.name] = _bytes_in(entry)
        else:
            sizes["files"] += entry.lstat().st_size
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _bytes_in(folder: Path) -> int:
    """Bytes of the files of a folder; what disappears meanwhile is not counted."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(inside) / name).lstat().st_size
    return total


def engine_state(settings: Settings) -> EngineState:
    """Whether an engine runs, and where."""
    if not engine_is_alive(settings):
        return EngineState("starting" if engine_is_starting(settings) else "not running")
    noted = address(settings) or {}
    pid, host = noted.get("pid"), noted.get("host")
    state = "running" if engine_accepts(settings) else "starting" if engine_is_starting(settings) else "ending"
    if not isinstance(pid, int):
        return EngineState(state)
    since = None
    if host == socket.gethostname():
        with suppress(psutil.Error):
            since = psutil.Process(pid).create_time()
    return EngineState(state, pid, str(host) if host else None, since)


def _workers(here: Installation) -> Iterator[WorkerState]:
    runs = {status.run_id: status for status in here.runs.listing(at_most_seconds_old=LOOK_AT_ALL_SECONDS).open}
    for task in worker_tasks(here.settings):
        run = runs.get(task.name)
        steps = (run.step, run.total_steps) if run else (None, None)
        yield WorkerState(task.kind.value, task.name, task.pid, task.host, max(0.0, time.time() - task.at), *steps)


def last_faults(settings: Settings) -> list[Fault]:
    """The last `MOST_FAULTS` warnings and errors in the logs of server, engine and workers, newest first."""
    found = [fault for folder in (settings.logs_dir, settings.engine_dir) for path in folder.glob("*.log") for fault in _faults_in(path)]
    return sorted(found, key=lambda fault: fault.time, reverse=True)[:MOST_FAULTS]


def _faults_in(path: Path) -> Iterator[Fault]:
    """Those in the end of a log; a line that is not whole is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            fields = json.loads(line)
            if fields["level"] in FAULTS:
                error = fields.get("error")
                kind = f" ({error['class']})" if error else ""
                yield Fault(str(fields["time"]), str(fields["process"]), fields["level"], f"{fields['message']}{kind}")
