"""What a trainer needs from whoever runs it: durable checkpoints, progress, and being told to stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dpmed_core.training.result import PrivacyGuarantee


class Cancelled(Exception):  # noqa: N818 (a request, no error)
    """Raised by `TrainingSession.step` when a person asked for the run to stop."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training at a step boundary; holds noised state only, never a gradient sum without its noise.

    Attributes:
        step: noisy steps that the tensors contain.
        tensors: model, averages and optimizer state by name.
        elapsed_seconds: training time up to here, over all attempts.
    """

    step: int
    tensors: Mapping[str, np.ndarray]
    elapsed_seconds: float


class TrainingSession(Protocol):
    """The trainer's view of its run; nothing that depends on private data passes through but checkpoints."""

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        """Record what this attempt will spend at most, durably, before its first step."""

    def latest(self) -> Checkpoint | None:
        """The last durable checkpoint of this run, from whichever attempt; None to start afresh."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Make `checkpoint` durable and record its steps as spent."""

    def step(self, done: int, total: int) -> None:
        """Report `done` of `total` steps.

        Raises:
            Cancelled: stop now; what was spent so far stays recorded.
        """
