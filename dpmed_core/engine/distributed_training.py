"""Training one run with several processes.

    python -m torch.distributed.run --nproc-per-node 2 -m dpmed_core.engine.distributed_training RUN_ID

The first rank trains the run as any worker does. The others wait until it begins and then follow it step by step, with a session that
stores and shows nothing.
"""

import os
import sys

import torch
from torch import distributed

from dpmed_core.engine.training_task import train_with_recipe, work_on
from dpmed_core.files import keep_files_to_owner
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.dpsgd.ranks import process_group
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.result import PrivacyGuarantee, TrainedModel
from dpmed_core.training.session import Cancelled, Checkpoint, TrainingSession

BEGIN, SKIP = 1, 0
"""What the first rank sends to the others: train with it, or end without training."""


class FollowingSession:
    """The session of every rank but the first: it resumes from the same checkpoint and stores nothing."""

    def __init__(self, runs: RunStore, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        """Does nothing: the first rank records the plan."""

    def latest(self) -> Checkpoint | None:
        """The run's last checkpoint."""
        return self._runs.checkpoint(self._run_id)

    def save(self, checkpoint: Checkpoint) -> None:
        """Does nothing: the first rank stores the same state."""

    def charge_all(self) -> None:
        """Does nothing: the first rank records it."""

    def step(self, done: int, total: int) -> None:
        """Does nothing: the training loop asks the first rank whether to continue."""


def main() -> None:
    """Train the run that the command line names on the ranks of this launch; the exit status is 1 if it does not finish."""
    keep_files_to_owner()
    run_id = sys.argv[1]
    distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    _take_own_gpu()
    installation = Installation.open()
    try:
        finished = _lead(installation, run_id) if process_group().is_first else _follow(installation, run_id)
    finally:
        distributed.destroy_process_group()
    sys.exit(0 if finished else 1)


def _take_own_gpu() -> None:
    """Train on the GPU with this rank's number on its machine; without it all ranks would take the first one."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())


def _lead(installation: Installation, run_id: str) -> bool:
    """Train the run on the first rank; whether it is finished."""
    sent = False

    def train(here: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
        nonlocal sent
        process_group().broadcast_value(SKIP if status.spec.recipe == PROBE.name else BEGIN)  # a probe takes one process
        sent = True
        return train_with_recipe(here, status, session)

    installation.runs.status(run_id)
    try:
        work_on(installation.settings, run_id, trainer=train)
    finally:
        if not sent:  # the run was not begun, and the other ranks still wait
            process_group().broadcast_value(SKIP)
    return installation.runs.status(run_id).state is RunState.FINISHED


def _follow(installation: Installation, run_id: str) -> bool:
    """Follow the first rank through the run; False where the run was cancelled."""
    if process_group().broadcast_value(SKIP) == SKIP:  # what this rank passes is not used: the first rank's value comes back
        return True
    try:
        train_with_recipe(installation, installation.runs.status(run_id), FollowingSession(installation.runs, run_id))
    except Cancelled:
        return False
    return True


if __name__ == "__main__":
    main()
