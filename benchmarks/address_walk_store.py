"""A small synthetic cohort with models trained at four budgets, to walk over its pages."""

import numpy as np
import pandas as pd

from dpmed_core.cohort.report import ImportReport
from dpmed_core.engine.training_task import work_on
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit

NAME, EPSILONS = "walked", ("0.3", "1", "2", "8")
N_CASES = 120


def make(settings: Settings, installation: Installation) -> None:
    """Store the cohort and train its models, one for each budget and one without privacy."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (N_CASES, 2)).astype(float)
    images = rng.integers(0, 200, (N_CASES, 64, 64), dtype=np.uint8)
    images[:, 8:24, 8:24] += (50 * labels[:, :1, None]).astype(np.uint8)
    cases = pd.DataFrame(
        {
            "case_id": [f"{row:016x}" for row in range(N_CASES)],
            "patient_id": [f"{row:016x}" for row in range(N_CASES)],
            "age": rng.integers(20, 90, N_CASES).astype(float),
            "sex": rng.choice(["female", "male"], N_CASES),
            "split": rng.choice(["test", "validation", "train"], N_CASES, p=[0.3, 0.2, 0.5]),
            "mass": labels[:, 0],
            "effusion": labels[:, 1],
        }
    )
    installation.cohorts.write(
        NAME,
        modality=Modality.RADIOGRAPH,
        synthetic=True,
        findings=("mass", "effusion"),
        comorbidities=(),
        cases=cases,
        images=images,
        report=ImportReport(N_CASES, N_CASES, N_CASES, 0, 0),
    )
    cohort = installation.cohorts.load(NAME)
    budgets = [float(epsilon) for epsilon in EPSILONS]
    for spec in plan_runs(cohort, key=installation.key, recipe="probe", epsilons=budgets, n_seeds=1, delta=1e-5, unit=PrivacyUnit.PATIENT):
        work_on(settings, installation.runs.ask(spec, cohort_name=NAME).run_id)
