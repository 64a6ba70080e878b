"""A small disk that fills up, or becomes read-only, while a run trains: the run waits, looking goes on, and nothing is counted wrong."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import StorageError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings, load_settings
from tests.conftest import KEY
from tests.small_runs import N_STEPS, SteeredTrainer, make_cohort


@pytest.fixture
def here(small_disk: Path, calibrations: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    data = small_disk / "data"
    data.mkdir(mode=0o700)
    (data / "secret.key").write_bytes(KEY)
    shutil.copytree(calibrations, data / "calibrations")
    monkeypatch.setenv("DPMED_DATA_DIR", str(data))
    load_settings.cache_clear()
    yield Installation.open(Settings(data_dir=data, workers=1))
    load_settings.cache_clear()


def look(*words: str) -> dict[str, object]:
    """What a command prints as JSON."""
    result = CliRunner().invoke(dpmed, [*words, "--json"], standalone_mode=False)
    assert result.exception is None, (words, result.exception)
    return dict(json.loads(result.stdout))


def queued(here: Installation, spec) -> str:
    return here.ledger.ask(here.cohorts.load("images"), [spec])[0].run_id


def finish(here: Installation, run_id: str) -> None:
    work_on(here.settings, run_id, trainer=SteeredTrainer())
    assert here.runs.status(run_id).state is RunState.FINISHED and not here.runs.is_damaged(run_id)
    assert check_ledger(here.ledger).problems == ()


def fill(disk: Path, left: int) -> Path:
    """Take all of the disk but so many bytes."""
    facts = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(max(facts.f_bavail * facts.f_frsize - left, 0)))
    return disk / "ballast"


@pytest.mark.parametrize("left", [4 << 20, 0], ids=["nearly full", "full"])
def test_a_disk_that_fills_up_makes_the_run_wait_and_go_on(here: Installation, small_disk: Path, spec, monkeypatch, left: int) -> None:
    make_cohort(here)
    monkeypatch.setattr("dpmed_core.engine.training_task.PROGRESS_EVERY_SECONDS", 0.0)
    run_id = queued(here, spec)
    ballast = small_disk / "ballast"
    at_three = SteeredTrainer(at=lambda step: fill(small_disk, left) and None if step == 3 else None)
    with pytest.raises(StorageError, match="disk of the data folder"):
        work_on(here.settings, run_id, trainer=at_three)
    (listed,) = look("runs")["runs"]
    assert listed["state"] in ("queued", "training") and listed["run_id"] == run_id  # a full disk takes not even the word that it is full
    assert look("evaluate", "--cohort", "images")["utility"] == [] and look("cohort", "list")["cohorts"]
    ballast.unlink()
    finish(here, run_id)
    steps = [event["step"] for event in here.runs.attempts(run_id) if event["event"] == "resumed"]
    # With some room left the next checkpoint was still stored, before the next step was refused.
    assert steps == ([4] if left else [2]) and here.runs.status(run_id).total_steps == N_STEPS


def test_a_disk_that_becomes_read_only_holds_up_training_and_not_looking(here: Installation, small_disk: Path, spec) -> None:
    make_cohort(here)
    run_id = queued(here, spec)
    subprocess.run(["mount", "--bind", str(small_disk), str(small_disk)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(small_disk)], check=True)
    try:
        with pytest.raises(StorageError, match="read-only"):
            work_on(here.settings, run_id, trainer=SteeredTrainer())
        (listed,) = look("runs")["runs"]
        assert listed["state"] == "queued"
        assert look("evaluate", "--cohort", "images")["utility"] == [] and look("ledger", "show")["draws"] == 1, "what is queued is charged"
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=True)
    finish(here, run_id)
