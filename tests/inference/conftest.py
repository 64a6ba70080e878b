"""What the tests of inference requests share: an installation with a cohort and two stored networks that are hardly trained."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit

FINDINGS = ("mass", "nodule")
N_IMAGES = 120


@pytest.fixture
def installation(data_dir) -> Installation:
    return Installation.open(Settings(data_dir=data_dir, workers=2, engine_idle_seconds=2))


@pytest.fixture
def cohort(installation) -> Cohort:
    """Sixty patients of two images each."""
    rng = np.random.default_rng(0)
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(N_IMAGES)],
            "patient_id": [f"{i // 2:016x}" for i in range(N_IMAGES)],
            "age": 50.0,
            "sex": "female",
            "split": None,
            **{finding: rng.integers(0, 2, N_IMAGES).astype(float) for finding in FINDINGS},
        }
    )
    return installation.cohorts.write(
        "images",
        modality=Modality.RADIOGRAPH,
        synthetic=True,
        findings=FINDINGS,
        comorbidities=(),
        cases=cases,
        images=rng.integers(0, 256, (N_IMAGES, 128, 128), dtype=np.uint8),
        report=ImportReport(N_IMAGES, N_IMAGES, N_IMAGES // 2, 0, 0),
    )


@pytest.fixture
def models(installation, cohort) -> tuple[tuple[str, str], ...]:
    """A private and a non-private run of recipe `paper`, stored with weights that differ by seed."""
    from dpmed_core.training.encoders.network_input import radiograph_tensor
    from dpmed_core.training.loop import predict
    from dpmed_core.training.recipes.networks import NETWORKS
    from dpmed_core.training.recipes.train_network import build_network

    stored = []
    split = assign_parts(cohort, seed=0, key=installation.key)
    for seed, spec in enumerate(
        plan_runs(cohort, key=installation.key, recipe="paper", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    ):
        run_id = installation.runs.ask(spec, cohort_name=cohort.name).run_id
        network = build_network(
            NETWORKS["paper"], n_findings=len(FINDINGS), seed=50 + seed, encoders_dir=installation.settings.encoders_dir
        ).eval()
        scores = predict(network, radiograph_tensor(cohort.images[held_out_rows(split)]))
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        result = RunResult(spec, None, elapsed_seconds=1.0, n_parameters=1, n_train_cases=9, n_train_units=9)
        installation.runs.finish(run_id, TrainedModel(result, scores_table(cohort, split, scores), weights))
        installation.runs.set_progress(run_id, _finished())
        stored.append((run_id, installation.runs.weights_digest(run_id)))
    return tuple(stored)


def _finished():
    from dpmed_core.runs.status import Progress, RunState

    return Progress(RunState.FINISHED)


@pytest.fixture
def requests(installation, monkeypatch) -> InferenceRequests:
    """The store of inference requests, without an engine that answers them."""
    monkeypatch.setattr("dpmed_core.engine.inference_client.ensure_engine", lambda settings: None)
    return InferenceRequests(installation)


@pytest.fixture
def held_out(installation, cohort) -> np.ndarray:
    return held_out_rows(assign_parts(cohort, seed=0, key=installation.key))


@pytest.fixture
def answered(requests) -> Callable[[str], None]:
    """Answers a request in this process, as a worker would."""
    from dpmed_core.engine.inference_task import answer

    return lambda name: answer(requests.installation.settings, name)
