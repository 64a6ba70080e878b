"""Settings come from the environment; a bad value is one clear line."""

from collections.abc import Iterator

import pytest

from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings, load_settings


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


def test_a_bad_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMED_WORKERS", "many")
    with pytest.raises(SettingsError, match=r"DPMED_WORKERS.*Correct the environment variable"):
        load_settings()
