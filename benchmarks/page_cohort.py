"""A cohort of the paper's size with finished runs whose scores are synthetic: for measuring speed, not quality."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit, RunSpec

NAME = "page-speed"
N_TEST, N_VALIDATION, N_TRAIN = 39_809, 4_000, 2_000
IMAGES_PER_PATIENT = 2
FINDINGS = ("cardiomegaly", "congestion", "pleural_effusion_right", "pleural_effusion_left", "pneumonia", "oedema", "atelectasis", "mass")
COMORBIDITIES = ("heart_failure", "copd")
EPSILONS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
N_SEEDS = 2

Floats = NDArray[np.float64]


def make(installation: Installation) -> Cohort:
    """The cohort, with `N_SEEDS` runs at each of `EPSILONS` and as many non-private references, all stored as finished."""
    rng = np.random.default_rng(0)
    cohort = _cohort(installation, rng)
    specs = plan_runs(
        cohort, key=installation.key, recipe="probe", epsilons=EPSILONS, n_seeds=N_SEEDS, delta=1e-5, unit=PrivacyUnit.PATIENT
    )
    split = assign_parts(cohort, seed=0, key=installation.key)
    truth = np.nan_to_num(cohort.labels[held_out_rows(split)].astype(float)) + rng.normal(size=(N_TEST + N_VALIDATION, len(FINDINGS)))
    for spec in specs:
        noise = 0.0 if spec.privacy is None else 1 / math.sqrt(spec.privacy.epsilon)
        probabilities = 1 / (1 + np.exp(-truth - noise * rng.normal(size=truth.shape) + 0.2 * rng.normal(size=truth.shape)))
        scores = scores_table(cohort, split, probabilities)
        store(installation, cohort, spec, scores)
    # As the ledger of any store in use, which holds what each run spent.
    installation.ledger.settle(*installation.runs.ids())
    return cohort


def _cohort(installation: Installation, rng: np.random.Generator) -> Cohort:
    sizes = {Part.TEST: N_TEST, Part.VALIDATION: N_VALIDATION, Part.TRAIN: N_TRAIN}
    parts = np.repeat([part.value for part in sizes], list(sizes.values()))
    starts = np.concatenate([np.arange(n) % IMAGES_PER_PATIENT == 0 for n in sizes.values()])
    patient, n_cases = np.cumsum(starts) - 1, len(parts)
    age = rng.integers(20, 95, patient.max() + 1)[patient].astype(float)
    sex = np.where(rng.random(patient.max() + 1) < 0.5, "female", "male")[patient]
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(n_cases)],
            "patient_id": [f"{p:016x}" for p in patient],
            "age": age,
            "sex": sex,
            "split": parts,
            **{name: (rng.random(n_cases) < 0.15).astype(float) for name in FINDINGS},
            **{name: (rng.random(patient.max() + 1) < 0.3)[patient].astype(float) for name in COMORBIDITIES},
        }
    )
    return installation.cohorts.write(
        NAME,
        modality=Modality.RADIOGRAPH,
        synthetic=True,
        findings=FINDINGS,
        comorbidities=COMORBIDITIES,
        cases=cases,
        images=rng.integers(0, 256, (n_cases, 4, 4), dtype=np.uint8),
        report=ImportReport(n_cases, n_cases, int(patient.max()) + 1, 0, 0),
    )


def store(installation: Installation, cohort: Cohort, spec: RunSpec, scores: pd.DataFrame) -> None:
    """Store `scores` as the result of the run `spec`."""
    installation.runs.ask(spec, cohort_name=cohort.name)
    run_id = installation.runs.run_id(spec)
    guarantee = None
    if spec.privacy is not None:
        n_units = N_TRAIN // IMAGES_PER_PATIENT
        guarantee = PrivacyGuarantee(
            spec.privacy.epsilon, spec.privacy.delta, spec.unit, "analytic-gaussian", NEIGHBORING_RELATION,
            noise_multiplier=1.0, max_grad_norm=1.0, sample_rate=1.0, steps=1, n_units=n_units,
            check_epsilon=spec.privacy.epsilon, check_accountant="none: synthetic scores",
        )  # fmt: skip
    result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=1, n_train_cases=N_TRAIN, n_train_units=N_TRAIN // 2)
    installation.runs.finish(run_id, TrainedModel(result, scores, {"weights": np.zeros(1, np.float32)}))
    installation.runs.set_progress(run_id, replace(Progress(RunState.FINISHED), step=1, total_steps=1, attempt=1))
