"""What the verdicts of a review come to: who must have spoken, what counts, the outcome.

One person speaks for one role, and their last verdict counts; earlier ones stay in the record. The review can be closed with an outcome
once each role of the quorum has spoken as often as it must. One rejection rejects; otherwise one condition makes the approval one with
conditions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dpmed_core.errors import ReviewError
from dpmed_core.review.records import VERDICT, Choice, Record, Role
from dpmed_core.review.store import Review

QUORUM = {Role.CLINICIAN: 1, Role.RESEARCHER: 1, Role.PRIVACY_OFFICER: 1, Role.IT: 1}
"""Who must have spoken unless the review says otherwise."""
APPROVED, CONDITIONALLY, REJECTED, NONE = "approved", "approved with conditions", "rejected", "no decision"


@dataclass(frozen=True)
class Decision:
    """The verdicts that count.

    Attributes:
        verdicts: the last of each person, oldest first.
        missing: how many verdicts of which role are still needed.
        conditions: of all approvals with conditions.
    """

    verdicts: tuple[Record, ...]
    missing: Mapping[Role, int]
    conditions: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What they come to; no decision while a role is missing."""
        choices = {record.body["choice"] for record in self.verdicts}
        if self.missing or not choices:
            return NONE
        if Choice.REJECT.value in choices:
            return REJECTED
        return CONDITIONALLY if Choice.WITH_CONDITIONS.value in choices else APPROVED

    def missing_in_words(self) -> str:
        """Which verdicts are still needed."""
        return ", ".join(f"{number} of {role.value}" for role, number in self.missing.items())


def decision(review: Review) -> Decision:
    """The decision as it stands."""
    last = {record.author: record for record in review.of_kind(VERDICT)}
    spoken = Counter(Role(role) for _, role in last)
    quorum = review.records[0].body["quorum"]
    needed = {role: int(quorum[role.value]) for role in Role if role.value in quorum}
    missing = {role: number - spoken[role] for role, number in needed.items() if spoken[role] < number}
    counted = tuple(sorted(last.values(), key=lambda record: record.seq))
    return Decision(counted, missing, tuple(str(record.body["conditions"]) for record in counted if record.body["conditions"]))


def outcome_of(review: Review) -> str:
    """The outcome with which a review was closed, or what its verdicts come to so far."""
    return str(review.closed.body["outcome"]) if review.closed else decision(review).outcome


def parse_quorum(text: str) -> dict[Role, int]:
    """The quorum that `text` names: roles, comma-separated, each with a number after a colon where it is not 1.

    >>> parse_quorum("clinician:2, privacy officer")
    {<Role.CLINICIAN: 'clinician'>: 2, <Role.PRIVACY_OFFICER: 'privacy officer'>: 1}

    Raises:
        ReviewError: a role or a number cannot be used.
    """
    found: dict[Role, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition(":")
        if name.strip() not in set(Role) or not (number or "1").strip().isdecimal() or not 0 < int(number or 1) <= 99:
            raise ReviewError(f"{part[:60]!r} is no role of a quorum: write clinician:2,IT for example. Roles: {', '.join(Role)}.")
        found[Role(name.strip())] = int(number or 1)
    if not found:
        raise ReviewError(f"A review needs at least one role that must speak: {', '.join(Role)}.")
    return found
