"""What a worker does with one run: lock it, train it from its last checkpoint, store the result.

It needs no Dask: `work_on(settings, run_id)` trains in the calling process.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace

from filelock import Timeout

from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.worker_tasks import worker_tasks
from dpmed_core.errors import DpmedError, StorageError, in_words, place_of
from dpmed_core.files import space_reason, storage_reason
from dpmed_core.installation import Installation
from dpmed_core.runs.checkpoint_file import checkpoint_bytes
from dpmed_core.runs.folder import CHECKPOINT
from dpmed_core.runs.space import in_a_sentence
from dpmed_core.runs.status import Progress, RunState, RunStatus
from dpmed_core.settings import Settings
from dpmed_core.training.result import PrivacyGuarantee, TrainedModel
from dpmed_core.training.session import Cancelled, Checkpoint, TrainingSession

log = logging.getLogger(__name__)

LOCK_WAIT_SECONDS = 10
PROGRESS_EVERY_SECONDS = 0.3
MAX_FRUITLESS_ATTEMPTS = 3
"""Attempts in a row that end with the worker's death and without a new checkpoint; a run that exceeds the memory would try for ever."""

GIVEN_UP = "Its worker process died three times without reaching a new checkpoint: check the available memory, then retry."
GIVEN_UP_HUNG = "Its worker process hung and was ended three times without a new checkpoint: check the disk, see the log, then retry."

Trainer = Callable[[Installation, RunStatus, TrainingSession], TrainedModel]


def work_on(settings: Settings, run_id: str, *, trainer: Trainer | None = None, lock_seconds: float = LOCK_WAIT_SECONDS) -> None:
    """Train a run, unless another process is training it or it has ended.

    Args:
        settings: the installation's.
        run_id: the run.
        trainer: trains it; None for `train_with_recipe`.
        lock_seconds: how long to wait for another process to let go of the run.

    Raises:
        StorageError: the data folder takes nothing; the run stays open.
    """
    installation = Installation.open(settings)
    try:
        with installation.runs.worker_lock(run_id).acquire(timeout=lock_seconds):
            _work_locked(installation, run_id, trainer or train_with_recipe)
    except Timeout:
        log.info("run %s is being trained by another process", run_id)
    except OSError as error:
        if (reason := storage_reason(error)) is None:
            raise
        raise StorageError(in_a_sentence(reason)) from None


def cancel_run(installation: Installation, run_id: str, *, lock_seconds: float = 0.0) -> None:
    """Stop an open run: at once where no process works on it or that process has been stopped, otherwise at its next step.

    What it spent stays recorded. A worker that takes no step after that is ended by the engine's watchdog.

    Args:
        installation: whose run.
        run_id: the run.
        lock_seconds: how long to wait for its worker to let go of it.

    Raises:
        RunError: there is no such run, or it has ended.
        StorageError: the data folder takes nothing.
    """
    installation.runs.cancel(run_id)
    if any([task.end() for task in worker_tasks(installation.settings) if task.name == run_id and task.is_stopped()]):
        lock_seconds = max(lock_seconds, LOCK_WAIT_SECONDS)
    # A worker that begins a cancelled run ends it: this process is that worker, where no other is.
    work_on(installation.settings, run_id, trainer=_trains_nothing, lock_seconds=lock_seconds)


