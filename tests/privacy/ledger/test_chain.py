"""The chain: what was changed from outside is found, and nothing is lost when many write at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from sqlalchemy import delete, insert, select, update

from dpmed_core.database import Database, _switch_to_wal
from dpmed_core.privacy.ledger.chain import Chain, ledger_entries
from dpmed_core.settings import Settings
from tests.privacy.ledger.conftest import processes


@pytest.fixture
def chain(settings, fixed_key):
    chain = Chain(Database(settings), fixed_key, settings.data_dir)
    for number in range(5):
        with chain.appending() as appender:
            appender.append("note", {"number": number, "words": "ε, δ"})
    return chain


def change(chain, *statements):
    with chain.database.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def test_entries_stand_in_their_order_and_are_genuine(chain):
    entries = chain.entries()
    assert [entry.body["number"] for entry in entries] == [0, 1, 2, 3, 4] and [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert chain.broken_at(entries) is None
    assert chain.noted_head() == (5, chain.head().digest) == (5, entries[-1].digest)


C = ledger_entries.c


@pytest.mark.parametrize(
    ("statements", "broken"),
    [
        ([update(ledger_entries).where(C.seq == 3).values(body='{"number":7,"words":"ε, δ"}')], 3),
        ([update(ledger_entries).where(C.seq == 3).values(body="not JSON")], 3),
        ([update(ledger_entries).where(C.seq == 2).values(at=1.0)], 2),
        ([update(ledger_entries).where(C.seq == 4).values(kind="other")], 4),
        ([delete(ledger_entries).where(C.seq == 1)], 1),
        ([delete(ledger_entries).where(C.seq == 3)], 3),
        # Two entries change places, and the places are made to fit.
        (
            [
                update(ledger_entries).where(C.seq == 2).values(seq=99),
                update(ledger_entries).where(C.seq == 3).values(seq=2),
                update(ledger_entries).where(C.seq == 99).values(seq=3),
            ],
            2,
        ),
    ],
)
def test_a_changed_removed_or_moved_entry_is_found(chain, statements, broken):
    change(chain, *statements)
    assert chain.broken_at(chain.entries()) == broken


def test_entries_missing_at_the_end_show_in_the_noted_seal(chain):
    change(chain, delete(ledger_entries).where(C.seq > 3))
    assert chain.broken_at(chain.entries()) is None  # the seals alone cannot tell
    assert chain.is_behind(chain.entries())


def test_nobody_without_the_key_can_seal(chain, settings):
    forger = Chain(Database(settings), b"x" * 32, settings.data_dir)
    with forger.appending() as appender:
        appender.append("note", {"number": 5})
    assert chain.broken_at(chain.entries()) == 6


def test_nothing_is_appended_where_the_decision_fails(chain):
    with pytest.raises(ValueError, match="no"), chain.appending() as appender:
        appender.append("note", {"number": 5})
        raise ValueError("no")
    assert len(chain.entries()) == 5 and chain.noted_head()[0] == 5


def append_some(settings: Settings, key: bytes, n: int) -> None:
    chain = Chain(Database(settings), key, settings.data_dir)
    for _ in range(n):
        with chain.appending() as appender:
            appender.append("note", {"before": len(appender.entries)})


def test_processes_that_write_at_once_make_one_chain(settings, fixed_key):
    with processes(4) as pool:
        for done in [pool.submit(append_some, settings, fixed_key, 5) for _ in range(8)]:
            done.result()
    chain = Chain(Database(settings), fixed_key, settings.data_dir)
    entries = chain.entries()
    assert [entry.body["before"] for entry in entries] == list(range(40))
    assert chain.broken_at(entries) is None and chain.noted_head()[0] == 40


def test_an_older_copy_of_the_database_shows(chain):
    with chain.database.transaction() as connection:
        rows = [row._asdict() for row in connection.execute(select(ledger_entries).where(C.seq <= 3))]
    change(chain, delete(ledger_entries))
    change(chain, insert(ledger_entries).values(rows))
    assert chain.broken_at(chain.entries()) is None and chain.is_behind(chain.entries())


def look(settings: Settings, key: bytes) -> int:
    return len(Chain(Database(settings), key, settings.data_dir).entries())


def test_a_file_that_another_connection_switches_at_the_same_time_is_switched_once_more():
    refused = sqlite3.OperationalError("database is locked")
    refused.sqlite_errorname = "SQLITE_BUSY"
    cursor = Mock(execute=Mock(side_effect=[refused, refused, None]))
    _switch_to_wal(cursor)
    assert cursor.execute.call_count == 3
    refused.sqlite_errorname = "SQLITE_READONLY"
    cursor.execute.side_effect = [refused]
    with pytest.raises(sqlite3.OperationalError):
        _switch_to_wal(cursor)


def test_processes_that_meet_an_empty_folder_at_once_all_get_a_database(settings, fixed_key):
    with ThreadPoolExecutor(12) as pool:
        for _ in range(8):
            for file in settings.data_dir.glob("dpmed.db*"):
                file.unlink()
            assert [done.result() for done in [pool.submit(look, settings, fixed_key) for _ in range(12)]] == [0] * 12
