"""The run store: specification, progress, result and privacy spending of every run. No other module knows a run's file names.

RUN_ID/request.json            the run's specification; written once
       progress.json           how far it is; replaced
       attempts.jsonl          what every attempt did and spent; appended, never removed
       cancel                  present while the run is asked to stop
       checkpoint.safetensors  the last durable step boundary
       result.json, scores.parquet, weights.safetensors
       checksums.json          SHA-256 of these three; written last, so its presence means that the result is complete

Invariants:

- A folder is a run once it has request.json. progress.json is written before it, so every run has a progress.
- What a run spends is in attempts.jsonl before anybody can see what was trained with it, and is never removed, whatever becomes of the run.
- Every file is replaced as a whole (`files.replacing`), so a reader without a lock meets an old file or a new one, never half of one.

Locks: `.training.lock` is held by the process that trains the run, for as long as it does; `.state.lock` for moments, around a change of
state that depends on the state before. Where both are needed, the training lock is taken first.
"""

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from dpmed_core.errors import DamagedRunError, RunError
from dpmed_core.files import append_line, replacing, write_json
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.runs.status import OPEN_STATES, Progress, RunState, RunStatus
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint
from dpmed_core.training.spec import RunSpec

FINISHED_FILES = ("result.json", "scores.parquet", "weights.safetensors")


