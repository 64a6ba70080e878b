"""An installation with finished runs of two budgets and their reference, and a review of them: made once, and put back for each test."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock

from dpmed_core.backups.backup import write_backup
from dpmed_core.backups.restore import restore_backup
from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.review.acts import open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import Author, Role
from dpmed_core.review.store import Review
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyUnit
from tests.finished_runs import demo, finish_run
from tests.postgres import new_database

__all__ = ["demo"]
on_both = pytest.mark.parametrize("new_settings", ["sqlite", "postgresql"], indirect=True)
"""For tests that ask of the database what not every kind may do alike; all others use SQLite."""
WHO = {role: Author(f"Dr {role.value}", role) for role in Role}


@pytest.fixture(scope="session")
def copy(shared_folder: Path, demo: Path, fixed_key: bytes, calibrations: Path) -> Path:
    """A backup of the installation."""
    file, folder = shared_folder / "reviewed.zip", shared_folder / "reviewed"
    with FileLock(shared_folder / "reviewed.lock"):
        if not file.exists():
            folder.mkdir(mode=0o700)
            (folder / KEY_FILE).write_bytes(fixed_key)
            (folder / "calibrations").symlink_to(calibrations)
            here = Installation.open(Settings(data_dir=folder, demo=False))
            shutil.copytree(demo, here.cohorts.root, dirs_exist_ok=True)
            train(here, here.cohorts.load("demo-radiograph"))
            write_backup(here, file)
    return file


def train(here: Installation, cohort: Cohort) -> None:
    """Two trainings of each of two budgets and of the reference, with their entries in the ledger, and a review of the larger budget."""
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    for luck, (status, spec) in enumerate(zip(here.ledger.ask(cohort, specs), specs, strict=True)):
        guarantee = plan_probe(spec, n_units=60, n_findings=len(cohort.findings)).guarantee
        draw = here.ledger.begin(status, guarantee, total_steps=40, resumed=0)
        fields = asdict(guarantee) if guarantee else None
        here.runs.record(status.run_id, "planned", draw=draw, guarantee=fields, total_steps=40)
        finish_run(here, cohort, spec, luck)
        here.runs.record(status.run_id, "finished", steps=guarantee.steps if guarantee else 40)
        here.ledger.settle(status.run_id)
    open_review(here.reviews, here.ledger, cohort, Candidate(8.0), WHO[Role.RESEARCHER], question="Use it?")


@pytest.fixture
def new_settings(request: pytest.FixtureRequest) -> Callable[[Path], Settings]:
    """Settings of a data folder with a new database of its own."""
    kind = getattr(request, "param", "sqlite")

    def settings(folder: Path) -> Settings:
        url = new_database(request.getfixturevalue("postgres")) if kind == "postgresql" else None
        return Settings(data_dir=folder, database_url=url, demo=False)

    return settings


@pytest.fixture
def here(tmp_path: Path, copy: Path, calibrations: Path, new_settings: Callable[[Path], Settings]) -> Installation:
    settings = new_settings(tmp_path / "data")
    restore_backup(settings, copy)
    (settings.data_dir / "calibrations").symlink_to(calibrations)
    return Installation.open(settings)


@pytest.fixture
def cohort(here: Installation) -> Cohort:
    return here.cohorts.load("demo-radiograph")


@pytest.fixture
def review(here: Installation) -> Review:
    return here.reviews.review(here.reviews.names()[0])
