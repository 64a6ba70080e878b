"""The public start that a run names, for the findings of its cohort."""

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SpecError
from dpmed_core.training.spec import RunSpec, StartChoice
from dpmed_core.training.starts.start import Start
from dpmed_core.training.starts.start_store import StartStore


def start_of(spec: RunSpec, cohort: Cohort, starts: StartStore | None) -> Start | None:
    """The public start of a run, for the cohort's findings; None for one from scratch.

    Raises:
        SpecError: it is gone, damaged, of another recipe, or another one than was asked for.
    """
    if spec.start is None:
        return None
    if starts is None:
        raise SpecError(f"Start {spec.start.name!r} is not at hand here: train the run in its installation.")
    return chosen_start(spec.start, cohort, starts, recipe=spec.recipe)


def chosen_start(choice: StartChoice, cohort: Cohort, starts: StartStore, *, recipe: str) -> Start:
    """The start that was chosen, for the cohort's findings; raises as `start_of` does."""
    card = starts.card(choice.name)
    if card.digest != choice.digest:
        raise SpecError(f"Start {card.name!r} is not the one that was asked for any more: ask for the run again.")
    card.require_recipe(recipe)
    return starts.load(card.name).of(cohort.findings, choice.findings, card.findings)
