"""The space that a run needs on the disk, and what is said of one that waits for it."""

from contextlib import suppress
from dataclasses import replace

from filelock import Timeout

from dpmed_core.files import allocation_reason, space_reason
from dpmed_core.phrases import duration_in_words
from dpmed_core.runs.checkpoint_file import checkpoint_bytes
from dpmed_core.runs.folder import CHECKPOINT
from dpmed_core.runs.status import OPEN_STATES, RunState, RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.recipes.catalogue import RECIPES

BYTES_PER_PARAMETER = 4 * (1 + 2 * 3)
"""Of float32: the stored weights, and twice, while one checkpoint replaces another, weights with the optimizer's two moments."""
SCORES_BYTES = 2 << 20
"""For scores and records; scores take some 50 bytes a case and finding, compressed to a tenth."""


def needed_bytes(runs: RunStore, status: RunStatus) -> int:
    """The most that the rest of a run writes at once, in bytes: checkpoints, weights and scores.

    By its checkpoint, where it has one, otherwise by the number of parameters on its recipe's card.
    """
    if (checkpoint := checkpoint_bytes(runs.root / status.run_id / CHECKPOINT)) > 0:
        return 2 * checkpoint + SCORES_BYTES
    card = RECIPES.get(status.spec.recipe)
    return (card.n_parameters if card else 0) * BYTES_PER_PARAMETER + SCORES_BYTES


def waiting_sentence(runs: RunStore, status: RunStatus) -> str | None:
    """Why an open run waits for its disk, in one sentence; None where it does not."""
    if status.state not in OPEN_STATES:
        return None
    reason = space_reason(runs.root, needed_bytes(runs, status))
    return None if reason is None else in_a_sentence(reason)


def waiting_again_sentence(runs: RunStore, status: RunStatus, times: float) -> str | None:
    """Why an open run waits whose last attempt ended because its disk took nothing; None where it is to be tried again.

    Args:
        runs: the store.
        status: of the run.
        times: as many times the space that it should need is tried now.
    """
    n_bytes = round(times * needed_bytes(runs, status))
    reason = space_reason(runs.root, n_bytes) or allocation_reason(runs.root / status.run_id, n_bytes)
    return None if reason is None else in_a_sentence(reason)


def what_holds_up(runs: RunStore, status: RunStatus) -> str:
    """What is to be said of a run beside its state: why it ended or waits, or that it has taken no step for a while; or nothing.

    That the disk takes nothing is looked up now: a worker could not write it down.
    """
    if (waits := waiting_sentence(runs, status)) is not None:
        return waits
    if status.message or not status.is_slow:
        return status.message
    return f"no step for {duration_in_words(status.seconds_without_progress or 0.0)}"


def set_waiting(runs: RunStore, run_id: str, message: str) -> None:
    """Give an open run back to the queue with the reason why it waits, if the disk takes even that."""
    with suppress(OSError, Timeout), runs.state_lock(run_id):
        progress = runs.progress(run_id)
        waits = progress.state is RunState.QUEUED and progress.message == message
        if progress.state in OPEN_STATES and not waits:
            runs.set_progress(run_id, replace(progress, state=RunState.QUEUED, seconds_left=None, message=message))


def in_a_sentence(reason: str) -> str:
    """What is said of a run that waits for its disk."""
    return f"Waiting: {reason}. The run goes on by itself when that is mended."
