"""What the commands that measure by shadow trainings take, check and say alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import click

from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.output import json_option
from dpmed_core.commands.training import delta_option
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_rows import Arm
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.protection import FEWEST_TRAININGS, arms_of
from dpmed_core.public_starts import start_for, start_of_models
from dpmed_core.runs.plan import parse_epsilons
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyUnit, StartChoice

NOT_FOR_RELEASE = "These trainings are recorded in the ledger as use without privacy: internal comparison only, not for release."


start_option = click.option("--start", help="Of models that begin at this public start. Default: of those from scratch.")
trainings_option = click.option(
    "--trainings",
    default=FEWEST_TRAININGS,
    show_default=True,
    type=click.IntRange(FEWEST_TRAININGS, 10_000),
    help="Of each budget and unit.",
)


class ShadowOptions(TypedDict):
    """The values of `shadow_options` that say what is measured."""

    cohort_name: str
    recipe: str
    epsilons: str
    delta: float | None
    unit: str | None
    start: str | None


@dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        installation: whose cohort.
        cohort: the data.
        arms: budgets and units.
        start: the public start of the trainings, as of the finished models, or else as one would be trained; None from scratch.
    """

    installation: Installation
    cohort: Cohort
    arms: list[Arm]
    start: StartChoice | None


def shadow_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that measures by shadow trainings."""
    options = (
        click.option("--cohort", "cohort_name", required=True),
        click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=PROBE.name, show_default=True),
        click.option(
            "--epsilons", required=True, help="Privacy budgets, comma-separated; the non-private reference is measured with them."
        ),
        delta_option,
        click.option(
            "--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="What is clipped and protected as one.  [default: both]"
        ),
        start_option,
        trainings_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def to_be_measured(said: ShadowOptions) -> Asked:
    """What the options ask for.

    Raises:
        SettingsError: the installation does not allow it for real patients.
        SpecError: the recipe takes too long, a budget cannot be trained, or there is no such start.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(said["cohort_name"])
    require_permission(cohort, allowed=installation.settings.show_exposure)
    unit, epsilons = PrivacyUnit(said["unit"]) if said["unit"] else None, parse_epsilons(said["epsilons"])
    arms = arms_of(installation, cohort, recipe=said["recipe"], epsilons=epsilons, delta=said["delta"], unit=unit)
    start, recipe = None, said["recipe"]
    if name := said["start"]:
        start = start_of_models(installation, cohort, name, recipe=recipe) or start_for(installation, cohort, name, recipe=recipe)
    return Asked(installation, cohort, arms, start)
