"""How far training is, in a sentence that is true of every run that was asked for."""

from collections import Counter
from collections.abc import Iterable

from dpmed_core.phrases import counted
from dpmed_core.runs.status import OPEN_STATES, RunState

ALL_FINISHED = "Every requested model is finished."


def training_sentence(states: Iterable[RunState]) -> str:
    """How many models are still to come, or how many of those that were asked for are not here.

    Args:
        states: of the runs on a cohort; a withdrawn one is no longer asked for.

    >>> training_sentence([RunState.FINISHED, RunState.WITHDRAWN])
    'Every requested model is finished.'
    >>> training_sentence([RunState.FINISHED, RunState.QUEUED])
    '1 model is still to come; the page fills in by itself.'
    >>> training_sentence([RunState.FINISHED, RunState.CANCELLED, RunState.CANCELLED, RunState.FAILED])
    'No model is still to come. Of those requested, 2 were cancelled and 1 failed: they can be tried again on the page Train.'
    """
    count = Counter(states)
    if under_way := sum(count[state] for state in OPEN_STATES):
        return f"{counted(under_way, 'model is', 'models are')} still to come; the page fills in by itself."
    missing = []
    if cancelled := count[RunState.CANCELLED]:
        missing.append(counted(cancelled, "was cancelled", "were cancelled"))
    if failed := count[RunState.FAILED]:
        missing.append(f"{failed:,} failed")
    if not missing:
        return ALL_FINISHED
    return f"No model is still to come. Of those requested, {' and '.join(missing)}: they can be tried again on the page Train."
