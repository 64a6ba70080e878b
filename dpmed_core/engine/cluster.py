"""The engine: a Dask scheduler with one-thread workers, and a loop that submits what the stores hold, inference before training."""

import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from filelock import Timeout

from dpmed_core.engine.credentials import Credentials, make_credentials
from dpmed_core.engine.inference_queue import INFERENCE, InferenceQueue
from dpmed_core.engine.process import engine_lock
from dpmed_core.files import keep_files_to_owner, write_json
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunStatus
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future, SpecCluster, Worker

log = logging.getLogger(__name__)

POLL_SECONDS, IDLE_POLL_SECONDS, IDLE_AFTER_SECONDS = 0.15, 1.0, 20.0
LOOK_AT_ALL_SECONDS = 30.0
"""How old the look at the files of all runs may be; what a store changes, in whatever process, shows at once."""
QUEUED_AHEAD = 2
"""Runs submitted beyond those that train, so that a worker that becomes free has its next run at once."""
NICENESS, INFERENCE_NICENESS = 15, 5
TRAINING = "training"
"""The Dask resource of the engine's own training workers."""
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
NO_HTTP: dict[str, list[dict[str, object]]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Dask opens HTTP ports on the loopback interface even without its dashboard. Without routes they show other users nothing."""
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


class _StopRequested(Exception):  # noqa: N818 (a request, not an error)
    """A signal asked the engine to end."""


def serve(settings: Settings) -> None:
    """Run the engine of this data folder until there is nothing to do; returns at once if another engine runs."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    try:
        with engine_lock(settings), _scheduler(settings) as client:
            _run_loop(Installation.open(settings), client)
    except Timeout:
        log.info("another engine is running for this data folder")
    except _StopRequested:
        log.info("stopped by a signal")


def _raise_stop(*_: object) -> None:
    raise _StopRequested


@contextmanager
def _scheduler(settings: Settings) -> "Iterator[Client]":
    """A client of the scheduler that `settings` names, or of one started here; its address is written into the data folder."""
    import dask.config
    from distributed import Client

    for name in ("distributed", "distributed.scheduler", "distributed.core", "distributed.nanny", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.WARNING)  # importing distributed has set them to INFO
    if settings.scheduler:
        write_json(settings.engine_dir / "address.json", {"pid": os.getpid(), "scheduler": settings.scheduler})
        with Client(settings.scheduler) as client:
            yield client
        return
    os.environ.update(ONE_THREAD)  # before the workers start: numerical libraries read it when they are loaded
    dask.config.set(NO_HTTP)
    credentials = make_credentials(settings.engine_dir / "tls")
    with _local_cluster(settings, credentials) as cluster, Client(cluster, security=credentials.security()) as client:
        client.register_plugin(_worker_setup(), name="worker-setup")
        # Last, because `process.ensure_engine` takes this file with our pid in it as the sign that the engine is ready.
        write_json(settings.engine_dir / "address.json", {"pid": os.getpid(), "scheduler": cluster.scheduler_address})
        yield client


def _local_cluster(settings: Settings, credentials: Credentials) -> "SpecCluster":
    """A scheduler and its workers on this machine: those that train, and one that is kept free for inference requests."""
    from distributed import Nanny, Scheduler, SpecCluster

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
        scheduler={"cls": Scheduler, "options": {**common, "port": 0}},
        workers={number: {"cls": Nanny, "options": {**options, "resources": one}} for number, one in enumerate(resources)},
        security=security,
        silence_logs=logging.WARNING,
    )


def _worker_setup() -> object:
    """A plugin that gives workers low priority, ends them with the engine, and loads torch before it is needed."""
    from distributed import WorkerPlugin

    class WorkerSetup(WorkerPlugin):
        def setup(self, worker: "Worker") -> None:
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


def train_run(settings: Settings, run_id: str) -> None:
    """Train one run; what is sent to a worker, and imports torch only there."""
    from dpmed_core.engine.training_task import work_on

    keep_files_to_owner()  # a worker of one's own cluster was not started by the engine
    work_on(settings, run_id)


def _run_loop(installation: Installation, client: "Client") -> None:
    """Submit inference requests and runs, each in the order in which they were queued, until none has been open for the idle time."""
    settings = installation.settings
    inference_queue = InferenceQueue(installation, client)
    resources = {} if settings.scheduler else {TRAINING: 1}
    capacity = settings.workers + QUEUED_AHEAD
    futures: dict[str, Future[None]] = {}
    submissions = 0
    busy_at = time.monotonic()
    while time.monotonic() - busy_at < settings.engine_idle_seconds:
        futures = {run_id: future for run_id, future in futures.items() if not _is_done(run_id, future)}
        for status in _runs_to_submit(installation, futures)[: capacity - len(futures)]:
            submissions += 1
            # Dask returns the known result of a key that it has seen, so a run that is submitted again needs a key of its own.
            key = f"{status.run_id}-{status.progress.attempt}-{submissions}"
            options = {"key": key, "priority": -submissions, "pure": False, "resources": resources}
            futures[status.run_id] = client.submit(train_run, settings, status.run_id, **options)
        if inference_queue.submit_new() or futures:
            busy_at = time.monotonic()
        # Inference requests are looked for as often as ever for some seconds; after that nobody is likely to be working.
        idle = time.monotonic() - busy_at
        time.sleep(POLL_SECONDS if idle < IDLE_AFTER_SECONDS else IDLE_POLL_SECONDS)


def _runs_to_submit(installation: Installation, futures: "dict[str, Future[None]]") -> list[RunStatus]:
    """The open runs that are not at the scheduler; among them any whose worker died, which then continue from their checkpoint."""
    return [s for s in installation.runs.listing(at_most_seconds_old=LOOK_AT_ALL_SECONDS).open if s.run_id not in futures]


def _is_done(run_id: str, future: "Future[None]") -> bool:
    if not future.done():
        return False
    if future.status == "error":
        # The class alone: an exception's text may hold values from patients' data.
        log.error("run %s: its worker ended with %s", run_id, type(future.exception()).__name__)
    return True
