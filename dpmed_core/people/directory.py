"""The roles that people were granted here: entries in the database, never changed; the last word on a person and role counts."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Float, Integer, String, Table, Text, insert, select

from dpmed_core.database import Database, metadata
from dpmed_core.errors import NotAllowedError
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.identity import LONGEST_WHO, who_of
from dpmed_core.people.roles import Action, Role

LONGEST_REASON = 2000
KNOWN = frozenset(role.value for role in Role)
ALL_ROLES = ""
"""Stands for every role, those of the provider too, where all are revoked at once."""

role_grants = Table(
    "role_grants",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("who", String(LONGEST_WHO), nullable=False, index=True),
    Column("role", String(20), nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("by", String(LONGEST_WHO), nullable=False),
    Column("reason", Text, nullable=False),
)


@dataclass(frozen=True)
class Grant:
    """One entry.

    Attributes:
        at: UTC seconds since the epoch.
        who: the person.
        role: the role; None for all.
        granted: False where it was revoked.
        by: who said so.
        reason: why; may be blank.
    """

    at: float
    who: str
    role: Role | None
    granted: bool
    by: str
    reason: str


@dataclass(frozen=True)
class Directory:
    """The roles of people in one installation.

    Attributes:
        database: holds them.
        actor: who grants and revokes.
    """

    database: Database
    actor: Actor = ACCOUNT

    def grant(self, who: str, role: Role, *, by: str, reason: str = "") -> None:
        """Give a role.

        Args:
            who: the person.
            role: the role.
            by: who says so; of somebody who signed on, that name counts.
            reason: why.

        Raises:
            NotAllowedError: nobody can be called `who`, or whoever grants may not.
        """
        self._write(who, role.value, granted=True, by=by, reason=reason)

    def revoke(self, who: str, role: Role | None, *, by: str, reason: str = "") -> None:
        """Take a role, whoever gave it, the provider too; or all, until one is granted again; `grant` has the arguments.

        Raises:
            NotAllowedError: nobody can be called `who`, or whoever revokes may not.
        """
        self._write(who, ALL_ROLES if role is None else role.value, granted=False, by=by, reason=reason)

    def roles(self, who: str, claimed: Iterable[Role] = ()) -> frozenset[Role]:
        """The roles of a person now.

        Args:
            who: the person, as `identity_of` names them.
            claimed: what the provider gives them.
        """
        with self.database.transaction() as connection:
            found = select(role_grants.c.role, role_grants.c.granted).where(role_grants.c.who == who).order_by(role_grants.c.seq)
            return _after([(row.role, row.granted) for row in connection.execute(found)], claimed)

    def grants(self) -> list[Grant]:
        """All entries, oldest first; of roles that this version knows.

        Raises:
            NotAllowedError: whoever looks may not.
        """
        self.actor.require(Action.SEE_TRAIL, "people")
        with self.database.transaction() as connection:
            found = connection.execute(select(role_grants).order_by(role_grants.c.seq)).all()
        return [
            Grant(row.at, row.who, None if row.role == ALL_ROLES else Role(row.role), row.granted, row.by, row.reason)
            for row in found
            if row.role == ALL_ROLES or row.role in KNOWN
        ]

    def people(self) -> dict[str, frozenset[Role]]:
        """Everybody of whom there is an entry, with the roles that they have without a provider's."""
        entries = self.grants()
        return {
            who: _after(((g.role or ALL_ROLES, g.granted) for g in entries if g.who == who), ()) for who in sorted({g.who for g in entries})
        }

    def _write(self, who: str, role: str, *, granted: bool, by: str, reason: str) -> None:
        named, why = who_of(who), reason.encode(errors="replace").decode()  # a terminal may give half characters, which no database takes
        if len(why) > LONGEST_REASON:
            raise NotAllowedError(f"There is room for {LONGEST_REASON:,} characters of a reason: write less.")
        self.actor.require(Action.MANAGE_PEOPLE, f"{'grant' if granted else 'revoke'} {role or 'all roles'}: {named}")
        row = {
            "at": time.time(),
            "who": named,
            "role": role,
            "granted": granted,
            "by": self.actor.signs_as(by)[:LONGEST_WHO],
            "reason": why,
        }
        with self.database.transaction() as connection:
            connection.execute(insert(role_grants).values(row))


def _after(entries: Iterable[tuple[str, bool]], claimed: Iterable[Role]) -> frozenset[Role]:
    """What somebody has whom a provider gives `claimed`, after the entries about them, oldest first."""
    roles = set(claimed)
    for name, granted in entries:
        if name == ALL_ROLES:
            roles.clear()
        elif name in KNOWN:  # not one of a later version
            (roles.add if granted else roles.discard)(Role(name))
    return frozenset(roles)
