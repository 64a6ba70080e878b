"""A small synthetic cohort that is drawn once, and finished runs on it as a worker would store them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.cohort.store import CohortStore
from dpmed_core.installation import Installation
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import RunSpec

N_IMAGES = 150


@pytest.fixture(scope="session")
def demo(shared_folder: Path, fixed_key: bytes) -> Path:
    """A folder with the small synthetic cohort, made once."""
    store = CohortStore(shared_folder / "demo", fixed_key)
    with FileLock(shared_folder / "demo.lock"):
        if not store.names():
            add_demo_radiograph(store, name="demo-radiograph", n_cases=N_IMAGES, workers=1)
    return store.root


def finish_run(here: Installation, cohort: Cohort, spec: RunSpec, luck: int = 3) -> str:
    """Store a result as a worker would, and give its run_id; scores come from the labels, blurred by a fixed amount that `luck` names."""
    split = assign_parts(cohort, seed=spec.split_seed or 0, key=here.key)
    blur = np.random.default_rng(luck).random((len(held_out_rows(split)), len(cohort.findings)))
    probabilities = 0.3 * cohort.labels[held_out_rows(split)] + 0.7 * blur
    n_units = cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
    guarantee = plan_probe(spec, n_units=n_units, n_findings=len(cohort.findings)).guarantee
    result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
    run_id = here.runs.run_id(spec)
    here.runs.finish(run_id, TrainedModel(result, scores_table(cohort, split, probabilities), {"weights": np.zeros((2, 4))}))
    here.runs.set_progress(run_id, replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
    return run_id
