"""Logs: one JSON object a line, bounded, one file a process, and nothing of a patient."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from dpmed_core.logs import KEPT_FILES, JsonLines, _handler

ROOT = Path(__file__).resolve().parents[1]


def line_of(name, message, *values, error=None):
    record = logging.LogRecord(
        name, logging.WARNING, __file__, 1, message, values, (type(error), error, error.__traceback__) if error else None
    )
    return json.loads(JsonLines("server").format(record))


def test_a_line_says_when_where_and_what():
    fields = line_of("dpmed_core.engine.duties", "engine: %s", "works\nagain")
    assert fields["message"] == "engine: works\nagain"
    assert (fields["level"], fields["process"], fields["logger"]) == ("WARNING", "server", "dpmed_core.engine.duties")
    assert fields["time"].endswith("Z") and "error" not in fields


def test_of_an_error_the_text_is_left_out():
    try:
        raise ValueError("patient Doe^Jane")
    except ValueError as error:
        fields = line_of("dpmed_core.engine", "failed", error=error)
    assert fields["error"]["class"] == "ValueError"
    assert fields["error"]["at"][0].startswith("test_logs.py:")
    assert "Doe" not in json.dumps(fields)


@pytest.mark.parametrize("message", ["Compute failed\nException: ValueError('patient Doe^Jane')", "cannot read %s"])
def test_of_another_librarys_record_the_values_are_left_out(message):
    fields = line_of("distributed.worker", message, *(["/data/Doe^Jane.dcm"] if "%s" in message else []))
    assert "Doe" not in json.dumps(fields)


def test_a_log_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("dpmed_core.logs.MAX_BYTES", 1000)
    handler = _handler(tmp_path, "engine")
    logger = logging.Logger("dpmed_core.test")
    logger.addHandler(handler)
    for number in range(300):
        logger.warning("line %d", number)
    handler.close()
    files = sorted(path.name for path in tmp_path.glob("engine.log*"))
    assert files == ["engine.log", *(f"engine.log.{n}" for n in range(1, KEPT_FILES + 1))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.glob("engine.log*"))
    assert json.loads((tmp_path / "engine.log").read_text().splitlines()[-1])["message"] == "line 299"


def test_two_processes_of_one_name_write_two_files(tmp_path):
    """Each rotates its own: two that rotate one file lose each other's lines. When the first has ended, its file is free again."""
    program = (
        "import sys, logging, pathlib\nfrom dpmed_core.logs import log_to_file\nlog_to_file(pathlib.Path(sys.argv[1]), 'server')\n"
        "logging.getLogger('dpmed_core').info('hello')\nprint(flush=True)\nsys.stdin.readline()\nraise ValueError('patient Doe^Jane')"
    )
    processes = []
    for _ in range(2):
        command = [sys.executable, "-c", program, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        process.stdout.readline()
        processes.append(process)
    errors = [process.communicate("\n", timeout=60)[1] for process in processes]
    lines = {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in tmp_path.glob("*.log")}
    assert {name: [fields["message"] for fields in found] for name, found in lines.items()} == {
        name: ["hello", "an error that nobody caught"] for name in ("server.log", "server-2.log")
    }
    assert lines["server.log"][1]["error"]["class"] == "ValueError"
    assert "Doe" not in str(lines) + "".join(errors)
