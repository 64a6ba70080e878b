"""`/health` and `/ready`, as a probe asks them."""

import errno
import json
import shutil

import pytest
from starlette.applications import Starlette

from dpmed_core.engine import health
from dpmed_core.engine.duties import Duties
from dpmed_core.engine.health import ready_checks
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.settings import Settings
from tests.small_runs import cohort, installation, spec
from tests.viewer.conftest import client_of
from widgets.health import health_routes

__all__ = ["client_of", "cohort", "installation", "spec"]


@pytest.fixture
def settings(data_dir, monkeypatch):
    found = Settings(data_dir=data_dir)
    monkeypatch.setattr("widgets.health.load_settings", lambda: found)
    return found


@pytest.fixture
def probe(settings, client_of):
    """Asks a route; gives the status, and what is wrong by name of the check."""
    client = client_of(Starlette(routes=health_routes(lambda: duties)))
    duties = Duties({})

    def ask(path):
        answer = client.get(path)
        document = json.loads(answer.content)
        assert document["ok"] == all(check["ok"] for check in document["checks"]) == (answer.status_code == 200)
        assert all(set(check) == {"name", "ok", "message", "repair"} for check in document["checks"])
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, {check["name"]: check["message"] for check in document["checks"] if not check["ok"]}

    return ask


def test_a_server_with_nothing_to_do_lives_and_is_ready(probe):
    assert probe("/health") == probe("/ready") == (200, {})


def test_work_that_no_engine_takes_is_named(probe, installation, spec, monkeypatch):
    installation.runs.ask(spec, cohort_name="images")
    assert probe("/ready") == (503, {"engine": "There is work, and no engine takes it."})
    assert probe("/health") == (200, {}), "pages are still readable: a probe must not restart the server for it"
    monkeypatch.setattr(health, "engine_accepts", lambda settings: True)
    assert probe("/ready") == (200, {})


def test_a_full_disk_is_named(probe, monkeypatch):
    monkeypatch.setattr("dpmed_core.files.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, 0))
    status, wrong = probe("/ready")
    assert (status, set(wrong)) == (503, {"data folder"})
    assert wrong["data folder"] == "The disk of the data folder has 0 MiB left, of 8 MiB that are needed."


def test_a_disk_that_takes_nothing_is_named(probe, monkeypatch):
    def refuse(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("dpmed_core.engine.health.tempfile.TemporaryFile", refuse)
    assert probe("/ready") == (503, {"data folder": "The data folder is on a disk that is read-only."})


def test_a_wrong_key_is_named(probe, settings):
    (settings.data_dir / KEY_FILE).write_bytes(b"short")
    status, wrong = probe("/ready")
    assert status == 503 and "key" in wrong and "from a backup" in wrong["key"]


def test_a_database_that_does_not_answer_is_named(settings):
    elsewhere = settings.model_copy(update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    wrong = {check.name for check in ready_checks(elsewhere, Duties({})) if not check.ok}
    assert wrong == {"database"}


def test_what_a_check_says_holds_nothing_of_an_error_that_it_did_not_expect(probe, monkeypatch):
    def broken(_):
        raise ValueError("patient Doe^Jane")

    monkeypatch.setattr(Installation, "open", broken)
    _, wrong = probe("/ready")
    assert wrong["key"].startswith("ValueError at ") and "Doe" not in str(wrong)