@dataclass(frozen=True)
class RunStore:
    """Runs by run_id under one folder; every method may be called by several processes at once.

    Attributes:
        root: the folder; created with the first run.
        key: the installation's secret key.
    """

    root: Path
    key: bytes

    def run_id(self, spec: RunSpec) -> str:
        """The keyed name of a run: equal specifications have equal names, within one installation only."""
        return keyed_hex(self.key, "run", spec.canonical_json())

    def ask(self, spec: RunSpec, *, cohort_name: str) -> RunStatus:
        """Queue a run and give its status; a run that is in the store already is left as it is, unless it was withdrawn.

        Failed and cancelled runs are not queued again: that is a separate decision, `retry`.

        Args:
            spec: what is to be trained.
            cohort_name: the cohort's name, for display.
        """
        run_id = self.run_id(spec)
        folder = self.root / run_id
        folder.mkdir(parents=True, exist_ok=True)
        with self._state_lock(run_id):
            if not (folder / "request.json").exists():
                request = {"spec": json.loads(spec.canonical_json()), "cohort": cohort_name, "asked_at": time.time()}
                # In this order: with request.json the run becomes visible to others, who then read its progress.
                self.set_progress(run_id, Progress(RunState.QUEUED))
                write_json(folder / "request.json", request)
            elif self.progress(run_id).state == RunState.WITHDRAWN:
                self.set_progress(run_id, Progress(RunState.QUEUED))
        return self.status(run_id)

    def ids(self) -> list[str]:
        """The run_id of every run, sorted."""
        return sorted(path.parent.name for path in self.root.glob("*/request.json"))

    def __contains__(self, run_id: str) -> bool:
        """Whether there is such a run."""
        return run_id.isalnum() and (self.root / run_id / "request.json").exists()

    def statuses(self) -> list[RunStatus]:
        """The status of every run, in the order in which they were queued."""
        return sorted((self.status(run_id) for run_id in self.ids()), key=lambda s: (s.asked_at, s.run_id))

    def status(self, run_id: str) -> RunStatus:
        """The status of a run.

        Raises:
            RunError: there is no such run.
        """
        request = self._request(run_id)
        spec = RunSpec.from_json(json.dumps(request["spec"]))
        return RunStatus(run_id, spec, request["cohort"], request["asked_at"], self.progress(run_id))

    def progress(self, run_id: str) -> Progress:
        """The changing part of a run's status."""
        return Progress.from_fields(json.loads((self.root / run_id / "progress.json").read_text()))

    def set_progress(self, run_id: str, progress: Progress) -> None:
        """Replace the changing part of a run's status."""
        write_json(self.root / run_id / "progress.json", asdict(replace(progress, updated_at=time.time())))

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """What every attempt did, oldest first; a line that a power cut broke off is left out."""
        path = self.root / run_id / "attempts.jsonl"
        events = []
        for line in path.read_text().splitlines() if path.exists() else []:
            with suppress(json.JSONDecodeError):
                events.append(json.loads(line))
        return events

    def record(self, run_id: str, event: str, **facts: object) -> None:
        """Append an event to the run's attempts, durably."""
        append_line(self.root / run_id / "attempts.jsonl", {"event": event, "at": time.time(), **facts})

    def worker_lock(self, run_id: str) -> FileLock:
        """The lock that the process training the run holds; the operating system releases it when that process dies."""
        return FileLock(self.root / run_id / ".training.lock")

    def checkpoint(self, run_id: str) -> Checkpoint | None:
        """The last durable checkpoint; None where there is none, or where it cannot be read, which is then recorded."""
        path = self.root / run_id / "checkpoint.safetensors"
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError):
            self.record(run_id, "checkpoint-unreadable")
            return None
        return Checkpoint(step=int(facts["step"]), tensors=tensors, elapsed_seconds=float(facts["elapsed_seconds"]))

    def save_checkpoint(self, run_id: str, checkpoint: Checkpoint) -> None:
        """Replace the run's checkpoint, durably."""
        facts = {"step": str(checkpoint.step), "elapsed_seconds": repr(checkpoint.elapsed_seconds)}
        with replacing(self.root / run_id / "checkpoint.safetensors") as draft:
            save_file(_contiguous(checkpoint.tensors), draft, metadata=facts)

    def finish(self, run_id: str, model: TrainedModel) -> None:
        """Store a finished run; its result counts as complete once the checksums, written last, are there."""
        folder = self.root / run_id
        # Drafts of all three first, names last: a disk that is full at the third leaves nothing of the others to be read.
        # Killed before the checksums, the run is trained again from its checkpoint, which is therefore removed last.
        with ExitStack() as drafts:
            result, scores, weights = (drafts.enter_context(replacing(folder / name)) for name in FINISHED_FILES)
            result.write_text(json.dumps(model.result.to_fields(), indent=1, allow_nan=False, sort_keys=True))
            model.scores.to_parquet(scores, index=False)
            save_file(_contiguous(model.weights), weights)
        write_json(folder / "checksums.json", {name: _digest(folder / name) for name in FINISHED_FILES})
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)

    def is_complete(self, run_id: str) -> bool:
        """Whether all of the run's result is stored."""
        return (self.root / run_id / "checksums.json").exists()

    def result(self, run_id: str) -> RunResult:
        """The finished run, without its tensors.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum.
        """
        fields = json.loads(self._checked(run_id, "result.json").read_text())
        guarantee = PrivacyGuarantee.from_fields(fields["guarantee"]) if fields["guarantee"] else None
        spec = RunSpec.from_json(json.dumps(fields["spec"]))
        return RunResult(**{**fields, "spec": spec, "guarantee": guarantee, "notes": tuple(fields["notes"])})

    def scores(self, run_id: str) -> pd.DataFrame:
        """The run's scores, with `training.result.SCORE_COLUMNS`.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum.
        """
        return pd.read_parquet(self._checked(run_id, "scores.parquet"))

    def weights(self, run_id: str) -> dict[str, np.ndarray]:
        """The run's weights by name.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum.
        """
        return load_file(self._checked(run_id, "weights.safetensors"))

    def weights_digest(self, run_id: str) -> str:
        """The start of the checksum of a finished run's weights, which differs when the run is trained again, because the noise is new.

        Raises:
            RunError: there is no such run, or it has no result.
        """
        return self._checksums(run_id)["weights.safetensors"][:16]

    def scores_path(self, run_id: str) -> Path:
        """The path of the run's scores.

        Raises:
            RunError: there is no such run, or it has no result.
            DamagedRunError: the file does not match its checksum.
        """
        return self._checked(run_id, "scores.parquet")

    def cancel(self, run_id: str) -> None:
        """Stop an open run: at once if it is queued, at its next step if it is training.

        Raises:
            RunError: there is no such run, or it has ended.
        """
        status = self.status(run_id)
        if status.state not in OPEN_STATES:
            raise RunError(f"Run {run_id} is {status.state.value}; only a queued or training run can be cancelled.")
        # The mark first: a worker that starts the run between the two lines finds it and stops.
        (self.root / run_id / "cancel").touch()
        with self._state_lock(run_id):
            if self.progress(run_id).state == RunState.QUEUED:
                self.set_progress(run_id, Progress(RunState.CANCELLED, attempt=status.progress.attempt))

    def wants_cancel(self, run_id: str) -> bool:
        """Whether the run is asked to stop."""
        return (self.root / run_id / "cancel").exists()

    def retry(self, run_id: str) -> None:
        """Queue a failed, cancelled or damaged run again; it continues from its last checkpoint, if it has one.

        Raises:
            RunError: there is no such run, it is open or undamaged, or its cohort was removed.
        """
        status = self.status(run_id)
        damaged = status.state == RunState.FINISHED and self.is_damaged(run_id)
        if status.state not in (RunState.FAILED, RunState.CANCELLED) and not damaged:
            raise RunError(f"Run {run_id} is {status.state.value}; only a failed, cancelled or damaged run can be trained again.")
        with self._state_lock(run_id):
            # Without the checksums the damaged result no longer counts as complete, so a worker does not skip the run.
            self._drop(run_id, "cancel", "checksums.json")
            self.set_progress(run_id, Progress(RunState.QUEUED, attempt=status.progress.attempt))
            self.record(run_id, "retry-asked")

    def is_damaged(self, run_id: str) -> bool:
        """Whether a file of a finished run does not match its checksum."""
        try:
            for name in FINISHED_FILES:
                self._checked(run_id, name)
        except DamagedRunError:
            return True
        return False

    def withdraw(self, run_id: str) -> None:
        """Remove a run's scores, weights and checkpoint; its specification and the record of what it spent stay.

        Raises:
            RunError: there is no such run.
        """
        self.status(run_id)
        # The mark makes a worker that trains the run stop at its next step and release the lock that is waited for here. Without the lock
        # it could write a checkpoint after the removal.
        (self.root / run_id / "cancel").touch()
        with self.worker_lock(run_id), self._state_lock(run_id):
            self._drop(run_id, "checksums.json", "scores.parquet", "weights.safetensors", "checkpoint.safetensors", "cancel")
            self.set_progress(run_id, Progress(RunState.WITHDRAWN))
            self.record(run_id, "withdrawn")

    def checkpoint_bytes(self, run_id: str) -> int:
        """The size of the run's checkpoint, in bytes; 0 where there is none."""
        path = self.root / run_id / "checkpoint.safetensors"
        return path.stat().st_size if path.exists() else 0

    def set_waiting(self, run_id: str, message: str) -> None:
        """Write down why a queued run waits, if the disk takes even that."""
        with suppress(OSError, Timeout), self._state_lock(run_id):
            progress = self.progress(run_id)
            if progress.state is RunState.QUEUED and not progress.message:
                self.set_progress(run_id, replace(progress, message=message))

    def _request(self, run_id: str) -> dict[str, Any]:
        path = self.root / run_id / "request.json"
        # A run_id may come from an address or a command line: letters and digits alone name no other folder.
        if not run_id.isalnum() or not path.exists():
            raise RunError(f"There is no run {run_id!r}: list them with `runs`.")
        return dict(json.loads(path.read_text()))

    def _checked(self, run_id: str, name: str) -> Path:
        """The path of a file of a complete result, after its content was compared with its checksum."""
        folder, expected = self.root / run_id, self._checksums(run_id).get(name)
        if not (folder / name).exists() or _digest(folder / name) != expected:
            raise DamagedRunError(
                f"The stored {name} of run {run_id} is damaged and is not used: train it again with `runs retry {run_id}`."
            )
        return folder / name

    def _checksums(self, run_id: str) -> dict[str, str]:
        """The checksums of a complete result by file name."""
        self._request(run_id)
        if not self.is_complete(run_id):
            state = self.progress(run_id).state
            if state == RunState.FINISHED:  # `retry` or `withdraw` was killed between its two writes
                raise DamagedRunError(f"The checksums of run {run_id} are missing: train it again with `runs retry {run_id}`.")
            raise RunError(f"Run {run_id} has no result: it is {state.value}.")
        return dict(json.loads((self.root / run_id / "checksums.json").read_text()))

    def _state_lock(self, run_id: str) -> FileLock:
        return FileLock(self.root / run_id / ".state.lock", timeout=30)

    def _drop(self, run_id: str, *names: str) -> None:
        for name in names:
            (self.root / run_id / name).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _contiguous(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}
