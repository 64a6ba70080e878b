"""`exposure`: how well an attacker who sees a model can tell, of each training patient, that the patient took part."""

from collections.abc import Sequence

import click
import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.commands.output import json_option, progress_line, say, tell
from dpmed_core.commands.training import delta_option
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_rows import Arm, ExposureRow, exposure_rows
from dpmed_core.privacy.exposure.patient_groups import patient_groups
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.exposure.sentences import exposure_sentences
from dpmed_core.privacy.exposure.training_images import training_images
from dpmed_core.runs.plan import parse_epsilons, plan_runs
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyUnit

FEWEST_TRAININGS = 200
"""With fewer, a patient's AUC has a standard error above .04."""
READABLE = {
    "unit": "unit",
    "epsilon": "ε",
    "median_auc": "median AUC",
    "worst_auc": "worst",
    "share_nearly_certain": "at least .9",
    "flagged": "flagged",
    "bound": "proven bound",
    "null_median_auc": "median by chance",
    "null_flagged": "flagged by chance",
}
"""Columns of the printed table, and their headings."""
trainings_option = click.option(
    "--trainings",
    default=FEWEST_TRAININGS,
    show_default=True,
    type=click.IntRange(FEWEST_TRAININGS, 10_000),
    help="Of each budget and unit.",
)


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=PROBE.name, show_default=True)
@click.option("--epsilons", required=True, help="Privacy budgets, comma-separated; the non-private reference is measured with them.")
@delta_option
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="What is clipped and protected as one.  [default: both]")
@trainings_option
@json_option
def exposure(cohort_name: str, recipe: str, epsilons: str, delta: float | None, unit: str | None, trainings: int, as_json: bool) -> None:
    """How exposed the training patients are at each budget, measured by shadow trainings with a random half of them each.

    Prints distributions and groups, never a patient; no shadow model is kept. The trainings stand in the ledger as use without privacy.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    arms = _arms(installation, cohort, recipe, parse_epsilons(epsilons), delta, unit)
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    folder = installation.cohorts.features_dir(cohort.name)
    features = public_features(cohort, features_dir=folder, encoders_dir=installation.settings.encoders_dir)
    images = training_images(cohort, split, features)
    members = patient_groups(cohort.cases.iloc[split.rows(Part.TRAIN)], findings=cohort.findings, comorbidities=cohort.comorbidities)
    facts: dict[str, object] = {
        "recipe": recipe,
        "units": sorted({arm.unit.value for arm in arms}),
        "epsilons": sorted({arm.target.epsilon for arm in arms if arm.target}),
    }
    installation.ledger.measure(cohort, split_seed=split.seed, facts=facts, n_trainings=trainings * len(arms))
    rng = np.random.default_rng()
    rows = exposure_rows(images, arms, members, n_trainings=trainings, rng=rng, progress=progress_line("Shadow trainings"))
    say([row.to_fields() for row in rows], _readable(rows), as_json=as_json)
    tell("These trainings are recorded in the ledger as use without privacy: internal comparison only, not for release.")


def _arms(
    installation: Installation, cohort: Cohort, recipe: str, epsilons: Sequence[float], delta: float | None, unit: str | None
) -> list[Arm]:
    """What is measured: by unit, the non-private reference and then the budgets.

    Raises:
        SpecError: the recipe takes too long for hundreds of trainings, or `sweep` would refuse the same.
    """
    if recipe != PROBE.name:
        raise SpecError(f"Exposure takes hundreds of trainings, for which recipe {recipe} is too slow: use recipe {PROBE.name}.")
    known = tuple(PrivacyUnit) if cohort.patients_known else (PrivacyUnit.IMAGE,)
    return [
        Arm(one, spec.privacy)
        for one in ((PrivacyUnit(unit),) if unit else known)
        for spec in plan_runs(cohort, key=installation.key, recipe=recipe, epsilons=epsilons, n_seeds=1, delta=delta, unit=one)
    ]


def _readable(rows: Sequence[ExposureRow]) -> str:
    """The table over budgets, what it means, and the verdicts on groups."""
    table = pd.DataFrame([row.to_fields() for row in rows])[list(READABLE)]
    table["epsilon"] = ["without" if pd.isna(value) else f"{value:g}" for value in table["epsilon"]]
    for name in ("median_auc", "worst_auc", "share_nearly_certain", "bound", "null_median_auc"):
        table[name] = ["none" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *exposure_sentences(rows)])
