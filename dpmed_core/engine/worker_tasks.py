"""What each worker process is working on, as a small file in the data folder, by which others can tell that one hangs, and end it.

engine/working/PID.json   the process, its thread that works, and the name of the run or request; removed when the work ends
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from dpmed_core.files import write_json
from dpmed_core.settings import Settings


class TaskKind(StrEnum):
    """What a worker works on."""

    RUN = "run"
    REQUEST = "request"


@dataclass(frozen=True)
class WorkerTask:
    """A worker process and its work.

    Attributes:
        kind: of the work.
        name: of the run or request.
        pid: of the process.
        parent: the pid of its parent: with it a process that got the same number later is not taken for this one.
        thread: the system's number of the thread that works.
        host: the machine.
        at: when the work began, in UTC seconds since the epoch.
    """

    kind: TaskKind
    name: str
    pid: int
    parent: int
    thread: int
    host: str
    at: float

    def processor_seconds(self) -> float | None:
        """Processor time that the working thread has used, in seconds; None where the process is gone, or on another machine."""
        try:
            if (process := self._process()) is None:
                return None
            return next((t.user_time + t.system_time for t in process.threads() if t.id == self.thread), 0.0)
        except psutil.Error:
            return None

    def is_stopped(self) -> bool:
        """Whether the process has been stopped by a signal (SIGSTOP), so that it cannot notice a request to end."""
        try:
            process = self._process()
            return process is not None and process.status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    def end(self) -> bool:
        """End the process, whatever it does, and say whether there was one; its engine starts another in its place."""
        with suppress(psutil.Error, OSError):
            if self._process() is not None:
                os.kill(self.pid, signal.SIGKILL)
                return True
        return False

    def _process(self) -> psutil.Process | None:
        """The process; None where it is gone or on another machine, and never the calling one."""
        if self.host != socket.gethostname() or self.pid == os.getpid() or not psutil.pid_exists(self.pid):
            return None
        process = psutil.Process(self.pid)
        return process if process.ppid() == self.parent else None


def watched(settings: Settings, kind: TaskKind, name: str) -> AbstractContextManager[None]:
    """Work that the watchdog looks at, as `working_on`; not watched where nothing would start this process again after it was ended."""
    return working_on(settings, kind, name) if _has_nanny() else nullcontext()


def _has_nanny() -> bool:
    """Whether this process is a Dask worker that is started again when it ends."""
    from distributed import get_worker

    try:
        return get_worker().nanny is not None
    except ValueError:
        return False


@contextmanager
def working_on(settings: Settings, kind: TaskKind, name: str) -> Iterator[None]:
    """Say, as long as the block runs, that this process, which its parent may end at any time, is working on `name`."""
    path = _folder(settings) / f"{os.getpid()}.json"
    here = WorkerTask(kind, name, os.getpid(), os.getppid(), threading.get_native_id(), socket.gethostname(), time.time())
    with suppress(OSError):  # on a full disk the work goes on without being watched
        write_json(path, asdict(here))
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def worker_tasks(settings: Settings) -> list[WorkerTask]:
    """What the workers of the data folder say that they are working on; one that was killed still says so."""
    tasks = []
    for path in sorted(_folder(settings).glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or cut short by a crash
            fields = json.loads(path.read_text())
            tasks.append(WorkerTask(**{**fields, "kind": TaskKind(fields["kind"])}))
    return tasks


def forget_ended_tasks(settings: Settings) -> None:
    """Remove what workers of this machine have left that were killed; the engine calls it, which is no worker itself."""
    for task in worker_tasks(settings):
        if task.host == socket.gethostname() and task.processor_seconds() is None:
            with suppress(OSError):
                (_folder(settings) / f"{task.pid}.json").unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.engine_dir / "working"
