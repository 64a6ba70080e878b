"""The chain of the ledger's entries in the database: appended one after another, each sealed with a keyed hash over all before it.

An entry that is changed, removed or moved breaks the seals from there on, and nobody without the installation's key can make new ones.
Entries missing at the end break nothing: they show because the last seal stands in a file of the data folder too, in the record of the run
that each entry is about (`check`), and on every export.

This module knows what an entry is, not what it says; nothing in DPMed updates or deletes a row of these tables.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, String, Table, Text, insert, select

from dpmed_core.database import Database, metadata
from dpmed_core.files import lock_at
from dpmed_core.keyed_hash import keyed_digest
from dpmed_core.sealed_files import read_sealed, write_sealed

HEAD_FILE, HEAD_OWNER = "ledger-head.json", "ledger"
DIGEST_LENGTH = 32
BEFORE_THE_FIRST = "0" * DIGEST_LENGTH

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", String(DIGEST_LENGTH), nullable=False),
)
ledger_patients = Table(
    "ledger_patients",
    metadata,
    Column("set_id", String(DIGEST_LENGTH), primary_key=True),
    Column("members", Text, nullable=False),
)


@dataclass(frozen=True)
class Entry:
    """One entry of the chain.

    Attributes:
        seq: its place, from 1.
        at: UTC seconds since the epoch.
        kind: what it is about.
        body: what it says, as JSON values.
        digest: its seal: a keyed hash of all of this and of the seal before it.
    """

    seq: int
    at: float
    kind: str
    body: Mapping[str, Any]
    digest: str

    def to_fields(self) -> dict[str, object]:
        """The entry as plain values for JSON."""
        return {"seq": self.seq, "at": self.at, "kind": self.kind, **self.body, "digest": self.digest}


_verified: dict[tuple[str, bytes], tuple[object, list["Entry"], int | None]] = {}
"""By data folder and key: the database's signature, its entries, and the place of the first that is not genuine."""
_of_kinds: dict[tuple[object, ...], tuple[object, list["Entry"], bool, "Entry | None"]] = {}
"""By data folder, key and kinds: the database's signature, the entries, whether the chain is genuine, and its last entry."""


