"""What the tests of runs and of the engine share: an installation with a small cohort, and a trainer that a test can steer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunStatus
from dpmed_core.settings import Settings
from dpmed_core.training.result import SCORE_COLUMNS, RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint, TrainingSession
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

N_STEPS = 6


@dataclass
class SteeredTrainer:
    """Trains by counting to `N_STEPS`, with a checkpoint after every second step; `at` is called before each step."""

    at: Callable[[int], None] = lambda step: None
    started_from: list[int] = field(default_factory=list)
    keeps_checkpoints: bool = True

    def __call__(self, installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
        del installation
        session.plan(None, N_STEPS)
        checkpoint = session.latest()
        done = checkpoint.step if checkpoint else 0
        self.started_from.append(done)
        while done < N_STEPS:
            session.step(done, N_STEPS)
            self.at(done)
            done += 1
            if done % 2 == 0 and self.keeps_checkpoints:
                session.save(Checkpoint(done, {"model.w": np.full(3, done, np.float32)}, elapsed_seconds=float(done)))
        session.step(done, N_STEPS)
        result = RunResult(status.spec, None, elapsed_seconds=1.0, n_parameters=3, n_train_cases=9, n_train_units=9)
        return TrainedModel(result, pd.DataFrame(columns=list(SCORE_COLUMNS)), {"w": np.ones(3, np.float32)})


@pytest.fixture
def trainer() -> SteeredTrainer:
    return SteeredTrainer()


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, workers=1, engine_idle_seconds=2)


@pytest.fixture
def installation(settings: Settings) -> Installation:
    return Installation.open(settings)


@pytest.fixture
def cohort(installation: Installation) -> Cohort:
    """The cohort of `make_cohort`."""
    return make_cohort(installation)


def make_cohort(
    installation: Installation, name: str = "images", seed: int = 0, *, finding: str = "mass", synthetic: bool = False
) -> Cohort:
    """Thirty-two patients of two images each; the first half of an image is brighter where the finding is present."""
    rng = np.random.default_rng(seed)
    n_images = 64
    labels = rng.integers(0, 2, n_images).astype(float)
    images = rng.integers(0, 120, (n_images, 64, 64), dtype=np.uint8)
    images[labels == 1, :32] += 60
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(n_images)],
            "patient_id": [f"{i // 2:016x}" for i in range(n_images)],
            "age": 50.0,
            "sex": np.where(rng.random(n_images) < 0.5, "female", "male"),
            "split": None,
            finding: labels,
        }
    )
    return installation.cohorts.write(
        name,
        modality=Modality.RADIOGRAPH,
        synthetic=synthetic,
        findings=(finding,),
        comorbidities=(),
        cases=cases,
        images=images,
        report=ImportReport(n_images, n_images, n_images // 2, 0, 0),
    )


@pytest.fixture
def spec(cohort: Cohort) -> RunSpec:
    return make_spec(cohort)


def make_spec(cohort: Cohort) -> RunSpec:
    """One private run on `cohort`."""
    return RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(8, 1e-5), seed=0)


@pytest.fixture
def other_patients(installation, monkeypatch):
    """The same cohorts, as if their patients had identifiers of their own."""
    persons = type(installation.cohorts).persons
    monkeypatch.setattr(
        type(installation.cohorts), "persons", lambda self, name: {f"{name}{p}": f"{name}{q}" for p, q in persons(self, name).items()}
    )
