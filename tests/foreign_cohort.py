"""A cohort whose findings and co-morbidities are foreign strings, with a private run and its reference on it."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit
from dpmed_core.uploads.columns import table_facts

N_IMAGES = 90
OWN = ("image", "patient_id", "age", "sex", "split")
"""Columns of the table that are not foreign."""


def import_foreign(installation: Installation, folder: Path, findings: Sequence[str], comorbidities: Sequence[str]) -> Cohort:
    """Import a cohort of noise under its own name "foreign", whose columns are called so."""
    folder.mkdir(parents=True)
    # A heading of several lines is refused as unreadable.
    findings, comorbidities = ([" ".join(name.split()) for name in names] for names in (findings, comorbidities))
    rng = np.random.default_rng(0)
    with (folder / "list.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*OWN, *findings, *comorbidities])
        for i in range(N_IMAGES):
            Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(folder / f"{i}.png")
            part = ("train", "validation", "test", "test")[i % 4]
            columns = len(findings) + len(comorbidities)
            table.writerow([f"{i}.png", f"p{i}", 20 + i % 60, "FM"[i % 2], part, *rng.integers(0, 2, columns)])
    # As the reader of tables gives the columns' names.
    labels = [name for name in table_facts(folder / "list.csv").columns if name not in OWN]
    findings, comorbidities = labels[: len(findings)], labels[len(findings) :]
    import_manifest(
        installation.cohorts, "foreign", manifest=folder / "list.csv", images_dir=None, findings=findings, comorbidities=comorbidities
    )
    return installation.cohorts.load("foreign")


def finish_pair(installation: Installation, cohort: Cohort) -> None:
    """Store results of a private run at ε = 1 and of its reference, with scores of chance."""
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    installation.ledger.ask(cohort, specs)
    for number, spec in enumerate(specs):
        split = assign_parts(cohort, seed=spec.split_seed or 0, key=installation.key)
        scores = np.random.default_rng(number).random((len(held_out_rows(split)), len(cohort.findings)))
        n_units = cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
        guarantee = plan_probe(spec, n_units=n_units, n_findings=len(cohort.findings)).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
        run_id = installation.runs.run_id(spec)
        weights = {"weights": np.zeros((2, 4))}
        installation.runs.finish(run_id, TrainedModel(result, scores_table(cohort, split, scores), weights))
        installation.runs.set_progress(run_id, replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
