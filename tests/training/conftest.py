"""Shared by the training tests: a session in memory, small cohorts, and a cache of calibrations."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.session import Cancelled, Checkpoint


@dataclass
class MemorySession:
    """A `TrainingSession` in memory; a test can start it from a checkpoint and cancel it at a step."""

    checkpoint: Checkpoint | None = None
    cancel_at: int | None = None
    saved: list[Checkpoint] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    planned: PrivacyGuarantee | None = None
    total_steps: int | None = None
    steps: list[int] = field(default_factory=list)

    def plan(self, planned: PrivacyGuarantee | None, total_steps: int) -> None:
        self.planned, self.total_steps = planned, total_steps
        self.events.append("plan")

    def latest(self) -> Checkpoint | None:
        return self.checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        self.saved.append(checkpoint)
        self.events.append("save")

    def charge_all(self) -> None:
        self.events.append("charge")

    def step(self, done: int, total: int) -> None:
        assert done <= total
        self.steps.append(done)
        self.events.append("step")
        if done == self.cancel_at:
            raise Cancelled


@pytest.fixture
def new_session() -> type[MemorySession]:
    return MemorySession


@pytest.fixture(scope="session")
def calibrations_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of calibrations for all tests, many of which train for the same target."""
    return tmp_path_factory.mktemp("calibrations")


@pytest.fixture
def one_torch_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def make_volumes(make_cohort) -> Callable[..., tuple[Cohort, Split]]:
    """The same cohort with random volumes in Hounsfield units, as a CT cohort stores them, brighter where the first finding is present."""

    def make(n_patients: int = 12, **options: object) -> tuple[Cohort, Split]:
        cohort, split = make_cohort(n_patients, side=4, **options)
        rng = np.random.default_rng(6)
        bright = 60 * np.nan_to_num(cohort.labels[:, 0]).astype(np.int16)
        volumes = rng.integers(-200, 300, (len(bright), *SHAPE), dtype=np.int16) + bright[:, None, None, None]
        return replace(cohort, modality=Modality.CT, images=volumes), split

    return make


@pytest.fixture
def make_cohort() -> Callable[..., tuple[Cohort, Split]]:
    """A cohort of random radiographs in which patient i has 1 + i % `most_images` images, and its split."""

    def make(n_patients: int = 12, *, most_images: int = 3, side: int = 64, findings: tuple[str, ...] = ("effusion", "mass")):
        rng = np.random.default_rng(5)
        patients = np.repeat([f"{i:016x}" for i in range(n_patients)], [1 + i % most_images for i in range(n_patients)])
        parts = {
            p: [Part.TRAIN, Part.TRAIN, Part.TRAIN, Part.TRAIN, Part.VALIDATION, Part.TEST][i % 6]
            for i, p in enumerate(np.unique(patients))
        }
        cases = pd.DataFrame(
            {
                "case_id": [f"{i:016x}" for i in range(len(patients))],
                "patient_id": patients,
                "age": 50.0,
                "sex": Sex.FEMALE.value,
                "split": None,
                **{finding: rng.choice([0.0, 1.0, np.nan], len(patients)) for finding in findings},
            }
        )
        images = rng.integers(0, 256, (len(patients), side, side), dtype=np.uint8)
        cohort = Cohort("tiny", Modality.RADIOGRAPH, True, findings, (), cases, images, "f" * 64)
        return cohort, Split(parts=np.array([parts[p].value for p in patients]), seed=0)

    return make
