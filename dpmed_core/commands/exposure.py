"""`exposure`: how well an attacker who sees a model can tell, of each training patient, that the patient took part."""

from collections.abc import Sequence

import click
import pandas as pd

from dpmed_core.commands.output import json_option, progress_line, say, tell
from dpmed_core.commands.training import delta_option
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.exposure.sentences import exposure_sentences
from dpmed_core.protection import FEWEST_TRAININGS, arms_of, measure_exposure
from dpmed_core.runs.plan import parse_epsilons
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyUnit

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


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=PROBE.name, show_default=True)
@click.option("--epsilons", required=True, help="Privacy budgets, comma-separated; the non-private reference is measured with them.")
@delta_option
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="What is clipped and protected as one.  [default: both]")
@click.option(
    "--trainings",
    default=FEWEST_TRAININGS,
    show_default=True,
    type=click.IntRange(FEWEST_TRAININGS, 10_000),
    help="Of each budget and unit.",
)
@json_option
def exposure(cohort_name: str, recipe: str, epsilons: str, delta: float | None, unit: str | None, trainings: int, as_json: bool) -> None:
    """How exposed the training patients are at each budget, measured by shadow trainings with a random half of them each.

    Prints distributions and groups, never a patient; no shadow model is kept. The trainings stand in the ledger as use without privacy.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    one = PrivacyUnit(unit) if unit else None
    arms = arms_of(installation, cohort, recipe=recipe, epsilons=parse_epsilons(epsilons), delta=delta, unit=one)
    found = measure_exposure(installation, cohort, arms, n_trainings=trainings, progress=progress_line("Shadow trainings"))
    say([row.to_fields() for row in found.rows], _readable(found.rows), as_json=as_json)
    tell("These trainings are recorded in the ledger as use without privacy: internal comparison only, not for release.")


def _readable(rows: Sequence[ExposureRow]) -> str:
    """The table over budgets, what it means, and the verdicts on groups."""
    table = pd.DataFrame([row.to_fields() for row in rows])[list(READABLE)]
    table["epsilon"] = ["without" if pd.isna(value) else f"{value:g}" for value in table["epsilon"]]
    for name in ("median_auc", "worst_auc", "share_nearly_certain", "bound", "null_median_auc"):
        table[name] = ["none" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *exposure_sentences(rows)])
