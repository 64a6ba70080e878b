"""What to do next on a cohort, from what was trained and what its numbers can tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dpmed_core.evaluation.tables.cost_of_privacy import PATIENTS
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.runs.status import OPEN_STATES, RunState

TRAIN, CASES = "train", "cases"


@dataclass(frozen=True)
class NextStep:
    """What to do, and on which page.

    Attributes:
        sentence: what, and why.
        page: where: "train" or "cases".
    """

    sentence: str
    page: str


def next_step(states: Sequence[RunState], costs: pd.DataFrame) -> NextStep:
    """The first of these that is still to do: train, wait, train what is missing to compare with, repeat, look at cases.

    Args:
        states: of all runs on the cohort.
        costs: of the chosen recipe and unit at every budget (`MetricTables.costs`); none where there is nothing to compare.
    """
    asked = [state for state in states if state != RunState.WITHDRAWN]
    if not asked:
        return NextStep("Plan the first models: what they can tell, and what they will cost, is said before anything is spent.", TRAIN)
    if any(state in OPEN_STATES for state in asked):
        return NextStep(training_sentence(asked), TRAIN)
    if costs.empty:
        return NextStep("Train models with privacy and without: what privacy costs is their difference.", TRAIN)
    if (costs["covers"] == PATIENTS).any():
        return NextStep("Train each model twice or more: of one training, chance cannot be separated from privacy.", TRAIN)
    if any(state in (RunState.CANCELLED, RunState.FAILED) for state in asked):
        return NextStep(training_sentence(asked), TRAIN)
    return NextStep("Look at the patients for whom privacy changed the answer.", CASES)
