"""The run store: specification, progress, result and privacy spending of every run. No other module knows a run's file names.

RUN_ID/request.json            the run's specification; written once
       progress.json           how far it is; replaced
       attempts.jsonl          what every attempt did and spent; appended, never removed
       cancel                  present while the run is asked to stop
       checkpoint.safetensors  the last durable step
       result.json, scores.parquet, weights.safetensors
       checksums.json          SHA-256 of these three; written last, so its presence means that the result is complete
       audit.json              the last audit of its mechanism (`runs.audit_file`)
       kept                    what was computed from the result (`runs.kept`)

Invariants:

- A folder is a run once it has request.json. progress.json is written before it, so every run has a progress.
- What a run spends is in attempts.jsonl before anybody can see what was trained with it, and is never removed, whatever becomes of the run.
- Every file is replaced as a whole (`files.replacing`), so a reader without a lock meets an old file or a new one, never half of one.
- A run whose request or progress something else has damaged is listed as unreadable; the others are listed as ever. Looking mends and
  removes nothing: `retry` writes the progress anew, `ask` the request (the run_id proves which), and `withdraw` gives the run up.

Locks: `.training.lock` is held by the process that trains the run, for as long as it does; `.state.lock` for moments, around a change of
state that depends on the state before. Where both are needed, the training lock is taken first.
"""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from safetensors.numpy import save_file

from dpmed_core.errors import DamagedRunError, RunError
from dpmed_core.files import UnreadableFileError, lock_at, make_way, replacing
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action
from dpmed_core.runs.checkpoint_file import contiguous, read_checkpoint, write_checkpoint
from dpmed_core.runs.folder import (
    AUDIT,
    CANCEL,
    CHECKPOINT,
    CHECKSUMS,
    DAMAGED_RECORD,
    FINISHED_FILES,
    KEPT,
    KEPT_TOGETHER,
    PROGRESS,
    REQUEST,
    Record,
    Request,
    append_event,
    drop,
    is_run,
    look_at,
    read_progress,
    read_record,
    read_request,
    read_spec,
    run_id_of,
    write_file,
    write_progress,
    write_request,
)
from dpmed_core.runs.index import SECONDS_OLD, Listing, RunIndex, index_of, touch_mark
from dpmed_core.runs.results import SCORES, WEIGHTS, checked, checksums, digest_of, read_result, read_score_table, read_weights
from dpmed_core.runs.status import OPEN_STATES, Progress, RunState, RunStatus, UnreadableRun
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint
from dpmed_core.training.spec import RunSpec


