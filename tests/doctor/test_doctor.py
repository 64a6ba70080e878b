"""The doctor names what is damaged, says what to do, mends what is safe, and stores nothing otherwise."""

import json
import random
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.doctor.examine import examine
from dpmed_core.files import open_to_others
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.measurement import FILE, Measurement, write_measurement
from dpmed_core.settings import Settings, load_settings
from tests.damage import ANY
from tests.small_runs import cohort, installation, settings, spec, trainer
from tests.training.encoders import made_up_encoder

__all__ = ["cohort", "installation", "settings", "spec", "trainer"]


@pytest.fixture
def asked(installation, cohort, spec):
    """A queued run on a cohort, in a folder that is closed to others."""
    installation.ledger.ask(cohort, [spec])
    installation.settings.data_dir.chmod(0o700)
    for path in open_to_others(installation.settings.data_dir):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return installation.runs.run_id(spec)


def wrong(settings: Settings) -> dict[str, str]:
    return {check.name: check.message for check in examine(settings) if not check.ok}


def test_a_healthy_installation_has_nothing_wrong(settings, asked):
    assert wrong(settings) == {}


def test_a_folder_that_does_not_exist_is_not_made_by_looking(tmp_path):
    nowhere = Settings(data_dir=tmp_path / "nowhere")
    assert all(check.ok for check in examine(nowhere)) and not nowhere.data_dir.exists()


def test_an_empty_folder_gets_no_key_by_looking(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    assert all(check.ok for check in examine(Settings(data_dir=tmp_path / "data"), repair=True)) and not list((tmp_path / "data").iterdir())


def test_what_cannot_be_mended_is_not_called_mended(settings, asked, monkeypatch):
    (settings.runs_dir / asked / "request.json").chmod(0o644)
    monkeypatch.setattr("dpmed_core.doctor.checks.close_to_others", lambda paths: None)  # as of files of another account
    assert [check.name for check in examine(settings, repair=True) if not check.ok] == ["modes"]


@pytest.mark.parametrize("how", ["emptied", "truncated", "deleted", "a folder", "not UTF-8"])
@pytest.mark.parametrize(
    "file", ["cohorts/images/cohort.json", "cohorts/images/cases.parquet", "cohorts/images/images.npy", "runs/RUN/progress.json"]
)
def test_every_damaged_thing_is_named_with_what_to_do(settings, asked, file, how):
    path = settings.data_dir / file.replace("RUN", asked)
    ANY[how](path, path)
    name = f"run {asked}" if "RUN" in file else "cohort images"
    (found,) = [check for check in examine(settings) if not check.ok and check.name == name]
    assert path.name in found.message and found.repair


def test_one_bit_of_an_image_is_found(settings, asked):
    path = settings.cohorts_dir / "images" / "images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert "not the ones that were imported" in wrong(settings)["cohort images"]


@pytest.mark.parametrize("how", ["emptied", "truncated", "not UTF-8"])
def test_a_damaged_measurement_is_named(settings, asked, installation, cohort, how):
    row = ExposureRow(None, None, "patient", 3, 200, 0.9, 1.0, 0.8, 1.0, 0.5, 3, None, None, 0.5, 0)
    measurement = Measurement("probe", 3, 0, 200, (row,), np.array([[0.9, 0.8, 1.0]]))
    folder = installation.cohorts.protection_dir(cohort.name)
    write_measurement(folder, measurement, fingerprint=cohort.fingerprint)
    folder.chmod(0o700)
    (folder / FILE).chmod(0o600)
    assert wrong(settings) == {}
    ANY[how](folder / FILE, folder / FILE)
    ((name, message),) = wrong(settings).items()
    assert name == "measured cohort images" and FILE in message and "Measure it again." in message


@pytest.mark.parametrize("file", ["weights.safetensors", "reduction.safetensors", "card.json", "digest"])
def test_a_damaged_added_encoder_is_named(settings, asked, installation, tmp_path, file):
    made_up_encoder.add(installation.encoders.root, made_up_encoder.write_weights(tmp_path))
    assert wrong(settings) == {}
    ANY["truncated"](path := installation.encoders.root / "made-up" / file, path)
    assert file in wrong(settings)["encoder made-up"]


@pytest.mark.parametrize("key", [None, b"short", bytes(32)])
def test_a_lost_or_wrong_key_is_the_one_thing_that_is_said(settings, asked, key):
    path = settings.data_dir / "secret.key"
    path.unlink()
    if key is not None:
        path.write_bytes(key)
        path.chmod(0o600)
    assert list(wrong(settings)) == ["key"]
    assert path.exists() == (key is not None)


def test_modes_are_named_and_mended_when_that_is_asked_for(settings, asked):
    exposed = settings.runs_dir / asked / "request.json"
    exposed.chmod(0o644)
    assert wrong(settings) == {"modes": "1 file or folder is open to other users of this machine."}
    exposed.chmod(0o644)
    assert all(check.ok for check in examine(settings, repair=True))
    assert exposed.stat().st_mode & 0o077 == 0


def test_the_command_prints_the_contract_and_ends_with_two(settings, asked, monkeypatch):
    monkeypatch.setenv("DPMED_DATA_DIR", str(settings.data_dir))
    load_settings.cache_clear()
    try:
        well = CliRunner().invoke(dpmed, ["doctor", "--json"], standalone_mode=False)
        shutil.rmtree(settings.cohorts_dir / "images")
        (settings.cohorts_dir / "images").mkdir()
        (settings.cohorts_dir / "images" / "cohort.json").write_text("{}")
        ill = CliRunner().invoke(dpmed, ["doctor", "--json"], standalone_mode=False)
    finally:
        load_settings.cache_clear()
    assert (well.return_value, ill.return_value) == (0, 2)
    document = json.loads(ill.stdout)
    assert document["ok"] is False and json.loads(well.stdout)["ok"] is True
    assert all(set(check) == {"name", "ok", "message", "repair"} for check in document["checks"])
    assert Installation.open(settings).runs.ids() == [asked]


@pytest.mark.parametrize("n_bytes", [0, 1, 40, 4000])
def test_a_damaged_database_is_named_and_looking_leaves_it_as_it_is(settings, asked, n_bytes):
    content = random.Random(0).randbytes(n_bytes)
    settings.database_path.write_bytes(content)
    found = wrong(settings)
    assert set(found) & {"database", "ledger"}
    said = " ".join(found.values())
    assert "dpmed.db in the data folder, is damaged: restore it" in said if n_bytes > 1 else "an older copy was restored" in said
    assert settings.database_path.read_bytes() == content or n_bytes <= 1  # an empty file gets its tables
