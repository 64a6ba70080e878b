"""What an installation is said to be doing: as it is, and without passwords."""

import json
import os
import platform
import socket
import time

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.doctor.state import MOST_FAULTS, database_address, last_faults, state_of, used_bytes
from dpmed_core.engine.process import accepting_lock, engine_lock
from dpmed_core.engine.worker_tasks import TaskKind, working_on
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings, load_settings
from tests.small_runs import cohort, installation, settings, spec

__all__ = ["cohort", "installation", "settings", "spec"]


@pytest.fixture
def log_line(settings):
    """Writes a line into the engine's log."""
    settings.engine_dir.mkdir(parents=True, exist_ok=True)

    def write(level, message, *, at="2026-11-29T02:00:00.000Z", **more):
        with (settings.engine_dir / "engine.log").open("a") as log:
            log.write(json.dumps({"time": at, "level": level, "process": "engine", "message": message, **more}) + "\n")

    return write


def test_what_waits_and_what_works_is_counted(installation, cohort, spec):
    run_id = installation.ledger.ask(cohort, [spec])[0].run_id
    with working_on(installation.settings, TaskKind.RUN, run_id):
        state = state_of(installation)
    assert (state.n_queued, state.n_training, state.n_requests) == (1, 0, 0)
    assert state.oldest_queued_at == pytest.approx(time.time(), abs=60)
    [worker] = state.workers
    assert (worker.kind, worker.name, worker.pid, worker.host) == ("run", run_id, os.getpid(), socket.gethostname())
    assert worker.seconds >= 0 and state.engine.state == "not running"
    assert state.versions["Python"] == platform.python_version() and "not installed" not in state.versions.values()


def test_an_engine_runs_while_it_takes_work_and_ends_when_it_takes_none(settings):
    with engine_lock(settings):
        (settings.engine_dir / "address.json").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        with accepting_lock(settings):
            engine = state_of(Installation.open(settings)).engine
            assert (engine.state, engine.pid) == ("running", os.getpid()) and engine.since < time.time()
        assert state_of(Installation.open(settings)).engine.state == "ending"
    assert state_of(Installation.open(settings)).engine.state == "not running"


def test_bytes_are_those_of_the_files(settings, tmp_path):
    folder = tmp_path / "counted"
    for name, size in (("runs/a/scores", 3000), ("runs/b", 10), ("cohorts/c", 20_000), ("key", 32)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    assert list(used_bytes(folder).items()) == [("cohorts", 20_000), ("runs", 3010), ("files", 32)]


def test_the_newest_faults_come_first_and_half_a_line_is_passed_over(settings, log_line):
    for number in range(MOST_FAULTS + 5):
        log_line("WARNING", f"number {number}", at=f"2026-11-29T02:00:{number:02d}.000Z")
    log_line("INFO", "nothing wrong", at="2026-11-29T03:00:00.000Z")
    log_line("ERROR", "an error that nobody caught", at="2026-11-29T02:30:00.000Z", error={"class": "ValueError", "at": ["a.py:1"]})
    with (settings.engine_dir / "engine.log").open("a") as log:
        log.write('{"time": "2026')
    (settings.engine_dir / "worker-0.log").write_bytes(b'\xff\xfe\n[1, 2]\n"text"\n{"level": []}\n')
    faults = last_faults(settings)
    assert [fault.message for fault in faults[:2]] == ["an error that nobody caught (ValueError)", f"number {MOST_FAULTS + 4}"]
    assert len(faults) == MOST_FAULTS


def test_a_database_is_named_without_its_password(settings):
    assert database_address(settings) == "SQLite in the data folder"
    url = "postgresql+psycopg://dpmed:se%40cret@db.example:5433/dpmed?sslpassword=other"
    said = database_address(Settings(data_dir=settings.data_dir, database_url=url))
    assert said == "postgresql+psycopg://db.example:5433/dpmed"


def test_the_command_says_it_and_ends_with_2_where_something_is_wrong(settings, installation, cohort, spec, log_line, monkeypatch):
    installation.ledger.ask(cohort, [spec])
    log_line("ERROR", "something")
    monkeypatch.setenv("DPMED_DATA_DIR", str(settings.data_dir))
    load_settings.cache_clear()
    done = CliRunner().invoke(dpmed, ["status", "--json"], standalone_mode=False)
    said = json.loads(done.stdout)
    assert done.return_value == 2 and not said["ok"], "work, and no engine"
    assert [check["name"] for check in said["checks"] if not check["ok"]] == ["engine"]
    assert said["n_queued"] == 1 and said["faults"][0]["message"] == "something" and said["data_dir"] == str(settings.data_dir)
    text = CliRunner().invoke(dpmed, ["status"], standalone_mode=False).stdout
    assert "WRONG  engine: There is work, and no engine takes it." in text and "1 queued, the oldest for" in text
    load_settings.cache_clear()
