"""The engine: a Dask scheduler with one-thread workers, and a loop that submits what the stores hold, inference before training."""

import ctypes
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from dpmed_core.engine.credentials import Credentials, make_credentials
from dpmed_core.engine.duties import Duties
from dpmed_core.engine.inference_queue import INFERENCE, InferenceQueue
from dpmed_core.engine.keeping import Keeping
from dpmed_core.engine.process import START_SECONDS, accepting_lock, bound_stderr, engine_accepts, engine_lock
from dpmed_core.engine.training_queue import TRAINING, TrainingQueue
from dpmed_core.engine.watchdog import Watchdog
from dpmed_core.engine.worker_tasks import forget_ended_tasks, worker_tasks
from dpmed_core.errors import in_words
from dpmed_core.files import write_json
from dpmed_core.installation import Installation
from dpmed_core.logs import log_to_file
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Scheduler, SpecCluster, Worker

log = logging.getLogger(__name__)

POLL_SECONDS, IDLE_POLL_SECONDS, LONG_IDLE_POLL_SECONDS, LONG_IDLE_SECONDS = 0.15, 0.4, 1.0, 20.0
WATCH_SECONDS = 2.0
NICENESS, INFERENCE_NICENESS = 15, 5
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
QUIET: dict[str, object] = {
    # Dask opens HTTP ports on the loopback interface even without its dashboard. Without routes they show other users nothing.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # What Dask measures of itself, up to a hundred times a second, for a dashboard that nobody has.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.client.scheduler-info-interval": "10s",
    "distributed.scheduler.work-stealing": False,
    # By the clock on the wall: set forward, it would have every worker removed. The watchdog finds workers that hang.
    "distributed.scheduler.worker-ttl": None,
    # Dask gives a place up for good whose worker is gone 15 s after one was: after two deaths in a row, or one on a busy machine, where a
    # worker takes longer to start. Its nanny starts another all the same, however long that takes.
    "distributed.deploy.lost-worker-timeout": "3650 days",
    "distributed.scheduler.active-memory-manager.start": False,
}
"""How Dask is set up, so that an engine with nothing to do uses little of the processor."""
HEARTBEAT_SECONDS = 5.0
LOOKED_FOR_IN_VAIN, MILLISECONDS_IN_VAIN = {"idle-timeout", "no-workers-timeout"}, 60_000.0
"""What a scheduler looks for four times a second though no timeout is set, and how often it does so here."""
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


class _StopRequested(Exception):  # noqa: N818 (a request, not an error)
    """A signal asked the engine to end."""


