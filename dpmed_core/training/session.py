"""The interface between a training and the process that runs it: durable checkpoints, progress, cancelling."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dpmed_core.training.result import PrivacyGuarantee


class Cancelled(Exception):  # noqa: N818 (a request, no error)
    """Raised by `TrainingSession.step` when a user has cancelled the run."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a training at a step boundary.

    Invariant: of a private training it holds noised state only, never a sum of gradients before its noise was added.

    Attributes:
        step: steps that the tensors are the result of.
        tensors: model and optimizer state by name.
        elapsed_seconds: training time up to here, over all attempts.
    """

    step: int
    tensors: Mapping[str, np.ndarray]
    elapsed_seconds: float


class TrainingSession(Protocol):
    """The run as a training sees it; checkpoints are all that depends on private data and passes through it."""

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        """Record durably, before the first step, the most that this attempt will spend."""

    def latest(self) -> Checkpoint | None:
        """The last durable checkpoint of this run, of any attempt; None to start from the beginning."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Make `checkpoint` durable and record its steps as spent."""

    def charge_all(self) -> None:
        """Record durably that this attempt counts as if it took all its steps, however it ends.

        A training that keeps no checkpoints calls it before its first step, and whoever stores a result before anything of it can be read:
        a process that is killed in between must not leave outputs that nobody was charged for.
        """

    def step(self, done: int, total: int) -> None:
        """Report `done` of `total` steps.

        Raises:
            Cancelled: stop now; what was spent up to here stays recorded.
        """


@dataclass(frozen=True)
class UnrecordedSession:
    """A `TrainingSession` of which nothing is kept: for trainings on nobody who is protected.

    Attributes:
        progress: told how many of the steps are done; what it raises stops the training.
    """

    progress: Callable[[int, int], None] = lambda done, total: None

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        """Nothing is spent."""

    def latest(self) -> Checkpoint | None:
        """Every training begins at its first step."""
        return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Nothing is kept."""

    def charge_all(self) -> None:
        """Nothing is spent."""

    def step(self, done: int, total: int) -> None:
        """Report `done` of `total` steps."""
        self.progress(done, total)
