"""A data folder with many runs, made by the product's own stores; only scores and images in it are synthetic."""

import itertools
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit, RunSpec

N_COHORTS, SHOWN, OF_SHOWN = 20, "cohort-00", 50
"""Cohorts, the one that pages and commands are about, and how many runs it has, however many there are of others."""
N_PATIENTS, FINDINGS = 300, ("effusion", "mass")
EPSILONS = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0)
N_UNITS = 210


def name_of(number: int) -> str:
    """The name of a cohort."""
    return f"cohort-{number:02d}"


def make_cohorts(here: Installation) -> None:
    """Make `N_COHORTS` small cohorts of patients with one image each."""
    for number in range(N_COHORTS):
        rng = np.random.default_rng(number)
        cases = pd.DataFrame(
            {
                "case_id": [f"{number:04x}{i:012x}" for i in range(N_PATIENTS)],
                "patient_id": [f"{number:04x}{i:012x}" for i in range(N_PATIENTS)],
                "age": rng.integers(20, 95, N_PATIENTS).astype(float),
                "sex": np.where(rng.random(N_PATIENTS) < 0.5, "female", "male"),
                "split": None,
                **{finding: rng.integers(0, 2, N_PATIENTS).astype(float) for finding in FINDINGS},
            }
        )
        here.cohorts.write(
            name_of(number),
            modality=Modality.RADIOGRAPH,
            synthetic=False,
            findings=FINDINGS,
            comorbidities=(),
            cases=cases,
            images=rng.integers(0, 255, (N_PATIENTS, 16, 16), dtype=np.uint8),
            report=ImportReport(N_PATIENTS, N_PATIENTS, N_PATIENTS, 0, 0),
        )


def add_runs(here: Installation, name: str, n_runs: int, *, first: int = 0) -> None:
    """Add finished runs `first` to `n_runs` of cohort `name`, with their records; the ledger takes them over in one entry after another."""
    cohort = here.cohorts.load(name)
    n_seeds = -(-n_runs // (len(EPSILONS) + 1))
    planned = {"epsilons": EPSILONS, "n_seeds": n_seeds, "delta": 1e-5, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, key=here.key, recipe="probe", **planned)
    for spec in itertools.islice(specs, first, n_runs):
        _finish(here, cohort, spec)
    here.ledger.settle()


@cache
def _guarantee(epsilon: float | None, spec: RunSpec) -> PrivacyGuarantee | None:
    return plan_probe(spec, n_units=N_UNITS, n_findings=len(FINDINGS)).guarantee


def _finish(here: Installation, cohort: Cohort, spec: RunSpec) -> None:
    """Store a run as a worker leaves it."""
    run_id = here.runs.ask(spec, cohort_name=cohort.name).run_id
    split = assign_parts(cohort, seed=0, key=here.key)
    rng = np.random.default_rng(int(run_id[:8], 16))
    scores = scores_table(cohort, split, 0.3 * cohort.labels[held_out_rows(split)] + 0.7 * rng.random((len(held_out_rows(split)), 2)))
    like = RunSpec("", 0, spec.recipe, spec.recipe_version, spec.unit, spec.privacy, 0)
    guarantee = _guarantee(spec.privacy.epsilon if spec.privacy else None, like)
    steps = guarantee.steps if guarantee else 40
    progress = Progress(RunState.FINISHED, step=steps, total_steps=steps, attempt=1, planned=guarantee)
    here.runs.record(run_id, "started", attempt=1, parent=1)
    here.runs.record(
        run_id, "planned", draw=f"{run_id}-0", attempt=1, total_steps=steps, guarantee=asdict(guarantee) if guarantee else None
    )
    result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=N_UNITS, n_train_units=N_UNITS)
    here.runs.finish(run_id, TrainedModel(result, scores, {"w": rng.random((2, 4)).astype(np.float32)}))
    here.runs.record(run_id, "finished", attempt=1, steps=steps)
    here.runs.set_progress(run_id, progress)


def fill(here: Installation, n_runs: int, *, already: int = 0) -> None:
    """Bring the number of runs from `already` to `n_runs`: `OF_SHOWN` of the shown cohort, the others shared out over the other cohorts."""
    if not already:
        add_runs(here, SHOWN, min(OF_SHOWN, n_runs))
    before, after = ((max(n - OF_SHOWN, 0)) // (N_COHORTS - 1) for n in (already, n_runs))
    for number in range(1, N_COHORTS):
        add_runs(here, name_of(number), after, first=before)