def serve(settings: Settings) -> None:
    """Run the engine of this data folder until there is nothing to do; returns at once if another engine runs."""
    log_to_file(settings.engine_dir, "engine")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    try:
        with alone(settings), _scheduler(settings) as client:
            log.info("started")
            work_until_idle(settings, client)
            log.info("ends: nothing to do")
    except Timeout:
        log.info("another engine is running for this data folder")
    except _StopRequested:
        log.info("stopped by a signal")
    except Exception as error:
        log.error("the engine ended: %s", in_words(error))
        raise


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the engine's lock; one that is ending is waited for, one that takes work is not.

    Raises:
        Timeout: another engine takes work, or does not end.
    """
    deadline, lock = time.monotonic() + START_SECONDS, engine_lock(settings)
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except Timeout:
            if engine_accepts(settings) or time.monotonic() > deadline:
                raise
    try:
        yield
    finally:
        lock.release()


def _raise_stop(*_: object) -> None:
    raise _StopRequested


@contextmanager
def _scheduler(settings: Settings) -> "Iterator[Client]":
    """A client of the scheduler that `settings` names, or of one started here."""
    import dask.config
    from distributed import Client

    for name in ("distributed", "distributed.scheduler", "distributed.core", "distributed.nanny", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.WARNING)  # importing distributed has set them to INFO
    if settings.scheduler:
        with Client(settings.scheduler) as client:
            yield client
        return
    os.environ.update(ONE_THREAD)  # before the workers start: numerical libraries read it when they are loaded
    dask.config.set(QUIET)
    credentials = make_credentials(settings.engine_dir / "tls")
    with _local_cluster(settings, credentials) as cluster, Client(cluster, security=credentials.security()) as client:
        client.register_plugin(_worker_setup(settings), name="worker-setup")
        yield client


def quiet_scheduler() -> "type[Scheduler]":
    """A scheduler that asks its workers for a sign of life less often than twice a second, which is for clusters that change."""
    from distributed import Scheduler

    class Quiet(Scheduler):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            for name in LOOKED_FOR_IN_VAIN & self.periodic_callbacks.keys():
                self.periodic_callbacks[name].callback_time = MILLISECONDS_IN_VAIN

        def heartbeat_worker(self, **facts: Any) -> dict[str, Any]:
            return {**super().heartbeat_worker(**facts), "heartbeat-interval": HEARTBEAT_SECONDS}

    return Quiet


def _local_cluster(settings: Settings, credentials: Credentials) -> "SpecCluster":
    """A scheduler and its workers on this machine: those that train, and one that is kept free for inference requests."""
    from distributed import Nanny, SpecCluster

    class Parent(Nanny):
        """The parent of a worker process, which ends it at once: a worker holds nothing that is not stored."""

        async def kill(self, timeout: float = 5, reason: str = "nanny-kill") -> None:
            # Asked to end itself, Python with torch loaded takes many seconds at low priority on a busy machine.
            if self.pid is not None:
                os.kill(self.pid, signal.SIGKILL)
            await super().kill(timeout=timeout, reason=reason)

    security, no_dashboard = credentials.security(), {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    common = {"host": "tls://127.0.0.1", "protocol": "tls://", "security": security, **no_dashboard}
    options = {
        **common,
        "nthreads": 1,
        "memory_limit": 1.0 / settings.workers,
        "local_directory": str(settings.engine_dir / "scratch"),
        "silence_logs": logging.WARNING,
    }
    resources = [{TRAINING: 1}] * settings.workers + [{INFERENCE: 1}]
    return SpecCluster(
        scheduler={"cls": quiet_scheduler(), "options": {**common, "port": 0}},
        workers={number: {"cls": Parent, "options": {**options, "resources": one}} for number, one in enumerate(resources)},
        security=security,
        silence_logs=logging.WARNING,
    )


def _worker_setup(settings: Settings) -> object:
    """A plugin that gives workers a log and low priority, ends them with the engine, and loads torch before it is needed."""
    from distributed import WorkerPlugin

    class WorkerSetup(WorkerPlugin):
        def setup(self, worker: "Worker") -> None:
            log_to_file(settings.engine_dir, f"worker-{worker.name}")
            if worker.state.total_resources.get(INFERENCE):
                prepare_inference_worker()
            else:
                prepare_training_worker()

    return WorkerSetup()


def prepare_training_worker() -> None:
    """Prepare this process for training: lower priority than inference and the pages, one thread, ended with its parent."""
    _prepare_worker(NICENESS, "dpmed_core.training.train")


def prepare_inference_worker() -> None:
    """Prepare this process for inference requests: higher priority than training, lower than the pages."""
    _prepare_worker(INFERENCE_NICENESS, "dpmed_core.engine.inference_task")


def _prepare_worker(niceness: int, module: str) -> None:
    """Lower this process's priority, end it with its parent, and load torch and `module` in the background.

    A task that arrives before they are loaded waits at its own import of them.
    """
    os.nice(niceness)
    # The kernel sends the signal even where the parent is killed and cannot end its children itself.
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)

    def load() -> None:
        import_module("torch").set_num_threads(1)
        import_module(module)

    threading.Thread(target=load, daemon=True).start()


def work_until_idle(settings: Settings, client: "Client") -> None:
    """Submit inference requests and runs, each in the order in which they were queued, until none has been open for the idle time.

    Before it ends it says that it takes no more work, and then looks once more: what was stored before that is not left behind
    (`engine.process`).

    Args:
        settings: of the data folder, whose lock this process holds.
        client: of the scheduler.
    """
    loop = _Loop(Installation.open(settings), client)
    with accepting_lock(settings) as accepting:
        # Last, because `process.ensure_engine` takes this file with our pid in it as the sign that the engine is ready.
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "scheduler": client.scheduler_info(n_workers=0)["address"]}
        write_json(settings.engine_dir / "address.json", facts)
        while True:
            busy_at = time.monotonic()
            while time.monotonic() - busy_at < settings.engine_idle_seconds:
                if busy := loop.turn():
                    busy_at = time.monotonic()
                # Requests are looked for often for some seconds; after that nobody is likely to be working.
                pause = LONG_IDLE_POLL_SECONDS if time.monotonic() - busy_at > LONG_IDLE_SECONDS else IDLE_POLL_SECONDS
                time.sleep(POLL_SECONDS if busy else min(pause, settings.engine_idle_seconds / 4))
            accepting.release()
            if not loop.turn(at_once=True):
                return
            accepting.acquire()


class _Loop:
    """What the engine does again and again; a fault is logged once, and tried again after a delay that doubles up to a minute."""

    def __init__(self, installation: Installation, client: "Client") -> None:
        self._settings = installation.settings
        self._inference, self._training = InferenceQueue(installation, client), TrainingQueue(installation, client)
        self._keeping = Keeping(installation, client, {} if installation.settings.scheduler else {TRAINING: 1})
        duties = {"inference": self._submit_requests, "training": self._submit_runs, "keeping": self._keep, "watchdog": self._watch}
        self._duties = Duties(duties)
        self._watchdog, self._watched_at = Watchdog(installation), 0.0
        self._at_once = False

    def turn(self, *, at_once: bool = False) -> bool:
        """Submit what is due and look at the workers; whether there is work.

        Args:
            at_once: look at everything now, though it may have been looked at a moment ago.
        """
        self._at_once = at_once
        self._busy = False
        self._duties.look(at_once=at_once)
        return self._busy

    def _submit_requests(self) -> None:
        self._busy |= self._inference.submit_new()

    def _submit_runs(self) -> None:
        self._busy |= self._training.look_now() if self._at_once else self._training.submit_new()

    def _keep(self) -> None:
        self._busy |= self._keeping.submit_new(is_free=not self._busy)

    def _watch(self) -> None:
        now = time.monotonic()
        if now - self._watched_at >= WATCH_SECONDS:
            self._watched_at = now
            self._watchdog.look(worker_tasks(self._settings))
            forget_ended_tasks(self._settings)
            bound_stderr()
