"""Nobody but the owner reads the data folder: what processes create in it, what an earlier version left, what is written elsewhere."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmed_core.engine import inference_queue, training_queue
from dpmed_core.engine.process import engine_is_alive
from dpmed_core.files import OTHERS, creating_with, restrict_to_owner
from dpmed_core.installation import Installation
from dpmed_core.sealed_files import append_line
from dpmed_core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
LOOSE = 0o022
"""The umask of most systems: everybody may read."""


@pytest.fixture(autouse=True)
def loose_umask() -> Iterator[None]:
    with creating_with(LOOSE):
        yield


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    """A data folder as an earlier version left it: open to all."""
    folder = tmp_path / "old"
    (folder / "runs" / "0123").mkdir(parents=True)
    for name in ("secret.key", "runs/0123/weights.safetensors"):
        (folder / name).write_bytes(bytes(32))
    assert open_to_others(folder)
    return folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """What group or others can read, write or enter."""
    paths = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    return [str(path.relative_to(folder)) for path in paths if mode_of(path) & OTHERS]


@pytest.mark.slow
def test_all_that_commands_engine_and_workers_write_is_their_owners_alone(tmp_path: Path) -> None:
    """From an empty folder to a trained model, started with the umask of most systems; only the exported file follows that umask."""
    settings = Settings(data_dir=tmp_path / "data")
    environment = {**os.environ, "DPMED_DATA_DIR": str(settings.data_dir), "DPMED_ENGINE_IDLE_SECONDS": "1", "DPMED_WORKERS": "1"}

    def dpmed(*words: str) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "dpmed_core", *words]
        subprocess.run(command, cwd=ROOT, env=environment, umask=LOOSE, capture_output=True, timeout=300, check=True)

    dpmed("cohort", "add-demo", "radiograph", "--cases", "60")
    dpmed("train", "--cohort", "demo-radiograph", "--epsilon", "8", "--wait")
    dpmed("export", "privacy-utility", "--cohort", "demo-radiograph", "--out", str(tmp_path / "figures" / "curve.csv"))
    written = {path.name for path in settings.data_dir.rglob("*")}
    assert written >= {"secret.key", "weights.safetensors", "scores.parquet", "engine.log", "attempts.jsonl", "images.npy"}
    assert open_to_others(settings.data_dir) == []
    assert (mode_of(tmp_path / "figures"), mode_of(tmp_path / "figures" / "curve.csv")) == (0o755, 0o644)
    while engine_is_alive(settings):
        time.sleep(0.1)


def test_the_dashboard_creates_nothing_for_others() -> None:
    program = "import asyncio, os, app\nasync def start():\n    async with app.lifespan(None):\n        print(oct(os.umask(0)))\n"
    environment = {**os.environ, "DPMED_DEMO": "0"}
    command = [sys.executable, "-W", "ignore", "-c", f"{program}asyncio.run(start())"]
    done = subprocess.run(command, cwd=ROOT, env=environment, umask=LOOSE, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "0o77"


@pytest.mark.parametrize(
    ("task", "inner"),
    [(training_queue.train_run, "engine.training_task.work_on"), (inference_queue.answer_request, "engine.inference_task.answer")],
)
def test_a_worker_that_the_engine_did_not_start_creates_nothing_for_others(task, inner, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(f"dpmed_core.{inner}", lambda settings, name: (tmp_path / name).write_text(""))
    task(Settings(data_dir=tmp_path), "written")
    assert mode_of(tmp_path / "written") == 0o600


def test_an_open_data_folder_of_an_earlier_version_is_closed_with_all_in_it(old_folder, caplog) -> None:
    Installation.open(Settings(data_dir=old_folder))
    assert open_to_others(old_folder) == []
    assert (mode_of(old_folder), mode_of(old_folder / "runs"), mode_of(old_folder / "secret.key")) == (0o700, 0o700, 0o600)
    assert [record.getMessage() for record in caplog.records] == [
        "The data folder was open to other users of this machine: 5 files and folders are now their owner's alone."
    ]


def test_what_is_open_in_a_closed_data_folder_is_closed(old_folder) -> None:
    """A process with another umask, or a copy from elsewhere, may have made it."""
    old_folder.chmod(0o700)
    (old_folder / "link").symlink_to(old_folder / "runs")
    assert restrict_to_owner(old_folder) == 4
    assert open_to_others(old_folder) == [] and restrict_to_owner(old_folder) == 0


def test_a_closed_data_folder_is_not_walked(old_folder, monkeypatch) -> None:
    restrict_to_owner(old_folder)
    monkeypatch.setattr(os, "walk", lambda folder: pytest.fail("it was walked"))
    assert restrict_to_owner(old_folder) == 0


def test_the_folder_itself_is_closed_last(old_folder, monkeypatch) -> None:
    closed = []
    monkeypatch.setattr(Path, "chmod", lambda path, mode: closed.append(path))
    restrict_to_owner(old_folder)
    assert len(closed) == 5 and closed[-1] == old_folder, "an interrupted start would leave the rest open for ever"


def test_what_a_link_points_to_keeps_its_mode(old_folder, tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("")
    (old_folder / "folder").symlink_to(outside)
    (old_folder / "runs" / "file").symlink_to(outside / "file")
    assert restrict_to_owner(old_folder) == 5
    assert (mode_of(outside), mode_of(outside / "file")) == (0o755, 0o644)


def test_the_owners_own_bits_stay(old_folder) -> None:
    """Of files under version control the executable bit is tracked."""
    (old_folder / "tool").write_text("")
    (old_folder / "tool").chmod(0o755)
    restrict_to_owner(old_folder)
    assert mode_of(old_folder / "tool") == 0o700


def test_files_of_another_user_are_left(old_folder, monkeypatch) -> None:
    def refused(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refused)
    assert restrict_to_owner(old_folder) == 0


def test_lines_are_appended_to_files_of_their_owner_alone(tmp_path) -> None:
    append_line(tmp_path / "attempts.jsonl", {"step": 1}, "a run")
    assert mode_of(tmp_path / "attempts.jsonl") == 0o600
