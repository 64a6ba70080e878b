"""Studies with several readers and arms in the database: the plan, sessions as they begin, answers one by one, and an early end.

Nothing is changed once it is stored, and all of it is removed with the cohort. Answers come out of here when a study is over; a reader is
given one case at a time and, in an aided arm, its aid.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from sqlalchemy import Boolean, Column, Connection, Float, ForeignKey, Integer, String, Table, Text, delete, func, insert, select

from dpmed_core.database import Database, metadata
from dpmed_core.errors import DpmedError
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.identity import LONGEST_WHO, who_of
from dpmed_core.people.roles import Action
from dpmed_core.reader_study.arm_study.progress import Answered, EarlyEnd, ReaderProgress, StudyState, reader_progress, utc_text_from
from dpmed_core.reader_study.arm_study.study import Aid, ArmStudy, as_json, from_json
from dpmed_core.reader_study.store import CONFIDENCES

STUDY_ID = re.compile(r"[0-9a-f]{16}")
LONGEST_REASON = 10_000
RATING_COLUMNS = ("reader", "session", "place", "case", "arm", "truth", "present", "confidence", "seconds", "answered_at")

arm_studies = Table(
    "arm_studies",
    metadata,
    Column("study_id", String(16), primary_key=True),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("planned_at", Float, nullable=False),
    Column("body", Text, nullable=False),
)
# Readers are numbered in the order of their study's plan.
arm_study_sessions = Table(
    "arm_study_sessions",
    metadata,
    Column("study_id", ForeignKey("arm_studies.study_id"), primary_key=True),
    Column("reader", Integer, primary_key=True, autoincrement=False),
    Column("session", Integer, primary_key=True, autoincrement=False),
    Column("begun_at", Float, nullable=False),
)
arm_study_answers = Table(
    "arm_study_answers",
    metadata,
    Column("study_id", ForeignKey("arm_studies.study_id"), primary_key=True),
    Column("reader", Integer, primary_key=True, autoincrement=False),
    Column("session", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(64), nullable=False),
    Column("arm", String(20), nullable=False),
    Column("present", Boolean, nullable=False),
    Column("confidence", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("answered_at", Float, nullable=False),
)
arm_study_ends = Table(
    "arm_study_ends",
    metadata,
    Column("study_id", ForeignKey("arm_studies.study_id"), primary_key=True),
    Column("ended_at", Float, nullable=False),
    Column("body", Text, nullable=False),
)


class NextReading(NamedTuple):
    """The case that a reader has before them.

    Attributes:
        session: from 1.
        place: from 1.
        case_id: the case.
        aid: what the model of its arm says; None where it is read unaided.
    """

    session: int
    place: int
    case_id: str
    aid: Aid | None


@dataclass(frozen=True)
class ArmStudyStore:
    """The studies of an installation.

    Attributes:
        database: holds them.
        actor: who plans, reads or ends; somebody who signed on reads under that name alone.
        clock: gives UTC seconds since the epoch.
    """

    database: Database
    actor: Actor = ACCOUNT
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def add(self, study: ArmStudy) -> ArmStudy:
        """Store a study that was planned; of an installation where people sign on, readers are named by what they sign on with.

        Raises:
            NotAllowedError: whoever plans may not, or nobody can sign on with a reader's name.
        """
        self.actor.require(Action.PLAN_READINGS, f"reader study {study.study_id}")
        if self.actor.name and (unknown := [reader for reader in study.readers if reader != who_of(reader)]):
            raise DpmedError(f"Name readers by what they sign on with, in small letters: {', '.join(map(who_of, unknown))}.")
        row = {"study_id": study.study_id, "fingerprint": study.fingerprint, "planned_at": study.planned_at, "body": as_json(study)}
        with self.database.transaction() as connection:
            connection.execute(insert(arm_studies).values(row))
        return study

    def study(self, study_id: str) -> ArmStudy | None:
        """The study called `study_id`; None where there is none.

        Raises:
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.SEE_CASES, "reader study")
        if not STUDY_ID.fullmatch(study_id):
            return None
        with self.database.transaction() as connection:
            body = connection.execute(select(arm_studies.c.body).where(arm_studies.c.study_id == study_id)).scalar()
        return None if body is None else from_json(body)

    def of(self, fingerprint: str) -> list[ArmStudy]:
        """The studies of a cohort's data, newest first.

        Raises:
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.SEE_CASES, "reader studies")
        found = select(arm_studies.c.body).where(arm_studies.c.fingerprint == fingerprint)
        with self.database.transaction() as connection:
            rows = connection.execute(found.order_by(arm_studies.c.planned_at.desc(), arm_studies.c.study_id))
            return [from_json(body) for body in rows.scalars()]

    def state(self, study: ArmStudy) -> StudyState:
        """How far a study is."""
        with self.database.transaction() as connection:
            return _state(connection, study)

    def begin_session(self, study: ArmStudy, reader: str) -> ReaderProgress:
        """Begin the session that is this reader's now; one that has begun goes on.

        Raises:
            DpmedError: the study is over, the reader has read everything, or the wash-out is not.
            NotAllowedError: whoever reads may not, or is not this reader.
        """
        self._require_own(study, reader)
        with self.database.transaction(exclusive=True) as connection:
            state = _state(connection, study)
            mine, now = state.of(reader), self.clock()
            if state.is_over or mine.is_done:
                raise DpmedError("There is nothing left to read: this study is over, or you have read all your sessions.")
            if mine.is_open:
                return mine
            if now < mine.opens_at:
                raise DpmedError(
                    f"Session {mine.session} may begin on {utc_text_from(mine.opens_at)}, not before: the cases are to be forgotten."
                )
            key = {"study_id": study.study_id, "reader": study.readers.index(reader), "session": mine.session}
            connection.execute(insert(arm_study_sessions).values(**key, begun_at=now))
            return _state(connection, study).of(reader)

    def next_reading(self, study: ArmStudy, reader: str) -> NextReading | None:
        """The case that this reader is to answer now, with its aid; None where no session of theirs is open, or the study is over.

        Raises:
            NotAllowedError: whoever reads may not, or is not this reader.
        """
        self._refuse_others(study, reader)
        self.actor.admit(Action.READ_CASES, f"reader study {study.study_id}", at_once=True)
        state = self.state(study)
        mine = state.of(reader)
        if state.is_over or not mine.is_open:
            return None
        planned = study.session(reader, mine.session)[mine.n_answered]
        return NextReading(mine.session, planned.place, planned.case_id, study.aid(planned.case_id, planned.arm))

    def record(self, study: ArmStudy, reader: str, *, session: int, place: int, present: bool, confidence: int, seconds: float) -> bool:
        """Store an answer, durably; False, and nothing is changed, where this is not the case to answer now, or the study is over.

        Args:
            study: the study.
            reader: who answers.
            session: of the case that was shown.
            place: of the case that was shown.
            present: the answer.
            confidence: one of `reader_study.store.CONFIDENCES`.
            seconds: time from showing the case to the answer.

        Raises:
            DpmedError: there is no such confidence.
            NotAllowedError: whoever reads may not, or is not this reader.
        """
        self._require_own(study, reader)
        if confidence not in CONFIDENCES:
            raise DpmedError("Say how confident you are: one of the four.")
        readings = study.session(reader, session)  # before the lock: it takes longer than all that follows
        # One after another: whether this is the case to answer now depends on what another tab or server has stored.
        with self.database.transaction(exclusive=True) as connection:
            state = _state(connection, study)
            mine = state.of(reader)
            if state.is_over or not mine.is_open or (session, place) != (mine.session, mine.n_answered + 1):
                return False
            planned = readings[place - 1]
            key = {"study_id": study.study_id, "reader": study.readers.index(reader), "session": session, "place": place}
            answer = {"case_id": planned.case_id, "arm": planned.arm, "present": present, "confidence": confidence, "seconds": seconds}
            connection.execute(insert(arm_study_answers).values(**key, **answer, answered_at=self.clock()))
        return True

    def end(self, study: ArmStudy, *, name: str, reason: str) -> EarlyEnd:
        """End a study before all is read, for good.

        Raises:
            DpmedError: it is over, or name or reason is missing or too long.
            NotAllowedError: whoever ends it may not.
        """
        self.actor.require(Action.PLAN_READINGS, f"end of reader study {study.study_id}")
        name, reason = self.actor.signs_as(name).strip(), reason.strip()
        if not (0 < len(name) <= LONGEST_WHO and 0 < len(reason) <= LONGEST_REASON):
            raise DpmedError(f"Say who ends the study, in up to {LONGEST_WHO} characters, and why, in up to {LONGEST_REASON:,}.")
        with self.database.transaction(exclusive=True) as connection:
            state = _state(connection, study)
            if state.is_over:
                raise DpmedError("This study is over already.")
            end = EarlyEnd(self.clock(), name, reason, sum(reader.n_in_all for reader in state.readers))
            # As JSON, which holds every character: a database's text takes neither a null character nor half of one.
            said = json.dumps({"by": end.by, "reason": end.reason, "n_answers": end.n_answers})
            connection.execute(insert(arm_study_ends).values(study_id=study.study_id, ended_at=end.at, body=said))
        return end

    def ratings(self, study: ArmStudy) -> pd.DataFrame:
        """Every answer of a study that is over, with `RATING_COLUMNS`, in the order in which each reader read.

        Raises:
            DpmedError: it is not over.
            NotAllowedError: whoever looks may not.
        """
        self.actor.admit(Action.SEE_CASES, f"ratings of reader study {study.study_id}")
        answers = arm_study_answers
        with self.database.transaction() as connection:
            if not _state(connection, study).is_over:
                raise DpmedError("Answers are shown once all readers have read everything, or the study was ended.")
            found = select(answers).where(answers.c.study_id == study.study_id)
            rows = connection.execute(found.order_by(answers.c.reader, answers.c.session, answers.c.place)).mappings().all()
        truth = dict(zip(study.cases, study.with_finding, strict=True))
        given = [
            {**row, "reader": study.readers[row["reader"]], "case": row["case_id"], "truth": int(truth[row["case_id"]])} for row in rows
        ]
        return pd.DataFrame(given, columns=list(RATING_COLUMNS)).assign(present=lambda table: table["present"].astype(int))

    def reading_of(self, fingerprint: str, reader: str) -> ArmStudy | None:
        """The study of a cohort's data that `reader` has begun to read and not read to the end; None where there is none."""
        for study in self.of(fingerprint):
            if reader in study.readers:
                state = self.state(study)
                mine = state.of(reader)
                if not state.is_over and not mine.is_done and (mine.is_open or mine.n_in_all):
                    return study
        return None

    def forget(self, fingerprint: str) -> None:
        """Remove the studies of a cohort's data: answers, labels and scores are data about its patients, and go with them."""
        with self.database.transaction(exclusive=True) as connection:
            of_cohort = select(arm_studies.c.study_id).where(arm_studies.c.fingerprint == fingerprint)
            for table in (arm_study_answers, arm_study_sessions, arm_study_ends):
                connection.execute(delete(table).where(table.c.study_id.in_(of_cohort)))
            connection.execute(delete(arm_studies).where(arm_studies.c.fingerprint == fingerprint))

    def _require_own(self, study: ArmStudy, reader: str) -> None:
        self._refuse_others(study, reader)
        self.actor.require(Action.READ_CASES, f"reader study {study.study_id}")

    def _refuse_others(self, study: ArmStudy, reader: str) -> None:
        """Refuse whoever is no reader of the study, or another one."""
        if reader not in study.readers or (self.actor.name and reader != self.actor.name):
            self.actor.refuse(
                Action.READ_CASES, f"reader study {study.study_id}", "You are not this reader of this study: ask whoever planned it."
            )


def _state(connection: Connection, study: ArmStudy) -> StudyState:
    """How far a study is, as one transaction sees it."""
    answers, sessions = arm_study_answers, arm_study_sessions
    counted = select(answers.c.reader, answers.c.session, func.count(), func.max(answers.c.answered_at))
    counted = counted.where(answers.c.study_id == study.study_id).group_by(answers.c.reader, answers.c.session)
    answered: dict[int, dict[int, Answered]] = defaultdict(dict)
    for reader, session, n, last_at in connection.execute(counted):
        answered[reader][session] = Answered(n, last_at)
    begun: dict[int, set[int]] = defaultdict(set)
    for reader, session in connection.execute(select(sessions.c.reader, sessions.c.session).where(sessions.c.study_id == study.study_id)):
        begun[reader].add(session)
    readers = [reader_progress(study, name, begun[number], answered[number]) for number, name in enumerate(study.readers)]
    end = connection.execute(select(arm_study_ends).where(arm_study_ends.c.study_id == study.study_id)).first()
    return StudyState(tuple(readers), None if end is None else EarlyEnd(at=end.ended_at, **json.loads(end.body)))
