"""Settings come from the environment; a bad value is one clear line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmed_core.child_environment import KEPT
from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings, import_environment, load_settings


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