@dataclass(frozen=True)
class Chain:
    """The chain of an installation.

    Attributes:
        database: holds it.
        key: the installation's secret key.
        data_dir: holds the file with the last seal.
    """

    database: Database
    key: bytes
    data_dir: Path

    def entries(self) -> list[Entry]:
        """All entries in their order, as they stand in the database; `broken_at` tells whether they are genuine."""
        return self.verified()[0]

    def verified(self) -> tuple[list[Entry], int | None]:
        """All entries in their order, and the place of the first that is not genuine, None where all are.

        Both are remembered in this process until the database changes.
        """
        signature, place = self.database.signature(), (str(self.data_dir), self.key)
        known = _verified.get(place)
        if signature is None or known is None or known[0] != signature:
            with self.database.transaction() as connection:
                entries = read_entries(connection)
            known = (signature, entries, self.broken_at(entries))
            if signature is not None and signature == self.database.signature():  # nobody has written meanwhile
                _verified[place] = known
        return list(known[1]), known[2]

    def of_kinds(self, *kinds: str) -> tuple[list[Entry], bool]:
        """The entries of some kinds in their order, and whether all entries are genuine and none is missing at the end."""
        signature, place = self.database.signature(), (str(self.data_dir), self.key, *kinds)
        known = _of_kinds.get(place)
        if signature is None or known is None or known[0] != signature:
            entries, broken = self.verified()
            last = entries[-1] if entries else None
            known = (signature, [entry for entry in entries if entry.kind in kinds], broken is None, last)
            if signature is not None:
                _of_kinds[place] = known
        _, found, genuine, last = known
        seq, digest = self.noted_head()
        # Noted before the end is what another process has appended to since; noted elsewhere is looked up in all of them.
        at_end = seq == 0 or (last is not None and (seq, digest) == (last.seq, last.digest))
        return list(found), genuine and (at_end or not self.is_behind(self.entries()))

    def head(self) -> Entry | None:
        """The last entry; None where there is none."""
        known = _verified.get((str(self.data_dir), self.key))
        if known is not None and known[0] == self.database.signature():
            return known[1][-1] if known[1] else None
        with self.database.transaction() as connection:
            row = connection.execute(select(ledger_entries).order_by(ledger_entries.c.seq.desc()).limit(1)).first()
        return _entry(row) if row else None

    def noted_head(self) -> tuple[int, str]:
        """Place and seal of the last entry by the file in the data folder; (0, zeros) where there is none that can be read."""
        try:
            noted = read_sealed(self.data_dir / HEAD_FILE, HEAD_OWNER)
            return int(noted["seq"]), str(noted["digest"])
        except (ValueError, KeyError, TypeError):
            return 0, BEFORE_THE_FIRST

    def is_behind(self, entries: list[Entry]) -> bool:
        """Whether `entries` lack the entry that was noted as the last: an older copy was restored, or the end was cut off."""
        seq, digest = self.noted_head()
        return seq > 0 and (seq > len(entries) or entries[seq - 1].digest != digest)

    @contextmanager
    def appending(self) -> Iterator["Appender"]:
        """What has been written so far, and a way to append to it; committed as a whole when the block ends, one process at a time."""
        with self.database.transaction(exclusive=True) as connection:
            appender = Appender(connection, self.key, read_entries(connection))
            before = len(appender.entries)
            yield appender
        if len(appender.entries) > before:
            self._note_head(appender.entries[-1])

    def broken_at(self, entries: list[Entry]) -> int | None:
        """The place of the first entry that is not genuine or not in its place; None where all are."""
        previous = BEFORE_THE_FIRST
        for place, entry in enumerate(entries, start=1):
            if entry.seq != place or entry.digest != seal(self.key, entry.seq, entry.at, entry.kind, entry.body, previous):
                return place
            previous = entry.digest
        return None

    def _note_head(self, entry: Entry) -> None:
        """Note `entry` as the last, unless a later one was noted meanwhile."""
        with lock_at(self.data_dir / f".{HEAD_FILE}.lock", timeout=30):
            if self.noted_head()[0] < entry.seq:
                write_sealed(self.data_dir / HEAD_FILE, {"seq": entry.seq, "digest": entry.digest}, HEAD_OWNER)


class Appender:
    """Appends entries within one exclusive transaction."""

    def __init__(self, connection: Connection, key: bytes, entries: list[Entry]) -> None:
        """Append through `connection` after `entries`."""
        self.connection = connection
        self.entries = entries
        self._key = key

    def append(self, kind: str, body: Mapping[str, object]) -> Entry:
        """Append an entry and give it."""
        # Through JSON and back, so that the seal is over what will be read.
        said = json.loads(json.dumps(body, allow_nan=False))
        seq, at = len(self.entries) + 1, time.time()
        previous = self.entries[-1].digest if self.entries else BEFORE_THE_FIRST
        entry = Entry(seq, at, kind, said, seal(self._key, seq, at, kind, said, previous))
        row = {"seq": seq, "at": at, "kind": kind, "body": canonical(said), "digest": entry.digest}
        self.connection.execute(insert(ledger_entries).values(row))
        self.entries.append(entry)
        return entry


def read_entries(connection: Connection) -> list[Entry]:
    """All entries in their order."""
    return [_entry(row) for row in connection.execute(select(ledger_entries).order_by(ledger_entries.c.seq))]


def canonical(body: Mapping[str, object]) -> str:
    """`body` as JSON; equal bodies give equal texts."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def seal(key: bytes, seq: int, at: float, kind: str, body: Mapping[str, object], previous: str, *, of: str = "ledger") -> str:
    """The keyed hash of an entry and the seal before it; `of` names the chain, so that no entry fits into another one."""
    return keyed_digest(key, of, str(seq), repr(float(at)), kind, canonical(body), previous).hex()[:DIGEST_LENGTH]


def _entry(row: Any) -> Entry:
    try:
        body = json.loads(row.body)
    except ValueError:  # changed from outside: shown as it is, and found by its seal
        body = {"unreadable": row.body}
    return Entry(row.seq, row.at, row.kind, body if isinstance(body, dict) else {"unreadable": row.body}, row.digest)
