"""Settings come from the environment; a bad value is one clear line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmed_core.child_environment import KEPT
from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings, import_environment, load_settings, settings_environment


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_the_environment_names_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_DATA_DIR", "somewhere")
    assert str(load_settings().runs_dir) == "somewhere/runs"


def test_the_encoders_ship_with_the_product_whatever_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_DATA_DIR", "somewhere")
    assert load_settings().encoders_dir == Settings.model_fields["data_dir"].default / "encoders"


def test_a_process_that_imports_files_gets_no_other_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    settings = Settings(data_dir=tmp_path, database_url="postgresql://dpmed:secret@db/dpmed", demo=False)
    given = import_environment(settings)
    assert not [name for name, value in given.items() if "secret" in value]
    assert {name for name in given if not name.startswith("DPMED_")} <= set(KEPT)
    assert (given["DPMED_DATA_DIR"], given["DPMED_DEMO"]) == (str(tmp_path), "False")


def test_a_bad_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_WORKERS", "many")
    with pytest.raises(SettingsError, match=r"DPMED_WORKERS.*Correct the environment variable"):
        load_settings()


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "10.0.0.7:8786", "ws://10.0.0.7:8786", "inproc://1"])
def test_a_scheduler_without_tls_is_refused_in_one_sentence_unless_it_is_allowed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_SCHEDULER", address)
    with pytest.raises(
        SettingsError, match=r"DPMED_SCHEDULER: .*neither encryption nor authentication.*DPMED_SCHEDULER_WITHOUT_TLS=1"
    ) as refused:
        load_settings()
    assert "Value error" not in str(refused.value) and "\n" not in str(refused.value)
    monkeypatch.setenv("DPMED_SCHEDULER_WITHOUT_TLS", "1")
    assert load_settings().scheduler == address
    assert settings_environment(load_settings())["DPMED_SCHEDULER_WITHOUT_TLS"] == "True"


def test_a_scheduler_with_tls_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_SCHEDULER", "tls://10.0.0.7:8786")
    assert load_settings().scheduler == "tls://10.0.0.7:8786"
