"""The status of a training run."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dpmed_core.files import UnreadableFileError, check_fields
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import RunSpec


class RunState(StrEnum):
    """The states of a run; in `QUEUED` and `TRAINING` it is open, in the others it has ended."""

    QUEUED = "queued"
    TRAINING = "training"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"


UNREADABLE = "unreadable"
"""What lists say in the place of a state where a run cannot be read."""
OPEN_STATES = (RunState.QUEUED, RunState.TRAINING)
SLOW_SECONDS, SLOW_STEPS = 60.0, 3


@dataclass(frozen=True)
class Progress:
    """The part of a run's status that changes; nothing in it depends on private data.

    Attributes:
        state: the state.
        step: steps taken of `total_steps`.
        total_steps: 0 until the run has planned its training.
        seconds_left: estimate; None until a first step has been timed.
        attempt: how often a worker has started it.
        message: why it failed, for the person who can correct it.
        updated_at: UTC seconds since the epoch.
        planned: what the run will have spent at its end; None before planning and for non-private runs.
        recorded_events: how many lines the record of its attempts had at least, by which it shows that later ones are lost.
    """

    state: RunState
    step: int = 0
    total_steps: int = 0
    seconds_left: float | None = None
    attempt: int = 0
    message: str = ""
    updated_at: float = 0.0
    planned: PrivacyGuarantee | None = None
    recorded_events: int = 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Progress":
        """The progress whose fields `dataclasses.asdict` wrote.

        Raises:
            UnreadableFileError: a field is missing, of another type, or not known.
            ValueError: the state or the unit is not known.
        """
        check_fields(fields, _KINDS, optional=_OPTIONAL)
        if fields["state"] not in set(RunState):
            raise UnreadableFileError(f"holds the state {fields['state'][:40]!r}, which this version of DPMed does not know")
        planned = PrivacyGuarantee.from_fields(fields["planned"]) if fields.get("planned") else None
        state, recorded = RunState(fields["state"]), fields.get("recorded_events") or 0
        return cls(**{**fields, "state": state, "planned": planned, "recorded_events": recorded})


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("state", "message"), str),
    **dict.fromkeys(("step", "total_steps", "attempt", "recorded_events"), int),
    **dict.fromkeys(("seconds_left", "updated_at"), float),
    "planned": dict,
}
"""The stored fields of a progress."""
_OPTIONAL = frozenset({"seconds_left", "planned", "recorded_events"})


@dataclass(frozen=True)
class RunStatus:
    """A training run: its specification and how far it is.

    Attributes:
        run_id: the run's keyed name.
        spec: what is to be trained.
        cohort_name: the cohort's name when the run was queued first.
        asked_at: when that was, in UTC seconds since the epoch.
        progress: how far it is.
    """

    run_id: str
    spec: RunSpec
    cohort_name: str
    asked_at: float
    progress: Progress

    def may_be_on(self, fingerprint: str) -> bool:
        """Whether the run is on the data with this fingerprint."""
        return self.spec.cohort_fingerprint == fingerprint

    @property
    def state(self) -> RunState:
        """The run's state."""
        return self.progress.state

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.progress.step

    @property
    def total_steps(self) -> int:
        """Steps planned."""
        return self.progress.total_steps

    @property
    def message(self) -> str:
        """Why the run failed."""
        return self.progress.message

    @property
    def seconds_without_progress(self) -> float | None:
        """Seconds, by the clock on the wall, since a run in training last took a step or said anything; None for the others."""
        if self.state is not RunState.TRAINING or not self.progress.updated_at:
            return None
        return max(time.time() - self.progress.updated_at, 0.0)  # the clock may have been set back

    @property
    def is_slow(self) -> bool:
        """Whether a run in training has said nothing for longer than a minute, and than three of its steps take."""
        quiet, left, steps_left = self.seconds_without_progress, self.progress.seconds_left, self.total_steps - self.step
        step_seconds = left / steps_left if left and steps_left > 0 else 0.0
        return quiet is not None and quiet > max(SLOW_SECONDS, SLOW_STEPS * step_seconds)

    def to_fields(self) -> dict[str, object]:
        """The status as plain values for JSON; a non-private run's epsilon is null."""
        spec = asdict(self.spec)  # unused optional fields too: every run has the same keys
        privacy = spec.pop("privacy") or {"epsilon": None, "delta": None}
        about = {"run_id": self.run_id, "cohort": self.cohort_name, "asked_at": self.asked_at}
        progress = asdict(self.progress)
        del progress["recorded_events"]  # it tells of a file, not of the run
        return {**about, **spec, **privacy, **progress, "seconds_without_progress": self.seconds_without_progress}


@dataclass(frozen=True)
class UnreadableRun:
    """A run whose request or progress cannot be read; its other files are as they are, and what it spent stays counted.

    Attributes:
        run_id: the run's keyed name.
        message: what is wrong and what to do.
        spec: what was to be trained; None where the request is what cannot be read.
        cohort_name: the cohort's name when the run was queued first; empty where that cannot be read.
    """

    run_id: str
    message: str
    spec: RunSpec | None = None
    cohort_name: str = ""

    @property
    def state(self) -> str:
        """What lists say in the place of a state."""
        return UNREADABLE

    def may_be_on(self, fingerprint: str) -> bool:
        """Whether the run is on the data with this fingerprint, as far as can be told."""
        return self.spec is None or self.spec.cohort_fingerprint == fingerprint

    def to_fields(self) -> dict[str, object]:
        """The run as plain values for JSON; null where something is not known."""
        spec: dict[str, object] = asdict(self.spec) if self.spec else dict.fromkeys(RunSpec.__dataclass_fields__)
        privacy = spec.pop("privacy") or {"epsilon": None, "delta": None}
        known = {"run_id": self.run_id, "cohort": self.cohort_name or None, **spec, **dict(privacy)}  # type: ignore[call-overload]
        return {**known, "state": UNREADABLE, "message": self.message}
