"""`people`: who may do what here, and who did."""

import getpass
import time
from collections.abc import Iterable
from dataclasses import asdict

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.errors import NotAllowedError
from dpmed_core.foreign_text import plain_line
from dpmed_core.installation import Installation
from dpmed_core.people.directory import Grant
from dpmed_core.people.identity import who_of
from dpmed_core.people.roles import ALLOWED, Role, as_role

MOST_ACTS = 100


@click.group()
def people() -> None:
    """Roles of people who sign on: list, grant, revoke; what each role may do; the trail of who did what.

    WHO is what the provider's claim DPMED_IDENTITY_CLAIM says, such as an e-mail address.
    """


@people.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Everybody who was granted a role, or from whom one was taken, with the roles that they have now.

    Roles that the provider gives (DPMED_ROLE_CLAIM) come to these, unless they were revoked here.
    """
    directory = Installation.open().directory
    found, grants = directory.people(), directory.grants()
    documents = [
        {"who": who, "roles": _names(roles), "entries": [_fields(g) for g in grants if g.who == who]} for who, roles in found.items()
    ]
    lines = [plain_line(f"{who}: {', '.join(_names(roles)) or 'no role'}") for who, roles in found.items()]
    say({"people": documents}, "\n".join(lines) or "Nobody has a role yet: grant one with `people grant`.", as_json=as_json)


@people.command("roles")
@json_option
def roles_command(as_json: bool) -> None:
    """What each role may see and do."""
    rows = [{"action": action.value, "roles": _names(allowed)} for action, allowed in ALLOWED.items()]
    say({"actions": rows}, "\n".join(f"{row['action']}: {', '.join(row['roles'])}" for row in rows), as_json=as_json)


@people.command("grant")
@click.argument("who")
@click.argument("role")
@click.option("--reason", default="", help="Why.")
@json_option
def grant_command(who: str, role: str, reason: str, as_json: bool) -> None:
    """Give WHO the ROLE: viewer, reader, researcher, "privacy officer" or administrator."""
    directory = Installation.open().directory
    directory.grant(who, _role(role), by=_operator(), reason=reason)
    _say_one(who, as_json=as_json)


@people.command("revoke")
@click.argument("who")
@click.argument("role", required=False)
@click.option("--reason", default="", help="Why.")
@json_option
def revoke_command(who: str, role: str | None, reason: str, as_json: bool) -> None:
    """Take the ROLE from WHO, or all of them, the provider's too; it holds from the next thing on that they do."""
    directory = Installation.open().directory
    directory.revoke(who, None if role is None else _role(role), by=_operator(), reason=reason)
    _say_one(who, as_json=as_json)


@people.command("trail")
@click.option("--who", help="Of this person alone.")
@click.option("--most", type=click.IntRange(1, 100_000), default=MOST_ACTS, show_default=True, help="How many of the last.")
@json_option
def trail_command(who: str | None, most: int, as_json: bool) -> None:
    """Who saw or did what on pages, and what was refused; the last first. Looking is recorded once a session."""
    found = Installation.open().trail.last(most, who=who_of(who) if who else None)
    lines = [
        plain_line(
            f"{_when(act.at)}  {act.who}: {'' if act.allowed else 'REFUSED to '}{act.action}" + (f" ({act.about})" if act.about else "")
        )
        for act in found
    ]
    say({"trail": [asdict(act) for act in found]}, "\n".join(lines) or "Nothing was recorded yet.", as_json=as_json)


def _say_one(who: str, *, as_json: bool) -> None:
    roles = _names(Installation.open().directory.roles(who_of(who)))
    told = f"{who_of(who)} has: {', '.join(roles) or 'no role'}."
    say({"who": who_of(who), "roles": roles}, plain_line(told), as_json=as_json)


def _role(text: str) -> Role:
    if (role := as_role(text)) is None:
        raise NotAllowedError(f"There is no role {text[:40]!r}: choose from {', '.join(role.value for role in Role)}.")
    return role


def _names(roles: Iterable[Role]) -> list[str]:
    held = frozenset(roles)
    return [role.value for role in Role if role in held]


def _operator() -> str:
    """Who works at the command line, as the machine knows them."""
    try:
        return f"{getpass.getuser()} at the command line"
    except (OSError, KeyError):
        return "the command line"


def _fields(entry: Grant) -> dict[str, object]:
    return {**asdict(entry), "role": "all" if entry.role is None else entry.role.value}


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
