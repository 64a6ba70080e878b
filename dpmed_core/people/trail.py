"""The trail: who saw or did what, and what was refused; entries are added and never changed."""

import time
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Float, Integer, String, Table, func, insert, select

from dpmed_core.database import Database, metadata
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.identity import LONGEST_WHO
from dpmed_core.people.roles import Action

LONGEST_ABOUT = 200
SIGN_OUT = "sign out"
"""An act that everybody may do."""

trail_entries = Table(
    "trail_entries",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("who", String(LONGEST_WHO), nullable=False, index=True),
    Column("action", String(60), nullable=False),
    Column("about", String(LONGEST_ABOUT), nullable=False),
    Column("allowed", Boolean, nullable=False),
)


@dataclass(frozen=True)
class Act:
    """One entry.

    Attributes:
        at: UTC seconds since the epoch.
        who: the person, as they signed on.
        action: value of an `Action`, or `SIGN_OUT`.
        about: the cohort, run, review or case's link that it was about.
        allowed: False where it was refused.
    """

    at: float
    who: str
    action: str
    about: str
    allowed: bool


@dataclass(frozen=True)
class Trail:
    """The trail of one installation.

    Attributes:
        database: holds it.
        actor: who looks at it.
    """

    database: Database
    actor: Actor = ACCOUNT

    def record(self, who: str, action: Action, about: str, *, allowed: bool) -> None:
        """Add an entry, durably."""
        self._write(who, action.value, about, allowed=allowed)

    def record_sign_out(self, who: str) -> None:
        """Add an entry that somebody signed out, which ends their sign-ons up to now."""
        self._write(who, SIGN_OUT, "", allowed=True)

    def signed_out_at(self, who: str) -> float:
        """When somebody signed out last, in UTC seconds since the epoch; 0 where they never did."""
        found = select(func.max(trail_entries.c.at)).where(trail_entries.c.who == who, trail_entries.c.action == SIGN_OUT)
        with self.database.transaction() as connection:
            return float(connection.execute(found).scalar() or 0.0)

    def last(self, most: int, *, who: str | None = None) -> list[Act]:
        """The last entries, newest first.

        Args:
            most: how many at most.
            who: of this person alone.

        Raises:
            NotAllowedError: whoever looks may not.
        """
        self.actor.require(Action.SEE_TRAIL)
        found = select(trail_entries).order_by(trail_entries.c.seq.desc()).limit(most)
        if who is not None:
            found = found.where(trail_entries.c.who == who)
        with self.database.transaction() as connection:
            return [Act(row.at, row.who, row.action, row.about, row.allowed) for row in connection.execute(found)]

    def _write(self, who: str, action: str, about: str, *, allowed: bool) -> None:
        row = {"at": time.time(), "who": who, "action": action, "about": about[:LONGEST_ABOUT], "allowed": allowed}
        with self.database.transaction() as connection:
            connection.execute(insert(trail_entries).values(row))