def _trains_nothing(installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
    """Leaves the run as it is: somebody asked for it again between its cancelling and this."""
    raise Cancelled


def train_with_recipe(installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
    """The model of a run, trained by the recipe that the run names."""
    from dpmed_core.training.train import train  # torch is loaded in workers only

    cohort = installation.cohorts.with_fingerprint(status.spec.cohort_fingerprint)
    split = assign_parts(cohort, seed=status.spec.split_seed or 0, key=installation.key)
    return train(
        status.spec,
        cohort,
        split,
        session=session,
        features_dir=installation.cohorts.features_dir(cohort.name),
        encoders_dir=installation.settings.encoders_dir,
        calibrations_dir=installation.settings.calibrations_dir,
        starts=installation.starts,
        added_dir=installation.settings.added_encoders_dir,
    )


def _work_locked(installation: Installation, run_id: str, trainer: Trainer) -> None:
    """Train a run whose lock is held, and record how the attempt ended."""
    runs = installation.runs
    status = runs.status(run_id)
    if status.state not in (RunState.QUEUED, RunState.TRAINING):
        return
    if runs.is_complete(run_id):  # its worker died after it stored the result and before it recorded the end
        runs.set_progress(run_id, replace(status.progress, state=RunState.FINISHED, seconds_left=0.0))
        return
    session = StoredSession(installation, run_id)
    try:
        if not session.begin():
            return
        model = trainer(installation, status, session)
        session.charge_all()
        # The result before the end is recorded: a finished run always has its result, and an interruption between the two is mended above.
        runs.finish(run_id, model)
        session.end(RunState.FINISHED, elapsed_seconds=model.result.elapsed_seconds)
    except Cancelled:
        session.end(RunState.CANCELLED)
    except StorageError as error:
        session.wait(str(error))
        raise
    except DpmedError as error:
        session.end(RunState.FAILED, message=str(error))
    except Exception as error:  # noqa: BLE001 (the one place where any failure of a run becomes its state)
        if (reason := storage_reason(error)) is not None:
            session.wait(in_a_sentence(reason))
            raise StorageError(in_a_sentence(reason)) from None
        log.error("run %s failed with %s", run_id, in_words(error))
        message = f"Stopped by an unexpected {type(error).__name__} at {place_of(error)}: retry it, or report this message."
        session.end(RunState.FAILED, message=message)


class StoredSession:
    """A `TrainingSession` that stores checkpoints and progress in the run store.

    What counts as spent (`runs.charged_attempts`): of each attempt the steps from where it resumed to its end. What a killed attempt
    computed after its last checkpoint was never shown, so the steps that a later attempt takes in their place count instead, unless it had
    recorded that it counts whole (`charge_all`). The ledger charges an attempt with all its steps before the first of them, and gives back
    what was not taken when the attempt has ended.
    """

    def __init__(self, installation: Installation, run_id: str) -> None:
        self._runs = installation.runs
        self._ledger = installation.ledger
        self._run_id = run_id
        self._progress = self._runs.progress(run_id)
        self._checkpoint: Checkpoint | None = None
        self._shown_at = 0.0
        self._began_at = 0.0
        self._began_step = 0
        self._charged_whole = False

    def begin(self) -> bool:
        """Start an attempt; False where the run was cancelled, or is given up because its last attempts all died without a checkpoint."""
        if self._runs.wants_cancel(self._run_id):
            self.end(RunState.CANCELLED)
            return False
        if self._fruitless_attempts() >= MAX_FRUITLESS_ATTEMPTS:
            hung = any(event["event"] == "hung" for event in self._runs.attempts(self._run_id)[-MAX_FRUITLESS_ATTEMPTS:])
            self.end(RunState.FAILED, message=GIVEN_UP_HUNG if hung else GIVEN_UP)
            return False
        self._progress = Progress(RunState.TRAINING, attempt=self._progress.attempt + 1)
        self._runs.record(self._run_id, "started", attempt=self._progress.attempt, parent=os.getppid())
        self._runs.set_progress(self._run_id, self._progress)
        return True

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        """See `TrainingSession.plan`."""
        # The checkpoint first: one that the record does not tell of shows that the record lost events, and the attempt then counts whole.
        self._checkpoint = self._runs.checkpoint(self._run_id)
        self._settle()  # an earlier attempt that was killed left no end of its own
        resumed = self._checkpoint.step if self._checkpoint else 0
        # The ledger first: killed between the two, an attempt that took no step is charged whole; the other way round one could be missed.
        draw = self._ledger.begin(self._runs.status(self._run_id), planned, total_steps=total_steps, resumed=resumed)
        self._progress = replace(self._progress, planned=planned, total_steps=total_steps)
        self._runs.record(
            self._run_id,
            "planned",
            draw=draw,
            attempt=self._progress.attempt,
            total_steps=total_steps,
            guarantee=asdict(planned) if planned else None,
        )
        self._runs.set_progress(self._run_id, self._progress)

    def latest(self) -> Checkpoint | None:
        """See `TrainingSession.latest`."""
        if self._checkpoint:
            self._progress = replace(self._progress, step=self._checkpoint.step)
            self._runs.record(self._run_id, "resumed", attempt=self._progress.attempt, step=self._checkpoint.step)
        return self._checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        """See `TrainingSession.save`."""
        # In this order: killed between the two, the attempt is charged some steps that no later one resumes from; the other way round steps
        # would be resumed from that nobody was charged for.
        self._runs.record(self._run_id, "checkpoint", attempt=self._progress.attempt, step=checkpoint.step)
        self._runs.save_checkpoint(self._run_id, checkpoint)

    def charge_all(self) -> None:
        """See `TrainingSession.charge_all`."""
        if self._charged_whole:
            return
        self._charged_whole = True
        self._runs.record(self._run_id, "charged", attempt=self._progress.attempt, steps=self._progress.total_steps)

    def step(self, done: int, total: int) -> None:
        """See `TrainingSession.step`."""
        now = time.monotonic()
        if not self._began_at or done == self._began_step:  # what comes before the first step is no step's time
            self._began_at, self._began_step = now, done
        self._progress = replace(self._progress, step=done, total_steps=total)
        if self._runs.wants_cancel(self._run_id):
            raise Cancelled
        if now - self._shown_at >= PROGRESS_EVERY_SECONDS:
            self._shown_at = now
            # Before the disk is full: the end of this attempt, and all that others have to record, still finds its place.
            if (reason := space_reason(self._runs.root)) is not None:
                raise StorageError(in_a_sentence(reason))
            self._runs.set_progress(self._run_id, replace(self._progress, seconds_left=self._seconds_left(now)))

    def wait(self, message: str) -> None:
        """Give the run back to the queue, because the disk takes nothing: the attempt ends at its last checkpoint, as if it was killed.

        The last is the one that is stored: that another was about to be is recorded, and what it held is gone. What can be written of this
        is written.
        """
        with suppress(OSError, DpmedError):
            checkpoint = self._runs.checkpoint(self._run_id)
            is_unreadable = checkpoint is None and checkpoint_bytes(self._runs.root / self._run_id / CHECKPOINT) > 0
            stored = {} if is_unreadable else {"stored": checkpoint.step if checkpoint else 0}
            self._runs.record(self._run_id, "waiting", attempt=self._progress.attempt, message=message, **stored)
            # Only then: the end of an attempt of a queued run would be looked for by nobody.
            self._progress = replace(self._progress, state=RunState.QUEUED, seconds_left=None, message=message)
            self._runs.set_progress(self._run_id, self._progress)
        self._settle()

    def end(self, state: RunState, *, message: str = "", **facts: object) -> None:
        """Record how this attempt ended and what it had spent.

        Args:
            state: how it ended.
            message: why it failed, for display.
            **facts: further fields of the event.
        """
        spent = self._progress.total_steps if state is RunState.FINISHED else self._progress.step
        self._runs.record(self._run_id, state.value, attempt=self._progress.attempt, steps=spent, message=message, **facts)
        self._progress = replace(self._progress, state=state, step=spent, seconds_left=None, message=message)
        self._settle()
        self._runs.set_progress(self._run_id, self._progress)

    def _settle(self) -> None:
        """Have the ledger write down what has ended; where it cannot, the attempts stay charged whole until it can."""
        try:
            self._ledger.settle(self._run_id)
        except Exception as error:  # noqa: BLE001 (whatever it is, the training itself is not to blame, and nothing is charged too little)
            log.warning("the end of an attempt at run %s is not in the ledger yet: %s", self._run_id, type(error).__name__)

    def _seconds_left(self, now: float) -> float | None:
        taken = self._progress.step - self._began_step
        return (now - self._began_at) / taken * (self._progress.total_steps - self._progress.step) if taken > 0 else None

    def _fruitless_attempts(self) -> int:
        """Attempts since the last checkpoint, retry or end that started under this process's parent and then died.

        An attempt under another parent died with its engine, for which the run is not to blame.
        """
        count = 0
        for event in reversed(self._runs.attempts(self._run_id)):
            if event["event"] == "started":
                count += event.get("parent") == os.getppid()
            elif event["event"] not in ("planned", "resumed", "charged", "checkpoint-unreadable", "hung"):
                break
        return count
