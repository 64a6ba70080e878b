"""Backup, wipe, restore: everything back; nothing half, nothing outside, nothing over what is there."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from dpmed_core.backups import restore as restoring
from dpmed_core.backups.archive import LEADS_OUT, MANIFEST
from dpmed_core.backups.backup import write_backup
from dpmed_core.backups.contents import files_to_copy
from dpmed_core.backups.restore import restore_backup
from dpmed_core.cli import dpmed
from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import BackupError, SettingsError
from dpmed_core.installation import RESTORING_FILE, Installation
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.status import RunState
from dpmed_core.settings import load_settings, settings_environment
from tests.postgres import new_database
from tests.reader_study.arm_study_data import made_up_study, read_session
from tests.small_runs import SteeredTrainer, make_cohort, make_spec

READING = {"fingerprint": "f" * 16, "finding": "mass", "n_cases": 3, "balanced": True, "told_after_each": False}


@pytest.fixture
def here(data_dir, new_settings) -> Installation:
    """A cohort, a finished run, readers' answers and a ledger, with what a backup leaves out beside them."""
    here = Installation.open(new_settings(data_dir))
    cohort = make_cohort(here)
    run_id = here.ledger.ask(cohort, [make_spec(cohort)])[0].run_id
    work_on(here.settings, run_id, trainer=SteeredTrainer())
    reading = here.reader_study.begin(reader="=1+1 Ä", **READING)
    for place in range(2):
        here.reader_study.record(reading, place=place, case_id=f"{place:08x}", present=True, confidence=1, seconds=1 / 3)
    study = here.arm_studies.add(made_up_study(title="=1+1 Ä"))
    read_session(here.arm_studies, study, "Ada", most=2)
    for name in ("engine/engine.log", "logs/server.log", "imports/half", "inference/1/request.json", ".lock", "cohorts/.draft-1/x"):
        (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (data_dir / name).write_text("passing")
    (data_dir / "link.json").symlink_to("/etc/hostname")
    return here


def contents(here: Installation) -> dict[str, str]:
    return {name: sha256((here.settings.data_dir / name).read_bytes()).hexdigest() for name in files_to_copy(here.settings)}


def rows(here: Installation) -> list[object]:
    chain, study = here.ledger.chain, here.reader_study
    answers = (study.answers(one).to_dict("list") for one in study.of("f" * 16))
    arms = [(one, here.arm_studies.state(one)) for one in here.arm_studies.of("f" * 16)]
    return [*chain.entries(), *study.of("f" * 16), *answers, *arms]


def wipe(here: Installation) -> None:
    shutil.rmtree(here.settings.data_dir)
    if here.settings.database_url:
        engine = create_engine(here.settings.database_url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()


def rewritten(source: Path, target: Path, change) -> Path:
    """The archive with its members changed by `change`, a function of a dictionary of bytes; the manifest agrees with all of them."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
        manifest = json.loads(archive.read(MANIFEST))
    change(members)
    manifest["members"] = {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in members.items()}
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(MANIFEST, json.dumps(manifest))
    return target


def test_backup_wipe_restore_gives_everything_back_and_the_ledger_is_valid(here, tmp_path):
    file = tmp_path / "copy.zip"
    before, stored, run_ids = contents(here), rows(here), here.runs.ids()
    made = write_backup(here, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and made.n_files == len(before) and made.n_vanished == 0
    assert KEY_FILE in before and not any(name.startswith(("engine", "logs", "imports", "inference", "link")) for name in before)
    wipe(here)
    assert Installation.open(here.settings).key != here.key  # whoever looks into an empty folder makes a key, which makes way
    restored = restore_backup(here.settings, file)
    again = Installation.open(here.settings)
    assert (restored.broken_at, restored.is_behind) == (None, False) and contents(again) == before and rows(again) == stored
    assert [again.runs.status(run_id).state for run_id in run_ids] == [RunState.FINISHED] and not again.runs.is_damaged(run_ids[0])
    assert again.cohorts.is_intact("images") and check_ledger(again.ledger).problems == () and again.ledger.book().open_gaps == []
    assert not (here.settings.data_dir / RESTORING_FILE).exists()
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in here.settings.data_dir.rglob("*")}
    assert modes == {0}


def test_a_backup_goes_from_one_kind_of_database_to_the_other(here, tmp_path, postgres):
    file, stored = tmp_path / "copy.zip", rows(here)
    write_backup(here, file)
    url = None if here.settings.database_url else new_database(postgres)
    other = here.settings.model_copy(update={"data_dir": tmp_path / "other", "database_url": url})
    restored = restore_backup(other, file)
    assert (restored.broken_at, restored.is_behind) == (None, False) and rows(Installation.open(other)) == stored


def test_the_commands_say_that_the_key_is_in_it_and_what_the_ledger_does_not_count(here, tmp_path, monkeypatch):
    monkeypatch.setenv("DPMED_DATA_DIR", str(here.settings.data_dir))
    if here.settings.database_url:
        monkeypatch.setenv("DPMED_DATABASE_URL", here.settings.database_url)
    load_settings.cache_clear()
    try:
        said = CliRunner().invoke(dpmed, ["backup", str(tmp_path / "copy.zip")], standalone_mode=False)
        assert said.exception is None and "holds the installation's key" in said.stdout
        wipe(here)
        found = CliRunner().invoke(dpmed, ["restore", str(tmp_path / "copy.zip"), "--json"], standalone_mode=False)
        assert found.exception is None and json.loads(found.stdout)["ledger_is_whole"] is True
        refused = CliRunner().invoke(dpmed, ["restore", str(tmp_path / "copy.zip")], standalone_mode=False)
        assert isinstance(refused.exception, BackupError) and "not empty" in str(refused.exception)
    finally:
        load_settings.cache_clear()


def test_what_is_there_is_not_written_over(here, tmp_path):
    file = tmp_path / "copy.zip"
    write_backup(here, file)
    with pytest.raises(BackupError, match="exists already"):
        write_backup(here, file)
    with pytest.raises(BackupError, match="in the data folder"):
        write_backup(here, here.settings.data_dir / "copy.zip")
    before, stored = contents(here), rows(here)
    with pytest.raises(BackupError, match="not empty"):
        restore_backup(here.settings, file)
    assert contents(here) == before and rows(here) == stored
    if here.settings.database_url:
        elsewhere = here.settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
        with pytest.raises(BackupError, match="database holds rows"):
            restore_backup(elsewhere, file)
        assert rows(here) == stored and not files_to_copy(elsewhere)


@pytest.mark.parametrize("name", ["data/../../out", "data//etc/out", "/etc/out", "data/a\\..\\out", "data/.hidden", "tables/x/../../out"])
def test_names_that_lead_out_are_refused(here, tmp_path, name):
    file = tmp_path / "copy.zip"
    write_backup(here, file)
    bad = rewritten(file, tmp_path / "bad.zip", lambda members: members.update({name: b"x"}))
    wipe(here)
    with pytest.raises(BackupError, match=LEADS_OUT[:30]):
        restore_backup(here.settings, bad)
    assert not here.settings.data_dir.exists()


def test_links_damage_and_what_the_manifest_does_not_name_are_refused(here, tmp_path):
    file = tmp_path / "copy.zip"
    write_backup(here, file)
    wipe(here)

    link = rewritten(file, tmp_path / "link.zip", lambda members: members.update({"data/a": b"/etc"}))
    with zipfile.ZipFile(link) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(link, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK if name == "data/a" else stat.S_IFREG | 0o600) << 16
            archive.writestr(info, data)
    with pytest.raises(BackupError, match="a link"):
        restore_backup(here.settings, link)

    with zipfile.ZipFile(link, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data if name != f"data/{KEY_FILE}" else bytes(len(data)))
    with pytest.raises(BackupError, match=r"secret\.key in the backup is not what its manifest says"):
        restore_backup(here.settings, link)

    with zipfile.ZipFile(link, "a") as archive:
        archive.writestr("data/more", b"x")
    with pytest.raises(BackupError, match="damaged"):
        restore_backup(here.settings, link)

    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x10
    (tmp_path / "flipped.zip").write_bytes(content)
    (tmp_path / "cut.zip").write_bytes(content[:-100])
    (tmp_path / "text.zip").write_text("a text")
    for name in ("flipped.zip", "cut.zip", "text.zip", "none.zip"):
        with pytest.raises(BackupError):
            restore_backup(here.settings, tmp_path / name)
    assert not here.settings.data_dir.exists()


def test_an_interrupted_restore_is_refused_everywhere_and_the_same_one_ends_it(here, tmp_path, monkeypatch):
    file, other = tmp_path / "copy.zip", tmp_path / "other.zip"
    before, stored = contents(here), rows(here)
    write_backup(here, file)
    here.reader_study.begin(reader="Later", **READING)
    write_backup(here, other)
    wipe(here)
    with monkeypatch.context() as patch:
        whole, n_left = restoring.pieces, iter(range(12))

        def breaks_off(archive, manifest, name):
            if next(n_left, None) is None:
                raise KeyboardInterrupt
            return whole(archive, manifest, name)

        patch.setattr(restoring, "pieces", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            restore_backup(here.settings, file)
    assert 0 < len(files_to_copy(here.settings)) < len(before)
    with pytest.raises(SettingsError, match="give the same `restore FILE` again"):
        Installation.open(here.settings)
    with pytest.raises(BackupError, match="Another backup"):
        restore_backup(here.settings, other)
    restore_backup(here.settings, file)
    again = Installation.open(here.settings)
    assert contents(again) == before and rows(again) == stored and check_ledger(again.ledger).problems == ()


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_no_file_under_its_name_and_one_while_others_write_is_whole(here, tmp_path):
    (here.settings.data_dir / "cohorts" / "images" / "ballast").write_bytes(os.urandom(24 << 20))
    file, command = tmp_path / "copy.zip", [sys.executable, "-m", "dpmed_core", "backup"]
    environment = settings_environment(here.settings)
    process = subprocess.Popen([*command, str(file)], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".copy.zip-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL and not file.exists()

    process = subprocess.Popen([*command, str(file)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    n_written = 0
    while process.poll() is None:
        reading = here.reader_study.begin(reader=f"Reader {n_written}", **READING)
        here.reader_study.record(reading, place=0, case_id="00000000", present=True, confidence=1, seconds=1.0)
        here.ledger.set_cap(epsilon=8.0 + n_written, delta=1e-5, name="a", reason="b")
        n_written += 1
        time.sleep(0.05)  # what is written is checked and read again below
    assert process.returncode == 0 and n_written > 1
    wipe(here)
    restored = restore_backup(here.settings, file)
    again = Installation.open(here.settings)
    assert (restored.broken_at, restored.is_behind) == (None, False) and check_ledger(again.ledger).problems == ()
    readings = again.reader_study.of("f" * 16)
    # Each reading was committed before its answer: only the last of the snapshot may lack it.
    answered = [len(again.reader_study.answers(one)) for one in sorted(readings, key=lambda one: one.begun_at)]
    assert answered[0] == 2 and answered[1:-1] == [1] * len(answered[1:-1])
