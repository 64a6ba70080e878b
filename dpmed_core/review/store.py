"""Reviews in the database: what was frozen, and a chain of records, each sealed over all before it.

Nothing is edited. A review's version is the number of its records; every write names the version that its writer saw, and is refused where
somebody else wrote meanwhile. Only a comment may follow other comments that its writer did not see: it overrules nothing.

Comments on a case are data about a patient. Their words stand beside the chain, which seals their digest, and are forgotten with the
cohort.
"""

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Column, Connection, Float, ForeignKey, Integer, String, Table, Text, insert, select, update

from dpmed_core.database import Database, metadata
from dpmed_core.errors import ReviewError
from dpmed_core.keyed_hash import keyed_digest
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action
from dpmed_core.privacy.ledger.chain import BEFORE_THE_FIRST, DIGEST_LENGTH, canonical, seal
from dpmed_core.review.records import CLOSED, COMMENT, OPENED, VERDICT, Kind, Record
from dpmed_core.review.voices import refuse_other_names

REVIEW_ID = re.compile(r"[0-9a-f]{16}")

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", String(16), primary_key=True),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("opened_at", Float, nullable=False),
    Column("frozen", Text, nullable=False),
    Column("tables", Text, nullable=False),
)
review_records = Table(
    "review_records",
    metadata,
    Column("review_id", ForeignKey("reviews.review_id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("body", Text, nullable=False),
    Column("words", Text, nullable=True),
    Column("digest", String(DIGEST_LENGTH), nullable=False),
)


@dataclass(frozen=True)
class Review:
    """A review as it stands.

    Attributes:
        review_id: its random name.
        frozen: what is reviewed (`review.frozen`).
        records: oldest first.
        broken_at: the first record that is not genuine; 0 where that is what was frozen; None where all are.
    """

    review_id: str
    frozen: Mapping[str, Any]
    records: tuple[Record, ...] = field(repr=False)
    broken_at: int | None

    @property
    def version(self) -> int:
        """How many records there are."""
        return len(self.records)

    @property
    def closed(self) -> Record | None:
        """The record that closed it; None while it is open."""
        return self.records[-1] if self.records[-1].kind == CLOSED else None

    def of_kind(self, kind: str) -> list[Record]:
        """The records of one kind, oldest first."""
        return [record for record in self.records if record.kind == kind]


@dataclass(frozen=True)
class ReviewStore:
    """The reviews of an installation.

    Attributes:
        database: holds them.
        key: the installation's secret key.
        actor: who reads and writes; `review.acts` asks.
    """

    database: Database
    key: bytes
    actor: Actor = ACCOUNT

    def open(self, frozen: Mapping[str, object], tables: Mapping[str, object], body: Mapping[str, object]) -> Review:
        """A new review of what was frozen; its first record says so, and seals it.

        Raises:
            NotAllowedError: whoever opens it may not.
        """
        refuse_other_names(body, self.actor)
        self.actor.require(Action.OPEN_REVIEWS)
        review_id, said = secrets.token_hex(8), canonical(frozen)
        rows, at = canonical(tables), time.time()
        row = {"review_id": review_id, "fingerprint": str(frozen["fingerprint"]), "opened_at": at, "frozen": said, "tables": rows}
        with self.database.transaction(exclusive=True) as connection:
            connection.execute(insert(reviews).values(row))
            first = {**body, "frozen": self._digest(review_id, said)}
            self._insert(connection, review_id, OPENED, first, None, ())
        return self.review(review_id)

    def names(self) -> list[str]:
        """The review_ids of all reviews, newest first."""
        with self.database.transaction() as connection:
            return list(connection.execute(select(reviews.c.review_id).order_by(reviews.c.opened_at.desc(), reviews.c.review_id)).scalars())

    def review(self, review_id: str) -> Review:
        """The review called `review_id`.

        Raises:
            ReviewError: there is none.
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.SEE_RESULTS, f"review {review_id}")
        with self.database.transaction() as connection:
            # Without its tables, which have megabytes, and their own digests.
            found = select(reviews.c.frozen).where(reviews.c.review_id == review_id)
            frozen = connection.execute(found).scalar() if _fits(review_id) else None
            if frozen is None:
                raise ReviewError(f"There is no review {review_id[:40]!r}: `review list` names all.")
            records = _records(connection, review_id)
        broken = self._broken_at(review_id, records, self._digest(review_id, frozen))
        if not self.actor.may(Action.SEE_CASES):  # words on a case are data about its patient
            records = [replace(record, words=None) for record in records]
        return Review(review_id, json.loads(frozen), tuple(records), broken)

    def tables(self, review_id: str) -> dict[str, Any]:
        """The rows that were frozen, by table; `review.frozen_tables.changed_tables` tells whether they are still those.

        Raises:
            ReviewError: there is no such review.
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.SEE_RESULTS, f"review {review_id}")
        with self.database.transaction() as connection:
            found = connection.execute(select(reviews.c.tables).where(reviews.c.review_id == review_id)).scalar()
        if found is None:
            raise ReviewError(f"There is no review {review_id[:40]!r}: `review list` names all.")
        return dict(json.loads(found))

    def append(self, review_id: str, kind: str, body: Mapping[str, object], *, seen: int, words: str | None = None) -> Record:
        """Append a record, durably.

        Args:
            review_id: the review.
            kind: of the record.
            body: what it says.
            seen: the version of the review that its writer saw.
            words: what is kept beside the chain.

        Raises:
            ReviewError: the review is closed, or somebody else wrote since.
            NotAllowedError: whoever writes may not.
        """
        refuse_other_names(body, self.actor)
        self.actor.require(Action.OPEN_REVIEWS if kind == CLOSED else Action.JOIN_REVIEWS, f"review {review_id}: {kind}")
        with self.database.transaction(exclusive=True) as connection:
            records = _records(connection, review_id)
            if not records:
                raise ReviewError(f"There is no review {review_id[:40]!r}: `review list` names all.")
            if records[-1].kind == CLOSED:
                raise ReviewError("The review is closed, and can only be read: open another one.")
            _refuse_unseen(records, kind, body, seen)
            return self._insert(connection, review_id, kind, {**body, "seen": seen}, words, records)

    def forget(self, fingerprint: str) -> None:
        """Forget the words of comments on cases of a cohort's data, which are about its patients; the chain stays whole."""
        on_case = f'"kind":"{Kind.CASE.value}"'
        of_cohort = select(reviews.c.review_id).where(reviews.c.fingerprint == fingerprint)
        with self.database.transaction() as connection:
            about = (review_records.c.review_id.in_(of_cohort), review_records.c.kind == COMMENT, review_records.c.body.contains(on_case))
            connection.execute(update(review_records).where(*about).values(words=None))

    def words_digest(self, words: str) -> str:
        """The digest by which a record's body seals words that stand beside it; keyed, so that it cannot be guessed from short words."""
        return keyed_digest(self.key, "review words", json.dumps(words)).hex()[:DIGEST_LENGTH]

    def _insert(
        self,
        connection: Connection,
        review_id: str,
        kind: str,
        body: Mapping[str, object],
        words: str | None,
        before: Sequence[Record],
    ) -> Record:
        """Append a record to those `before`, and give it."""
        if words is not None:
            body = {**body, "words": self.words_digest(words)}
        said = json.loads(json.dumps(body, allow_nan=False))
        seq, at = len(before) + 1, time.time()
        previous = before[-1].digest if before else BEFORE_THE_FIRST
        digest = seal(self.key, seq, at, kind, said, previous, of=f"review {review_id}")
        row = {"review_id": review_id, "seq": seq, "at": at, "kind": kind, "body": canonical(said), "digest": digest}
        # As JSON: a database's text takes neither a null character nor half of one, and both come in by hand.
        connection.execute(insert(review_records).values(**row, words=None if words is None else json.dumps(words)))
        return Record(seq, at, kind, said, digest, words)

    def _digest(self, review_id: str, frozen: str) -> str:
        return keyed_digest(self.key, "review", review_id, frozen).hex()[:DIGEST_LENGTH]

    def _broken_at(self, review_id: str, records: list[Record], frozen: str) -> int | None:
        previous = BEFORE_THE_FIRST
        for place, record in enumerate(records, start=1):
            expected = seal(self.key, record.seq, record.at, record.kind, record.body, previous, of=f"review {review_id}")
            other_words = record.words is not None and record.body.get("words") != self.words_digest(record.words)
            if record.seq != place or record.digest != expected or other_words:
                return place
            previous = record.digest
        return None if records and records[0].body.get("frozen") == frozen else 0


def _fits(review_id: str) -> bool:
    return REVIEW_ID.fullmatch(review_id) is not None


def _records(connection: Connection, review_id: str) -> list[Record]:
    if not _fits(review_id):
        return []
    found = select(review_records).where(review_records.c.review_id == review_id).order_by(review_records.c.seq)
    return [
        Record(row.seq, row.at, row.kind, json.loads(row.body), row.digest, None if row.words is None else json.loads(row.words))
        for row in connection.execute(found)
    ]


def _refuse_unseen(records: list[Record], kind: str, body: Mapping[str, object], seen: int) -> None:
    """Refuse to write over what the writer did not see."""
    if not 0 <= seen <= len(records):
        raise ReviewError(f"The review is at version {len(records)}, and there is no version {seen}: look at it again (`review show`).")
    unseen = [record for record in records[seen:] if _stands_in_the_way(record, kind, body)]
    if unseen:
        name, role = unseen[-1].author
        raise ReviewError(
            f"Nothing was recorded: {name[:60]} ({role}) wrote meanwhile, and the review is at version {len(records)} now. Look at it "
            "again, and send yours once more."
        )


def _stands_in_the_way(unseen: Record, kind: str, body: Mapping[str, object]) -> bool:
    """Whether a record that its writer did not see keeps them from writing one of `kind`.

    A comment overrules nothing. Verdicts of two people stand beside each other, and neither needs the other's; a verdict may overrule
    neither a doubt nor a verdict of the same person.
    """
    if kind == COMMENT:
        return False
    return not (kind == unseen.kind == VERDICT and unseen.body["name"] != body["name"])
