"""`pays`: what privacy costs each group in accuracy, beside the exposure that it removes."""

from functools import partial

import click
import pandas as pd

from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.output import json_option, progress_line, records, say, tell
from dpmed_core.commands.shadow_options import NOT_FOR_RELEASE, start_option, trainings_option
from dpmed_core.commands.training import unit_option
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_removed import ExposureRemoved
from dpmed_core.privacy.exposure.exposure_rows import Arm
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.exposure.who_pays import who_pays
from dpmed_core.protection import measure_exposure, removed_by, stored_exposure
from dpmed_core.public_starts import start_of_models
from dpmed_core.reporting.wording.who_pays import NOTHING, who_pays_sentences
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, StartChoice

READABLE = {
    "attribute": "attribute",
    "group": "group",
    "n_patients": "patients",
    "auroc_lost": "AUROC lost",
    "lost_low": "low",
    "lost_high": "high",
    "verdict": "verdict",
    "exposure_removed": "exposure removed",
    "removed_low": "low ",
    "removed_high": "high ",
}
"""Columns of the printed table, and their headings."""


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--epsilon", required=True, type=float, help="A trained privacy budget.")
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=PROBE.name, show_default=True)
@unit_option
@start_option
@trainings_option
@json_option
def pays(cohort_name: str, epsilon: float, recipe: str, unit: str, start: str | None, trainings: int, as_json: bool) -> None:
    """Who pays, who gains: AUROC that privacy costs each group and finding, beside the exposure that it removes.

    Losses are those of the trained models in the test patients; exposure is that which `exposure` or the page Privacy measured, or is
    measured now, as `exposure` does. Groups are printed, never a patient.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    if recipe != PROBE.name:
        raise SpecError(f"Exposure takes hundreds of trainings, for which recipe {recipe} is too slow: use recipe {PROBE.name}.")
    by = tuple(dict.fromkeys((*ATTRIBUTES, *cohort.comorbidities)))
    tables = EvaluationTables(partial(read_scores, installation.runs, cohort, recipe=recipe, start=start), by)
    costs = _costs(tables)
    chosen = costs[(costs["unit"] == unit) & (costs["epsilon"] == epsilon)] if len(costs) else costs
    if chosen.empty:
        raise SpecError(f"At ε = {epsilon:g} with unit {unit}: {NOTHING[0].lower()}{NOTHING[1:]}")
    target = PrivacyTarget(epsilon, float(chosen["delta"].iloc[0]))
    begun = start_of_models(installation, cohort, start, recipe=recipe) if start else None
    removed = _removed(installation, cohort, PrivacyUnit(unit), target, begun, trainings)
    rows = who_pays(costs, removed, recipe=recipe, unit=unit, epsilon=epsilon, findings=cohort.findings)
    sentences = who_pays_sentences(rows)
    shown = [name for name in READABLE] + ["margin", "reason", "recipe", "unit", "epsilon", "delta", "accountant"]
    say({"rows": records(rows[shown]), "sentence": " ".join(sentences)}, _readable(rows, sentences), as_json=as_json)


def _costs(tables: EvaluationTables) -> pd.DataFrame:
    """Costs of AUROC with their accountant; empty where nothing is finished."""
    return pd.DataFrame() if tables.is_empty else tables.with_guarantee(tables.of(AUROC).costs)


def _removed(
    installation: Installation, cohort: Cohort, unit: PrivacyUnit, target: PrivacyTarget, start: StartChoice | None, n_trainings: int
) -> list[ExposureRemoved]:
    """The exposure that `target` removes: of the measurement that is kept, else measured now and not kept in its place."""
    kept = stored_exposure(installation, cohort, start)
    if kept and kept.n_trainings >= n_trainings and (removed := removed_by(installation, cohort, kept, unit, target)):
        return removed
    arms, keeps, progress = [Arm(unit, None), Arm(unit, target)], kept is None, progress_line("Shadow trainings")
    found = measure_exposure(installation, cohort, arms, start=start, n_trainings=n_trainings, progress=progress, keeps=keeps)
    tell(NOT_FOR_RELEASE)
    return removed_by(installation, cohort, found, unit, target)


def _readable(rows: pd.DataFrame, sentences: list[str]) -> str:
    """The table and the sentences."""
    table = rows[list(READABLE)].copy()
    table["n_patients"] = ["withheld" if pd.isna(n) else f"{int(n):,}" for n in table["n_patients"]]
    for name in ("auroc_lost", "lost_low", "lost_high", "exposure_removed", "removed_low", "removed_high"):
        table[name] = ["" if pd.isna(value) else f"{value:+.3f}" for value in table[name]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *sentences])
