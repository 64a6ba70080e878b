"""Databases of earlier and later versions: brought up to date with every row, or refused."""

import importlib
import multiprocessing
import pkgutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

import dpmed_core
from dpmed_core.database import Database, metadata
from dpmed_core.errors import SettingsError
from dpmed_core.installation import Installation
from dpmed_core.migrations import migrate
from dpmed_core.people.directory import Directory
from dpmed_core.people.roles import Role
from dpmed_core.privacy.ledger.book import CAP
from dpmed_core.reader_study.arm_study.store import ArmStudyStore
from dpmed_core.reader_study.store import ReaderStudyStore
from dpmed_core.settings import Settings
from tests.reader_study.arm_study_data import made_up_study, read_session

BEFORE = Path(__file__).with_name("before_versions.sql")
"""The tables as the version before wrote them, without a version of the schema."""
READING = {"fingerprint": "f" * 16, "finding": "mass", "n_cases": 30, "balanced": True, "told_after_each": False}


def address(settings) -> str:
    return settings.database_url or f"sqlite:///{settings.database_path}"


def make_before(settings, *, without: tuple[str, ...] = ()) -> None:
    """An empty database as the version before made it, but for some tables."""
    settings.data_dir.mkdir(exist_ok=True)
    engine = create_engine(address(settings))
    with engine.begin() as connection:
        if settings.database_url is None:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        for statement in BEFORE.read_text().split(";"):
            if statement.strip() and not any(f" {name} " in statement for name in without):
                connection.exec_driver_sql(statement)
    engine.dispose()


def fill(settings) -> ReaderStudyStore:
    """Answers of two readers and entries of a ledger, written into the tables as they are."""
    here = Installation.open(settings)
    for number in range(5):
        here.ledger.append(CAP, lambda _, n=number: {"epsilon": 8.0 + n / 3, "delta": 1e-5, "name": "Ä", "reason": "=1+1"})
    store = ReaderStudyStore(Database(settings))
    for name in ("Blue", "Grün"):
        reading = store.begin(reader=name, **READING)
        for place in range(20):
            store.record(reading, place=place, case_id=f"{place:08x}", present=place % 3 == 0, confidence=2, seconds=1.1 + place / 7)
    store.give_up(reading)
    return store


