"""Readers' answers in the database: stored one by one as they are given, never changed, and removed with the cohort.

A reading ends with its last answer, or is given up, which is stored too: a reader who gave up has not finished, and cannot go on after
having seen labels.
"""

import re
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

import pandas as pd
from sqlalchemy import Boolean, Column, Connection, Float, ForeignKey, Integer, String, Table, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from dpmed_core.database import Database, metadata
from dpmed_core.errors import DpmedError
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action

LONGEST_NAME = 40
READING_ID = re.compile(r"[0-9a-f]{16}")
CONFIDENCES = {1: "Guess", 2: "Low", 3: "Moderate", 4: "High"}
ANSWER_COLUMNS = ("place", "case_id", "present", "confidence", "seconds", "answered_at")

readings = Table(
    "readings",
    metadata,
    Column("reading_id", String(16), primary_key=True),
    Column("reader", String(LONGEST_NAME), nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("finding", String(200), nullable=False),
    Column("n_cases", Integer, nullable=False),
    Column("balanced", Boolean, nullable=False),
    Column("told_after_each", Boolean, nullable=False),
    Column("begun_at", Float, nullable=False),
)
reading_answers = Table(
    "reading_answers",
    metadata,
    Column("reading_id", ForeignKey("readings.reading_id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(64), nullable=False),
    Column("present", Boolean, nullable=False),
    Column("confidence", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("answered_at", Float, nullable=False),
)
readings_given_up = Table(
    "readings_given_up",
    metadata,
    Column("reading_id", ForeignKey("readings.reading_id"), primary_key=True),
    Column("given_up_at", Float, nullable=False),
)


@dataclass(frozen=True)
class Reading:
    """One reader's pass through a set of cases.

    Attributes:
        reading_id: its random name, from which the choice and order of its cases follow.
        reader: the name or pseudonym that the reader chose.
        fingerprint: of the cohort's data.
        finding: the finding that the reader judges.
        n_cases: number of cases.
        balanced: whether half of the cases have the finding, as far as possible.
        told_after_each: whether label and scores are shown after each answer.
        begun_at: UTC seconds since the epoch.
    """

    reading_id: str
    reader: str
    fingerprint: str
    finding: str
    n_cases: int
    balanced: bool
    told_after_each: bool
    begun_at: float


@dataclass(frozen=True)
class ReaderStudyStore:
    """The readings of an installation.

    Attributes:
        database: holds them.
        actor: who reads; somebody who signed on reads under that name, and goes on with no one else's reading.
    """

    database: Database
    actor: Actor = ACCOUNT

    def begin(self, *, reader: str, fingerprint: str, finding: str, n_cases: int, balanced: bool, told_after_each: bool) -> Reading:
        """A new reading, or this reader's open one with the same arguments.

        Args:
            reader: the name or pseudonym that the reader chose.
            fingerprint: of the cohort's data.
            finding: the finding to judge.
            n_cases: number of cases.
            balanced: whether half of the cases have the finding, as far as possible.
            told_after_each: whether label and scores are shown after each answer.

        Raises:
            DpmedError: the name is blank or too long.
            NotAllowedError: whoever reads may not.
        """
        self.actor.require(Action.READ_CASES, finding)
        name = reader_name(self.actor) or " ".join(reader.split())
        if not 0 < len(name) <= LONGEST_NAME:
            raise DpmedError(f"Enter a name or pseudonym of 1 to {LONGEST_NAME} characters; with the same name you can continue later.")
        for earlier in self.of(fingerprint):
            asked = (earlier.reader, earlier.finding, earlier.n_cases, earlier.balanced, earlier.told_after_each)
            if asked == (name, finding, n_cases, balanced, told_after_each) and self.is_open(earlier):
                return earlier
        reading = Reading(secrets.token_hex(8), name, fingerprint, finding, n_cases, balanced, told_after_each, time.time())
        with self.database.transaction() as connection:
            connection.execute(insert(readings).values(**vars(reading)))
        return reading

    def reading(self, reading_id: str) -> Reading | None:
        """The reading called `reading_id`; None where there is none."""
        if not READING_ID.fullmatch(reading_id):
            return None
        with self.database.transaction() as connection:
            row = connection.execute(select(readings).where(readings.c.reading_id == reading_id)).mappings().first()
        return Reading(**row) if row else None

    def of(self, fingerprint: str) -> list[Reading]:
        """The readings of a cohort's data, newest first."""
        with self.database.transaction() as connection:
            found = select(readings).where(readings.c.fingerprint == fingerprint).order_by(readings.c.begun_at.desc())
            return [Reading(**row) for row in connection.execute(found).mappings()]

    def record(self, reading: Reading, *, place: int, case_id: str, present: bool, confidence: int, seconds: float) -> bool:
        """Store an answer, durably; False, and nothing is changed, where this place was answered before or the reading given up.

        Args:
            reading: the reading.
            place: position of the case in the order of reading, from 0.
            case_id: the case.
            present: the reader's answer.
            confidence: one of `CONFIDENCES`.
            seconds: time from showing the case to the answer.

        Raises:
            NotAllowedError: whoever reads may not, or the reading is another one's.
        """
        self._require_own(reading)
        row = {"place": place, "case_id": case_id, "present": present, "confidence": confidence, "seconds": seconds}
        with self.database.transaction() as connection:
            if _was_given_up(connection, reading):
                return False
            try:
                # The primary key (reading, place) refuses a second answer, also from another tab or server. The savepoint keeps the
                # transaction usable after the refusal.
                with connection.begin_nested():
                    connection.execute(insert(reading_answers).values(reading_id=reading.reading_id, answered_at=time.time(), **row))
            except IntegrityError:
                return False
        return True

    def answers(self, reading: Reading) -> pd.DataFrame:
        """The answers given so far, in the order of reading, with `ANSWER_COLUMNS`.

        Raises:
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.READ_CASES, reading.reading_id)
        columns = [reading_answers.c[name] for name in ANSWER_COLUMNS]
        with self.database.transaction() as connection:
            found = select(*columns).where(reading_answers.c.reading_id == reading.reading_id).order_by(reading_answers.c.place)
            return pd.DataFrame(connection.execute(found).all(), columns=list(ANSWER_COLUMNS))

    def is_open(self, reading: Reading) -> bool:
        """Whether answers are still to come: not all are given, and the reading was not given up."""
        with self.database.transaction() as connection:
            return _is_open(connection, reading)

    def was_given_up(self, reading: Reading) -> bool:
        """Whether the reader ended the reading before its last case."""
        with self.database.transaction() as connection:
            return _was_given_up(connection, reading)

    def give_up(self, reading: Reading) -> None:
        """End an open reading for good; one that has ended stays as it is.

        Raises:
            NotAllowedError: whoever reads may not, or the reading is another one's.
        """
        self._require_own(reading)
        with self.database.transaction(exclusive=True) as connection:
            if _is_open(connection, reading):
                connection.execute(insert(readings_given_up).values(reading_id=reading.reading_id, given_up_at=time.time()))

    def forget(self, fingerprint: str) -> None:
        """Remove the readings of a cohort's data: answers are data about its patients, and are removed with them."""
        with self.database.transaction() as connection:
            of_cohort = select(readings.c.reading_id).where(readings.c.fingerprint == fingerprint)
            for table in (reading_answers, readings_given_up):
                connection.execute(delete(table).where(table.c.reading_id.in_(of_cohort)))
            connection.execute(delete(readings).where(readings.c.fingerprint == fingerprint))

    def _require_own(self, reading: Reading) -> None:
        if (own := reader_name(self.actor)) and reading.reader != own:
            self.actor.refuse(Action.READ_CASES, reading.reading_id, "This reading is another reader's: begin one of your own.")
        self.actor.require(Action.READ_CASES, reading.reading_id)


def reader_name(actor: Actor) -> str:
    """The name under which somebody who signed on reads; empty of whoever did not. A long one ends with its hash, so that it is theirs."""
    name = actor.name
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}~{sha256(name.encode()).hexdigest()[:8]}"


def _is_open(connection: Connection, reading: Reading) -> bool:
    answered = select(func.count()).where(reading_answers.c.reading_id == reading.reading_id)
    return connection.execute(answered).scalar_one() < reading.n_cases and not _was_given_up(connection, reading)


def _was_given_up(connection: Connection, reading: Reading) -> bool:
    mark = select(readings_given_up.c.reading_id).where(readings_given_up.c.reading_id == reading.reading_id)
    return connection.execute(mark).first() is not None
