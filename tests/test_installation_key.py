"""A missing or wrong key: never made anew where something is stored, found by its check value or by what is stored, in plain words."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import streamlit as st
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from dpmed_core import demo
from dpmed_core.cli import dpmed
from dpmed_core.errors import SettingsError
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import CHECK_FILE, KEY_BYTES, KEY_FILE
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import Settings, load_settings
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.conftest import KEY
from tests.small_runs import make_cohort

WRONG = bytes(reversed(KEY))
SPEC = RunSpec("f" * 16, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(2.0, 1e-5), seed=0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a cohort, a queued run, a ledger and the check value."""
    folder = tmp_path_factory.mktemp("key") / "data"
    folder.mkdir(mode=0o700)
    (folder / KEY_FILE).write_bytes(KEY)
    here = Installation.open(Settings(data_dir=folder))
    cohort = make_cohort(here)
    here.ledger.ask(cohort, [RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(2.0, 1e-5), seed=0)])
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "data")


def opened(folder: Path) -> bytes:
    return Installation.open(Settings(data_dir=folder)).key


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "dpmed.db" not in path.name
    }


def test_a_key_is_made_in_an_empty_folder_with_its_check_value(tmp_path: Path) -> None:
    key = opened(tmp_path / "new")
    assert len(key) == KEY_BYTES and opened(tmp_path / "new") == key
    assert {path.name for path in (tmp_path / "new").iterdir()} == {KEY_FILE, CHECK_FILE}


@pytest.mark.parametrize("left", ["runs", "cohorts", "dpmed.db", "ledger-head.json", CHECK_FILE])
def test_a_missing_key_is_not_made_anew_where_anything_is_stored(folder: Path, left: str) -> None:
    for path in folder.iterdir():
        if path.name != left and not path.name.startswith(f"{left}-"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(SettingsError, match=r"secret\.key is missing, .* Restore secret\.key from a backup"):
        opened(folder)
    assert not (folder / KEY_FILE).exists()


def test_a_missing_key_is_not_made_anew_beside_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    tmp_path.joinpath("dpmed.db").write_bytes(b"no database" * 100)
    with pytest.raises(SettingsError, match="restore it from a backup"):
        opened(tmp_path)
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("wrong", [WRONG, KEY[:-1], KEY + b"0", b"", None])
@pytest.mark.parametrize("with_check", [True, False])
def test_a_wrong_key_is_found_and_nothing_is_written(folder: Path, wrong: bytes | None, with_check: bool) -> None:
    (folder / KEY_FILE).unlink()
    if wrong is None:
        (folder / KEY_FILE).mkdir()
    else:
        (folder / KEY_FILE).write_bytes(wrong)
    if not with_check:
        (folder / CHECK_FILE).unlink()
    before = contents(folder)
    with pytest.raises(SettingsError, match=r"secret\.key .* Restore secret\.key from a backup"):
        opened(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("evidence", ["runs", "dpmed.db"])
def test_a_folder_of_an_earlier_version_gets_its_check_value_once_the_key_is_proven(folder: Path, evidence: str) -> None:
    (folder / CHECK_FILE).unlink()
    for other in {"runs", "dpmed.db"} - {evidence}:
        for path in folder.glob(f"{other}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = contents(folder)
    (folder / KEY_FILE).write_bytes(WRONG)
    with pytest.raises(SettingsError, match="not the key"):
        opened(folder)
    (folder / KEY_FILE).write_bytes(KEY)
    assert opened(folder) == KEY and contents(folder).items() - before.items() == {(CHECK_FILE, (folder / CHECK_FILE).read_bytes())}


def test_with_nothing_that_tells_a_key_is_taken_and_from_then_on_held_to(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(KEY)
    assert opened(tmp_path) == KEY
    (tmp_path / KEY_FILE).write_bytes(WRONG)
    with pytest.raises(SettingsError, match="not the key"):
        opened(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"0" * 64])
def test_a_damaged_check_value_is_written_anew_where_a_run_proves_the_key(folder: Path, damage: bytes) -> None:
    whole = (folder / CHECK_FILE).read_bytes()
    (folder / CHECK_FILE).write_bytes(damage)
    assert opened(folder) == KEY and (folder / CHECK_FILE).read_bytes() == whole


def test_one_run_with_a_damaged_request_does_not_disprove_the_key(folder: Path) -> None:
    (folder / CHECK_FILE).unlink()
    runs = RunStore(folder / "runs", KEY)
    moved = runs.ask(SPEC, cohort_name="x").run_id
    (folder / "runs" / moved).rename(folder / "runs" / ("0" * 16))
    assert opened(folder) == KEY


def test_many_that_open_an_empty_folder_at_once_get_one_key(tmp_path: Path) -> None:
    def open_and_store(number: int) -> bytes:
        here = Installation.open(Settings(data_dir=tmp_path))
        here.runs.ask(RunSpec(**{**vars(SPEC), "seed": number}), cohort_name="x")
        return here.key

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(open_and_store, range(16)))) == 1
    program = (
        "import sys; from pathlib import Path; from dpmed_core.keyed_hash import installation_key as k; print(k(Path(sys.argv[1])).hex())"
    )
    new = tmp_path / "new"
    processes = [subprocess.Popen([sys.executable, "-c", program, str(new)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate()[0] for process in processes}) == 1


@pytest.fixture
def wrong_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (folder / KEY_FILE).unlink()
    monkeypatch.setenv("DPMED_DATA_DIR", str(folder))
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


def test_commands_end_with_the_sentence(wrong_key: Settings) -> None:
    for words in (["runs"], ["cohort", "list"], ["ledger", "show"], ["evaluate", "--cohort", "images"]):
        result = CliRunner().invoke(dpmed, words, standalone_mode=False)
        assert isinstance(result.exception, SettingsError) and "secret.key is missing" in str(result.exception)


def test_the_page_shows_the_sentence_and_nothing_is_started(wrong_key: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    st.cache_resource.clear()
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(demo.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    demo.start_if_empty(wrong_key)
    app = AppTest.from_file(str(Path(__file__).parents[1] / "pages" / "frame.py"), default_timeout=60).run()
    assert not app.exception and "secret.key is missing" in app.error[0].value
    st.cache_resource.clear()