def rows_of(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    known = set(inspect(connection).get_table_names())
    return {
        table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
        for table in metadata.sorted_tables
        if table.name in known
    }


def test_a_database_of_the_version_before_keeps_every_row_and_its_ledger_is_valid(tmp_path, new_settings, monkeypatch):
    settings = new_settings(tmp_path / "data")
    make_before(settings)
    with monkeypatch.context() as patch:  # as the version before: no version is looked for, none is written
        patch.setattr("dpmed_core.database._bring_up_to_date", lambda engine: None)
        fill(settings)
    engine = create_engine(address(settings))
    with engine.connect() as connection:
        assert not inspect(connection).has_table(migrate.TABLE)
        before = rows_of(connection)
    assert {name: len(rows) for name, rows in before.items()} == {
        "ledger_entries": 5,
        "ledger_patients": 0,
        "reading_answers": 40,
        "readings": 2,
        "readings_given_up": 1,
    }
    with Database(settings).transaction() as connection:
        after = rows_of(connection)
        assert migrate.schema_version(connection) == migrate.LAST
    assert {name: after[name] for name in before} == before
    chain = Installation.open(settings).ledger.chain
    entries, broken = chain.verified()
    assert len(entries) == 5 and broken is None and not chain.is_behind(entries)
    assert [reading.reader for reading in ReaderStudyStore(Database(settings)).of("f" * 16)] == ["Grün", "Blue"]
    engine.dispose()


def test_a_database_of_version_three_keeps_every_row_and_takes_studies_with_several_readers(tmp_path, new_settings, monkeypatch):
    settings = new_settings(tmp_path / "data")
    settings.data_dir.mkdir(exist_ok=True)
    engine = create_engine(address(settings))
    with engine.begin() as connection:
        migrate.migrate(connection, to="0003")
        assert not inspect(connection).has_table("arm_studies")
    with monkeypatch.context() as patch:
        patch.setattr("dpmed_core.database._bring_up_to_date", lambda engine: None)
        fill(settings)
        Directory(Database(settings)).grant("ada@h.example", Role.READER, by="a test")
    with engine.connect() as connection:
        before = rows_of(connection)
        assert migrate.schema_version(connection) == "0003"
    assert (len(before["reading_answers"]), len(before["role_grants"]), len(before["ledger_entries"])) == (40, 1, 5)
    store = ArmStudyStore(Database(settings))
    study = store.add(made_up_study())
    read_session(store, study, "Ada", most=2)
    with Database(settings).transaction() as connection:
        after = rows_of(connection)
        assert migrate.schema_version(connection) == migrate.LAST
    assert {name: after[name] for name in before} == before and len(after["arm_study_answers"]) == 2
    engine.dispose()


def test_tables_that_an_earlier_version_did_not_have_are_made(tmp_path, new_settings):
    settings = new_settings(tmp_path / "data")
    make_before(settings, without=("readings_given_up", "ledger_entries", "ledger_patients"))
    store = fill(settings)
    assert len(store.of("f" * 16)) == 2 and len(Installation.open(settings).ledger.chain.entries()) == 5


def test_the_migrations_make_the_tables_that_the_modules_define(tmp_path, new_settings):
    for module in pkgutil.walk_packages(dpmed_core.__path__, "dpmed_core."):
        if "store" in module.name or "chain" in module.name:
            importlib.import_module(module.name)
    with Database(new_settings(tmp_path / "data")).transaction() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    assert differences == []


def test_the_last_version_is_the_one_that_opening_looks_for():
    script = ScriptDirectory(str(Path(migrate.__file__).parent))
    assert script.get_heads() == [migrate.LAST]
    assert [revision.revision for revision in script.walk_revisions()] == [f"{n:04}" for n in range(int(migrate.LAST), 0, -1)]


def test_a_database_of_a_later_version_is_refused_in_one_sentence_and_left_as_it_is(tmp_path, new_settings):
    settings = new_settings(tmp_path / "data")
    fill(settings)
    engine = create_engine(address(settings))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrate.TABLE} SET version_num = '9000'"))
        before = rows_of(connection)
    for exclusive in (False, True):
        opening = Database(settings).transaction(exclusive=exclusive)
        with pytest.raises(SettingsError, match=r"later version of DPMed \(its schema is 9000"), opening:
            pass
    with engine.connect() as connection:
        assert rows_of(connection) == before
    engine.dispose()


def open_once(settings, at_once, answers) -> None:
    at_once.wait()
    with Database(settings).transaction() as connection:
        answers.put(migrate.schema_version(connection))


def test_processes_that_open_an_earlier_database_at_once_do_not_collide(tmp_path, new_settings):
    settings = new_settings(tmp_path / "data")
    make_before(settings)
    context = multiprocessing.get_context("spawn")
    at_once, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=open_once, args=(settings, at_once, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 2
    found = [answers.get(timeout=10) for _ in processes]
    assert found == [migrate.LAST] * 2


def test_an_earlier_database_that_cannot_be_written_is_read_from_a_copy(tmp_path, monkeypatch):
    settings = Settings(data_dir=tmp_path / "data")
    make_before(settings)
    with monkeypatch.context() as patch:
        patch.setattr("dpmed_core.database._bring_up_to_date", lambda engine: None)
        fill(settings)
    content = settings.database_path.read_bytes()

    def refuse(self):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Database, "_engine", refuse)
    assert len(ReaderStudyStore(Database(settings)).of("f" * 16)) == 2
    assert settings.database_path.read_bytes() == content
