"""`pays`: what privacy costs each group in accuracy, beside the exposure that it removes."""

from functools import partial

import click
import numpy as np
import pandas as pd

from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.commands.exposure import trainings_option
from dpmed_core.commands.output import json_option, progress_line, records, say, tell
from dpmed_core.commands.training import unit_option
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_removed import ExposureRemoved, exposure_removed
from dpmed_core.privacy.exposure.patient_auc import patient_auc
from dpmed_core.privacy.exposure.patient_groups import patient_groups
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.exposure.shadow_trainings import draw_halves, shadow_likelihoods
from dpmed_core.privacy.exposure.training_images import training_images
from dpmed_core.privacy.exposure.who_pays import who_pays
from dpmed_core.reporting.wording.who_pays import NOTHING, who_pays_sentences
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

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
@trainings_option
@json_option
def pays(cohort_name: str, epsilon: float, recipe: str, unit: str, trainings: int, as_json: bool) -> None:
    """Who pays, who gains: AUROC that privacy costs each group and finding, beside the exposure that it removes.

    Losses are those of the trained models in the test patients; exposure is measured by shadow trainings of the training patients, as
    `exposure` does, and recorded in the ledger as use without privacy. Groups are printed, never a patient.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    if recipe != PROBE.name:
        raise SpecError(f"Exposure takes hundreds of trainings, for which recipe {recipe} is too slow: use recipe {PROBE.name}.")
    by = tuple(dict.fromkeys((*ATTRIBUTES, *cohort.comorbidities)))
    tables = EvaluationTables(partial(read_scores, installation.runs, cohort, recipe=recipe), by)
    costs = _costs(tables)
    chosen = costs[(costs["unit"] == unit) & (costs["epsilon"] == epsilon)] if len(costs) else costs
    if chosen.empty:
        raise SpecError(f"At ε = {epsilon:g} with unit {unit}: {NOTHING[0].lower()}{NOTHING[1:]}")
    target = PrivacyTarget(epsilon, float(chosen["delta"].iloc[0]))
    removed = _measured(installation, cohort, PrivacyUnit(unit), target, trainings)
    rows = who_pays(costs, removed, recipe=recipe, unit=unit, epsilon=epsilon, findings=cohort.findings)
    sentences = who_pays_sentences(rows)
    shown = [name for name in READABLE] + ["margin", "reason", "recipe", "unit", "epsilon", "delta", "accountant"]
    say({"rows": records(rows[shown]), "sentence": " ".join(sentences)}, _readable(rows, sentences), as_json=as_json)
    tell("These trainings are recorded in the ledger as use without privacy: internal comparison only, not for release.")


def _costs(tables: EvaluationTables) -> pd.DataFrame:
    """Costs of AUROC with their accountant; empty where nothing is finished."""
    return pd.DataFrame() if tables.is_empty else tables.with_guarantee(tables.of(AUROC).costs)


def _measured(
    installation: Installation, cohort: Cohort, unit: PrivacyUnit, target: PrivacyTarget, n_trainings: int
) -> list[ExposureRemoved]:
    """The exposure that `target` removes, measured on the training patients; the ledger has it first."""
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    folder = installation.cohorts.features_dir(cohort.name)
    images = training_images(cohort, split, public_features(cohort, features_dir=folder, encoders_dir=installation.settings.encoders_dir))
    members = patient_groups(cohort.cases.iloc[split.rows(Part.TRAIN)], findings=cohort.findings, comorbidities=cohort.comorbidities)
    facts: dict[str, object] = {"recipe": PROBE.name, "units": [unit.value], "epsilons": [target.epsilon]}
    installation.ledger.measure(cohort, split_seed=split.seed, facts=facts, n_trainings=2 * n_trainings)
    halves, progress, done = draw_halves(n_trainings, images.n_patients, np.random.default_rng()), progress_line("Shadow trainings"), 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, 2 * n_trainings)

    without, private = (
        patient_auc(shadow_likelihoods(images, halves, unit=unit, target=one, step=step), halves).value for one in (None, target)
    )
    return exposure_removed(without, private, members)


def _readable(rows: pd.DataFrame, sentences: list[str]) -> str:
    """The table and the sentences."""
    table = rows[list(READABLE)].copy()
    table["n_patients"] = ["withheld" if pd.isna(n) else f"{int(n):,}" for n in table["n_patients"]]
    for name in ("auroc_lost", "lost_low", "lost_high", "exposure_removed", "removed_low", "removed_high"):
        table[name] = ["" if pd.isna(value) else f"{value:+.3f}" for value in table[name]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *sentences])
