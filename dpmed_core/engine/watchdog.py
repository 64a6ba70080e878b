"""The watchdog: ends a worker process that hangs, so that another can do its work.

A worker hangs where its thread has used no processor time, and its run has taken no step, for the time that is set: it was stopped, waits
for something that never comes, or its disk has gone. Long computations, as of features before the first step, use the processor and are
left alone. Once steps have been timed, a run that uses the processor and takes no step is ended too, after a time that grows with them.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from dpmed_core.engine.worker_tasks import TaskKind, WorkerTask
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.phrases import duration_in_words
from dpmed_core.runs.status import OPEN_STATES

log = logging.getLogger(__name__)

CANCEL_SECONDS = 10.0
"""How long a worker is given to stop by itself, at its next step, when its work is cancelled."""
STEPS_WITHOUT_A_STEP = 20
"""A run that has taken no step for as long as this many of its slowest steps, and for the time that is set, is taken to hang."""
LONGEST_COUNTED_SECONDS = 5.0
"""Of the time between two looks, the most that counts: the watchdog may have stood still too, as on a suspended machine."""


@dataclass
class _Seen:
    """What was seen of one piece of work.

    Attributes:
        processor_seconds: that its thread had used.
        step: of its run.
        idle_seconds: since it used the processor or took a step.
        stepless_seconds: since it took a step.
        slowest_seconds: the longest time that a step has taken; 0 until two steps were seen.
        steps_seen: how often the step was seen to change.
        unwanted_seconds: since it was cancelled.
    """

    processor_seconds: float
    step: int
    idle_seconds: float = 0.0
    stepless_seconds: float = 0.0
    slowest_seconds: float = 0.0
    steps_seen: int = 0
    unwanted_seconds: float = 0.0


@dataclass(frozen=True)
class _Now:
    """What a piece of work is doing now: the step of its run, of how many, and whether it is still wanted."""

    step: int
    total_steps: int
    is_wanted: bool


class Watchdog:
    """Looks at worker processes again and again, and ends those that hang or do not stop when their work is cancelled."""

    def __init__(
        self, installation: Installation, *, clock: Callable[[], float] = time.monotonic, end: Callable[[WorkerTask], bool] = WorkerTask.end
    ) -> None:
        """Watch over the work of `installation`.

        Args:
            installation: whose runs and requests.
            clock: gives seconds.
            end: ends a process.
        """
        self._installation = installation
        self._stall_seconds = installation.settings.stall_seconds
        self._clock, self._end = clock, end
        self._seen: dict[tuple[int, str], _Seen] = {}
        self._looked_at = clock()

    def look(self, tasks: list[WorkerTask]) -> None:
        """Look at what is being worked on; what hangs is ended."""
        now = self._clock()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_COUNTED_SECONDS), now
        self._seen = {(t.pid, t.name): seen for t in tasks if (seen := self._seen.get((t.pid, t.name))) is not None}
        for task in tasks:
            used, doing = task.processor_seconds(), self._doing(task)
            if used is None or doing is None:
                continue
            seen = self._seen.setdefault((task.pid, task.name), _Seen(used, doing.step))
            _note(seen, used, doing, passed)
            if why := self._why_to_end(seen, doing):
                self._end_task(task, why)

    def _doing(self, task: WorkerTask) -> _Now | None:
        """What the work is doing; None where it has ended or cannot be read."""
        if task.kind is TaskKind.REQUEST:
            requests = InferenceRequests(self._installation)
            return _Now(0, 0, requests.state(task.name).is_open)
        runs = self._installation.runs
        try:
            progress = runs.progress(task.name)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return _Now(progress.step, progress.total_steps, progress.state in OPEN_STATES and not runs.wants_cancel(task.name))

    def _why_to_end(self, seen: _Seen, doing: _Now) -> str:
        """Why the process is to be ended, in words; empty where it is not."""
        if not doing.is_wanted and seen.unwanted_seconds >= CANCEL_SECONDS and (doing.total_steps or seen.idle_seconds >= CANCEL_SECONDS):
            return "did not stop when its work was cancelled"
        if seen.idle_seconds >= self._stall_seconds:
            return f"had done nothing for {duration_in_words(seen.idle_seconds)}"
        limit = max(self._stall_seconds, STEPS_WITHOUT_A_STEP * seen.slowest_seconds)
        # Before steps were timed nobody knows how long one takes, and after the last one the held-out patients are scored.
        if seen.slowest_seconds and doing.step < doing.total_steps and seen.stepless_seconds >= limit:
            return f"had taken no step for {duration_in_words(seen.stepless_seconds)}"
        return ""

    def _end_task(self, task: WorkerTask, why: str) -> None:
        del self._seen[task.pid, task.name]
        if not self._end(task):
            return
        log.warning("the worker of %s %s %s and was ended", task.kind.value, task.name, why)
        if task.kind is TaskKind.RUN and "cancelled" not in why:
            with suppress(OSError):
                self._installation.runs.record(task.name, "hung", message=f"Its worker process {why} and was ended.")


def _note(seen: _Seen, used: float, doing: _Now, passed: float) -> None:
    """Write down what has changed in `passed` seconds."""
    stepped = doing.step != seen.step
    seen.stepless_seconds += passed
    if stepped:
        # A step takes at most the time since the last one was seen; the first that is seen has no such time.
        if seen.steps_seen:
            seen.slowest_seconds = max(seen.slowest_seconds, seen.stepless_seconds)
        seen.steps_seen, seen.stepless_seconds = seen.steps_seen + 1, 0.0
    # Any use of the processor counts: a thread that waits for features that another one computes looks at their lock now and then.
    works = stepped or used > seen.processor_seconds
    seen.idle_seconds = 0.0 if works else seen.idle_seconds + passed
    seen.unwanted_seconds = 0.0 if doing.is_wanted else seen.unwanted_seconds + passed
    seen.processor_seconds, seen.step = used, doing.step
