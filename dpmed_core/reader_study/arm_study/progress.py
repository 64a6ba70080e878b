"""How far a study is: whose session is open, and when the next one may begin. A function of what is stored and of nothing else."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dpmed_core.reader_study.arm_study.study import ArmStudy

SECONDS_A_DAY = 86_400


class Answered(NamedTuple):
    """Of one session: how many cases were answered, and when the last one was."""

    n: int
    last_at: float


@dataclass(frozen=True)
class ReaderProgress:
    """How far one reader is.

    Attributes:
        reader: the name.
        session: the session that is theirs now, from 1; the last one where all are read.
        n_answered: answers in it.
        n_in_all: answers in all sessions.
        is_open: it has begun, and is not at its end.
        is_done: every session is read.
        opens_at: UTC seconds since the epoch before which it may not begin; 0 for at once.
    """

    reader: str
    session: int
    n_answered: int
    n_in_all: int
    is_open: bool
    is_done: bool
    opens_at: float


@dataclass(frozen=True)
class EarlyEnd:
    """A study that somebody ended before all was read: when, who, why, and how many answers there were."""

    at: float
    by: str
    reason: str
    n_answers: int


@dataclass(frozen=True)
class StudyState:
    """How far a study is.

    Attributes:
        readers: in the study's order.
        ended: where somebody ended it early.
    """

    readers: tuple[ReaderProgress, ...]
    ended: EarlyEnd | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is read: all is, or the study was ended."""
        return self.ended is not None or all(reader.is_done for reader in self.readers)

    def of(self, reader: str) -> ReaderProgress:
        """How far `reader` is."""
        return next(one for one in self.readers if one.reader == reader)


def reader_progress(study: ArmStudy, reader: str, begun: Collection[int], answered: Mapping[int, Answered]) -> ReaderProgress:
    """How far `reader` is.

    Args:
        study: the study.
        reader: a name of it.
        begun: the sessions that this reader began.
        answered: by session.
    """
    n_cases, nothing = len(study.cases), Answered(0, 0.0)
    sessions = range(1, study.n_sessions + 1)
    unread = (number for number in sessions if answered.get(number, nothing).n < n_cases)
    now = next(unread, None)
    session = study.n_sessions if now is None else now
    # From the last answer of the session before, not from its beginning: a session may be read over several days.
    before = answered.get(session - 1, nothing).last_at
    return ReaderProgress(
        reader=reader,
        session=session,
        n_answered=answered.get(session, nothing).n,
        n_in_all=sum(answered.get(number, nothing).n for number in sessions),
        is_open=now is not None and session in begun,
        is_done=now is None,
        opens_at=before + study.wash_out_days * SECONDS_A_DAY if session > 1 else 0.0,
    )


def utc_text(seconds: float) -> str:
    """The minute in which something happened.

    >>> utc_text(1_800_000_000.0), utc_text(1_800_000_059.9)
    ('2027-01-15 08:00 UTC', '2027-01-15 08:00 UTC')
    """
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def utc_text_from(seconds: float) -> str:
    """The first full minute from which something may happen: never before its time.

    >>> utc_text_from(1_800_000_000.0), utc_text_from(1_800_000_001.0)
    ('2027-01-15 08:00 UTC', '2027-01-15 08:01 UTC')
    """
    return utc_text(-(-seconds // 60) * 60)
