"""The training queue: submits open runs to the scheduler in the order in which they were queued, and waits before it submits one again."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmed_core.engine.worker_tasks import TaskKind, watched
from dpmed_core.errors import StorageError, in_words
from dpmed_core.files import keep_files_to_owner
from dpmed_core.installation import Installation
from dpmed_core.runs.index import LOOK_AT_ALL_SECONDS
from dpmed_core.runs.space import set_waiting, waiting_again_sentence, waiting_sentence
from dpmed_core.runs.status import RunStatus
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

QUEUED_AHEAD = 2
"""Runs submitted beyond those that train, so that a worker that becomes free has its next run at once."""
TRAINING = "training"
"""The Dask resource of the engine's own training workers."""
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 60.0
"""Before a run that came back without having ended is submitted again; the delay doubles each time."""
MOST_TIMES = 8.0
"""The most times the space that a run should need for which it waits after its disk took nothing."""
LOOK_SECONDS, IDLE_LOOK_SECONDS = 0.15, 1.0
LOOK_SHARE = 1 / 20
"""Of the engine's time, the most that looking at the runs takes, up to one look in `IDLE_LOOK_SECONDS`."""


def train_run(settings: Settings, run_id: str) -> None:
    """Train one run; what is sent to a worker, and imports torch only there."""
    from dpmed_core.engine.keeping import keep_run
    from dpmed_core.engine.training_task import work_on

    keep_files_to_owner()  # a worker of one's own cluster was not started by the engine
    with watched(settings, TaskKind.RUN, run_id):
        work_on(settings, run_id)
    keep_run(settings, run_id)


@dataclass
class _Delay:
    """When a run may be submitted again, and how long the next delay is; both in seconds."""

    until: float
    seconds: float


@dataclass(eq=False)
class TrainingQueue:
    """The runs that are at the scheduler, and those that wait until they are submitted again.

    Attributes:
        installation: whose runs.
        client: of the scheduler.
        clock: gives seconds.
        futures: by run_id, with the time of submission.
    """

    installation: Installation
    client: "Client"
    clock: Callable[[], float] = time.monotonic
    futures: "dict[str, tuple[Future[None], float]]" = field(default_factory=dict)
    _delays: dict[str, _Delay] = field(default_factory=dict)
    _times: dict[str, float] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _submissions: int = 0
    _look_at: float = 0.0

    def submit_new(self) -> bool:
        """Submit runs that are due; whether any is at the scheduler or waits to go there.

        The stores are looked at less often, the longer that takes and where there is nothing to do, unless a run has just come back.
        """
        for run_id, (future, submitted_at) in list(self.futures.items()):
            if future.done():
                del self.futures[run_id]
                self._came_back(run_id, future, self.clock() - submitted_at)
                self._look_at = 0.0
        if self.clock() >= self._look_at:
            began = self.clock()
            self._submit_due()
            took = self.clock() - began
            self._look_at = (
                began + min(max(took / LOOK_SHARE, LOOK_SECONDS), IDLE_LOOK_SECONDS) if self.is_busy else began + IDLE_LOOK_SECONDS
            )
        return self.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether a run is at the scheduler or waits to go there."""
        return bool(self.futures or self._delays)

    def look_now(self) -> bool:
        """Look at the store, whatever was seen before; whether there is work."""
        self._submit_due(at_most_seconds_old=0.0)
        return self.submit_new()

    def _submit_due(self, *, at_most_seconds_old: float = LOOK_AT_ALL_SECONDS) -> None:
        listing = self.installation.runs.listing(at_most_seconds_old=at_most_seconds_old)
        runs = [s for s in listing.open if s.run_id not in self.futures]
        still_open = {status.run_id for status in runs}
        self._delays = {run_id: delay for run_id, delay in self._delays.items() if run_id in still_open or run_id in self.futures}
        self._told = {run_id: told for run_id, told in self._told.items() if run_id in still_open or run_id in self.futures}
        due = [s for s in runs if s.run_id not in self._delays or self._delays[s.run_id].until <= self.clock()]
        for status in due[: max(self.installation.settings.workers + QUEUED_AHEAD - len(self.futures), 0)]:
            if (sentence := self._waiting(status)) is not None:
                self._tell(status.run_id, sentence)
                set_waiting(self.installation.runs, status.run_id, sentence)
                self._delay(status.run_id)
            else:
                self._submit(status)

    def _waiting(self, status: RunStatus) -> str | None:
        """Why the run waits for its disk; None where it does not."""
        times = self._times.get(status.run_id)
        runs = self.installation.runs
        return waiting_sentence(runs, status) if times is None else waiting_again_sentence(runs, status, times)

    def _submit(self, status: RunStatus) -> None:
        self._submissions += 1
        settings = self.installation.settings
        # Dask returns the known result of a key that it has seen, so a run that is submitted again needs a key of its own.
        key = f"{status.run_id}-{status.progress.attempt}-{self._submissions}"
        resources = {} if settings.scheduler else {TRAINING: 1}
        future = self.client.submit(
            train_run, settings, status.run_id, key=key, priority=-self._submissions, pure=False, resources=resources
        )
        self.futures[status.run_id] = (future, self.clock())

    def _came_back(self, run_id: str, future: "Future[None]", seconds: float) -> None:
        """Delay a run that may not have ended: where it has, `_submit_due` forgets it."""
        if future.status == "error":
            error = _exception(future)
            self._tell(run_id, in_words(error))
            if isinstance(error, StorageError):  # it needed more than was thought: the next attempt waits for twice as much
                self._times[run_id] = min(2 * self._times.get(run_id, 1.0), MOST_TIMES)
        if seconds > LONGEST_DELAY_SECONDS:  # it worked for a while: what holds it up now is something new
            self._delays.pop(run_id, None)
        self._delay(run_id)

    def _delay(self, run_id: str) -> None:
        former = self._delays.get(run_id)
        seconds = min(2 * former.seconds, LONGEST_DELAY_SECONDS) if former else FIRST_DELAY_SECONDS
        self._delays[run_id] = _Delay(self.clock() + seconds, seconds)

    def _tell(self, run_id: str, what: str) -> None:
        """Log it once, until something else happens to the run."""
        if self._told.get(run_id) != what:
            self._told[run_id] = what
            log.warning("run %s: %s", run_id, what)


def _exception(future: "Future[None]") -> BaseException:
    return future.exception() or RuntimeError()