@dataclass(frozen=True)
class RunStore:
    """Runs by run_id under one folder; every method may be called by several processes at once.

    Attributes:
        root: the folder; created with the first run.
        key: the installation's secret key.
        actor: who asks for runs to be stopped or trained again, for scores or weights; `Ledger.ask` for new runs.
    """

    root: Path
    key: bytes
    actor: Actor = ACCOUNT

    def run_id(self, spec: RunSpec) -> str:
        """The keyed name of a run: equal specifications have equal names, within one installation only."""
        return run_id_of(spec, self.key)

    def is_named_by_key(self, run_id: str) -> bool | None:
        """Whether a run's name is the hash of its request under the key; None where the request cannot be read under any key."""
        return None if (spec := read_spec(self.root / run_id)) is None else self.run_id(spec) == run_id

    def ask(self, spec: RunSpec, *, cohort_name: str) -> RunStatus:
        """Queue a run and give its status; a run that is in the store already is left as it is, unless it was withdrawn.

        Failed and cancelled runs are not queued again: that is a separate decision, `retry`. A request that cannot be read is written anew:
        that this is what was asked for, the run_id proves.

        Args:
            spec: what is to be trained.
            cohort_name: the cohort's name, for display.

        Raises:
            DamagedRunError: the run is there, and how far it is cannot be read.
        """
        run_id = self.run_id(spec)
        (self.root / run_id).mkdir(parents=True, exist_ok=True)
        with self.state_lock(run_id):
            if is_run(self.root / run_id):
                self.restore_request(spec, cohort_name=cohort_name)
                if self.status(run_id).state == RunState.WITHDRAWN:
                    self.set_progress(run_id, Progress(RunState.QUEUED))
            else:
                # In this order: with request.json the run becomes visible to others, who then read its progress.
                self.set_progress(run_id, Progress(RunState.QUEUED))
                write_file(self.root / run_id, REQUEST, Request(spec, cohort_name, time.time()).to_fields())
                touch_mark(self.root)  # once more, since a run is one only now
        return self.status(run_id)

    def restore_request(self, spec: RunSpec, *, cohort_name: str) -> None:
        """Write the request of a run that is there anew, where it cannot be read; nothing else of the run is changed."""
        run_id = self.run_id(spec)
        try:
            read_request(self.root / run_id, self.key)
        except UnreadableFileError:
            write_request(self.root / run_id, Request(spec, cohort_name, time.time()))
            touch_mark(self.root)

    def ids(self) -> list[str]:
        """The run_id of every run, sorted; of those too that cannot be read."""
        return sorted(path.name for path in self.root.glob("*") if path.name.isalnum() and is_run(path))

    def __contains__(self, run_id: str) -> bool:
        """Whether there is such a run."""
        return run_id.isalnum() and is_run(self.root / run_id)

    def statuses(self) -> list[RunStatus]:
        """The status of every run that can be read, in the order in which they were queued."""
        return list(self.listing().statuses)

    def unreadable(self) -> list[UnreadableRun]:
        """The runs whose request or progress cannot be read, by run_id."""
        return list(self.listing().unreadable)

    def listing(self, *, at_most_seconds_old: float = 0.0) -> Listing:
        """All runs. Whoever looks often says how old a look at all files may be: changes through a store, of any process, show at once."""
        return self._index.listing(at_most_seconds_old=at_most_seconds_old)

    def of_cohort(self, fingerprint: str) -> list[RunStatus]:
        """The status of every run on the data with this fingerprint that can be read, in the order in which they were queued."""
        return self._index.of_cohort(fingerprint, at_most_seconds_old=SECONDS_OLD)

    @property
    def _index(self) -> RunIndex:
        return index_of(self.root, self.key)

    def look(self, run_id: str) -> RunStatus | UnreadableRun:
        """The status of a run, or why it cannot be read.

        Raises:
            RunError: there is no such run.
        """
        return look_at(self._folder(run_id), self.key)

    def status(self, run_id: str) -> RunStatus:
        """The status of a run.

        Raises:
            RunError: there is no such run.
            DamagedRunError: it cannot be read.
        """
        if isinstance(run := self.look(run_id), UnreadableRun):
            raise DamagedRunError(run.message)
        return run

    def progress(self, run_id: str) -> Progress:
        """The changing part of a run's status.

        Raises:
            RunError: there is no such run.
            DamagedRunError: it cannot be read.
        """
        try:
            return read_progress(self._folder(run_id))
        except UnreadableFileError as error:
            raise DamagedRunError(f"Run {run_id} cannot be read: its {PROGRESS} {error}. Mend it with `runs retry {run_id}`.") from None

    def set_progress(self, run_id: str, progress: Progress) -> None:
        """Replace the changing part of a run's status."""
        if write_progress(self.root / run_id, progress) is not progress.state:  # steps within a state are looked up by whoever shows them
            touch_mark(self.root)

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """What every attempt did, oldest first; a line that a power cut broke off is left out."""
        return [dict(event) for event in self.attempts_record(run_id).events]

    def attempts_record(self, run_id: str) -> Record:
        """What every attempt did, and whether that is all."""
        return read_record(self.root / run_id)

    def record(self, run_id: str, event: str, **facts: object) -> None:
        """Append an event to the run's attempts, durably; after a loss, also that something was lost, which later events would hide."""
        append_event(self.root / run_id, {"event": event, "at": time.time(), **facts})

    def worker_lock(self, run_id: str) -> FileLock:
        """The lock that the process training the run holds; the operating system releases it when that process dies."""
        return lock_at(self.root / run_id / ".training.lock")

    def state_lock(self, run_id: str) -> FileLock:
        """The lock that is held around a change of state that depends on the state before."""
        return lock_at(self.root / run_id / ".state.lock", timeout=30)

    def checkpoint(self, run_id: str) -> Checkpoint | None:
        """The last durable checkpoint; None where there is none, or where it cannot be read or is another run's, which is then recorded.

        A checkpoint beyond all that the record tells of shows that the record lost events: that is recorded too.
        """
        if not (path := self.root / run_id / CHECKPOINT).exists():
            return None
        try:
            found = read_checkpoint(path, run_id)
        except UnreadableFileError:
            self.record(run_id, "checkpoint-unreadable")
            return None
        told = (event.get("step") for event in self.attempts_record(run_id).events if event["event"] == "checkpoint")
        if found.step not in told:
            self.record(run_id, DAMAGED_RECORD)
        return found

    def save_checkpoint(self, run_id: str, checkpoint: Checkpoint) -> None:
        """Replace the run's checkpoint, durably."""
        write_checkpoint(self.root / run_id / CHECKPOINT, run_id, checkpoint)

    def finish(self, run_id: str, model: TrainedModel) -> None:
        """Store a finished run; its result counts as complete once the checksums, written last, are there."""
        folder = self.root / run_id
        for name in FINISHED_FILES:
            make_way(folder / name)
        # Drafts of all three first, names last: a disk that is full at the third leaves nothing of the others to be read.
        # Killed before the checksums, the run is trained again from its checkpoint, which is therefore removed last.
        with ExitStack() as drafts:
            result, scores, weights = (drafts.enter_context(replacing(folder / name)) for name in FINISHED_FILES)
            result.write_text(json.dumps(model.result.to_fields(), indent=1, allow_nan=False, sort_keys=True))
            model.scores.to_parquet(scores, index=False)
            save_file(contiguous(model.weights), weights)
        write_file(self.root / run_id, CHECKSUMS, {name: digest_of(folder / name) for name in FINISHED_FILES})
        drop(self.root / run_id, CHECKPOINT)

    def is_complete(self, run_id: str) -> bool:
        """Whether all of the run's result is stored."""
        return (self.root / run_id / CHECKSUMS).exists()

    def result(self, run_id: str) -> RunResult:
        """The finished run, without its tensors.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum, or is not this run's, or not one of this version of DPMed.
        """
        return read_result(self._complete(run_id), self.key)

    def scores(self, run_id: str) -> pd.DataFrame:
        """The run's scores, with `training.result.SCORE_COLUMNS`.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError, NotAllowedError: the file does not match its checksum; whoever asks may not see results.
        """
        self.actor.admit(Action.SEE_RESULTS, f"scores of run {run_id}")
        return read_score_table(self._complete(run_id))

    def weights(self, run_id: str) -> dict[str, np.ndarray]:
        """The run's weights by name.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError, NotAllowedError: the file does not match its checksum; whoever asks may not see training runs.
        """
        self.actor.admit(Action.SEE_RUNS, f"weights of run {run_id}")
        return read_weights(self._complete(run_id))

    def weights_digest(self, run_id: str) -> str:
        """The start of the checksum of a finished run's weights, which differs when the run is trained again, because the noise is new.

        Raises:
            RunError: there is no such run, or it has no result.
        """
        return checksums(self._complete(run_id)).get(WEIGHTS, "")[:16]

    def scores_path(self, run_id: str) -> Path:
        """The path of the run's scores.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum.
        """
        return checked(self._complete(run_id), SCORES)

    def cancel(self, run_id: str) -> None:
        """Stop an open run: at once if it is queued, at its next step if it is training.

        Raises:
            RunError, NotAllowedError: there is no such run, or it has ended; whoever asks may not.
        """
        self.actor.require(Action.TRAIN, run_id)
        status = self.status(run_id)
        if status.state not in OPEN_STATES:
            raise RunError(f"Run {run_id} is {status.state.value}; only a queued or training run can be cancelled.")
        # The mark first: a worker that starts the run between the two lines finds it and stops.
        (self.root / run_id / CANCEL).touch()
        with self.state_lock(run_id):
            if self.progress(run_id).state == RunState.QUEUED:
                self.set_progress(run_id, Progress(RunState.CANCELLED, attempt=status.progress.attempt))

    def wants_cancel(self, run_id: str) -> bool:
        """Whether the run is asked to stop."""
        return (self.root / run_id / CANCEL).exists()

    def retry(self, run_id: str) -> None:
        """Queue a failed, cancelled or damaged run again, or one whose progress cannot be read.

        It continues from its last checkpoint, if it has one. Where its whole result is stored and undamaged, it is finished instead.

        Raises:
            RunError, NotAllowedError: there is no such run, it is open or undamaged, or cannot be read; whoever asks may not.
        """
        self.actor.require(Action.TRAIN, run_id)
        run = self.look(run_id)
        if isinstance(run, UnreadableRun) and run.spec is None:
            raise RunError(f"Run {run_id} cannot be trained again, since what was asked for cannot be read. {run.message}")
        if isinstance(run, UnreadableRun):
            attempt = sum(event["event"] == "started" for event in self.attempts(run_id))
        else:
            damaged = run.state == RunState.FINISHED and self.is_damaged(run_id)
            if run.state not in (RunState.FAILED, RunState.CANCELLED) and not damaged:
                raise RunError(f"Run {run_id} is {run.state.value}; only a failed, cancelled or damaged run can be trained again.")
            attempt = run.progress.attempt
        with self.state_lock(run_id):
            if self.is_complete(run_id) and not self.is_damaged(run_id):
                self.set_progress(run_id, self._as_finished(run_id, attempt))
                return
            # Without the checksums the damaged result no longer counts as complete, so a worker does not skip the run.
            self.record(run_id, "retry-asked")
            drop(self.root / run_id, CANCEL, CHECKSUMS, KEPT)
            drop(self.root, KEPT_TOGETHER)
            self.set_progress(run_id, Progress(RunState.QUEUED, attempt=attempt))

    def _as_finished(self, run_id: str, attempt: int) -> Progress:
        """The progress of a run whose result is stored."""
        planned = self.result(run_id).guarantee
        told = [event.get("total_steps") for event in self.attempts(run_id) if event["event"] == "planned"]
        steps = planned.steps if planned else next((step for step in reversed(told) if isinstance(step, int)), 0)
        return Progress(RunState.FINISHED, step=steps, total_steps=steps, attempt=attempt, planned=planned)

    def is_damaged(self, run_id: str) -> bool:
        """Whether a file of a finished run does not match its checksum, or is not its own."""
        return self.damage(run_id) is not None

    def damage(self, run_id: str) -> str | None:
        """What is wrong with the result of a finished run, and what to do; None where nothing is."""
        return self._index.damage(self._folder(run_id).name)

    def remember(self) -> None:
        """Hand on to other processes what this one had to read; to be called after many runs were looked at."""
        self._index.hand_on()

    def withdraw(self, run_id: str) -> None:
        """Remove a run's scores, weights and checkpoint; its specification and the record of what it spent stay.

        Raises:
            RunError: there is no such run.
        """
        folder = self._folder(run_id)
        # The mark makes a worker that trains the run stop at its next step and release the lock that is waited for here. Without the lock
        # it could write a checkpoint after the removal.
        (folder / CANCEL).touch()
        with self.worker_lock(run_id), self.state_lock(run_id):
            # First, while the other files show that the run was trained: a record that lost events is then known to have lost them.
            self.record(run_id, "withdrawn")
            drop(self.root / run_id, CHECKSUMS, SCORES, KEPT, AUDIT, WEIGHTS, CHECKPOINT, CANCEL)
            drop(self.root, KEPT_TOGETHER)
            self.set_progress(run_id, Progress(RunState.WITHDRAWN))

    def _folder(self, run_id: str) -> Path:
        # A run_id may come from an address or a command line: letters and digits alone name no other folder.
        if run_id not in self:
            raise RunError(f"There is no run {run_id!r}: list them with `runs`.")
        return self.root / run_id

    def _complete(self, run_id: str) -> Path:
        """The folder of a run that has a result, damaged or not."""
        folder = self._folder(run_id)
        if not self.is_complete(run_id) and (state := self.progress(run_id).state) != RunState.FINISHED:
            raise RunError(f"Run {run_id} has no result: it is {state.value}.")
        return folder
