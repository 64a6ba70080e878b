"""What stands in the record of a review: one entry after another, none ever changed.

Kinds of records, with what their bodies hold beside the name and role of who wrote:

    opened     digest of what was frozen, the question, which roles must speak before it is closed
    comment    what it is about, and the words
    answer     an item of the checklist, whether it is met, and the words
    verdict    approve, approve with conditions or reject, the reason, the conditions
    closed     the outcome, what had changed since the review was opened, and the words
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dpmed_core.errors import ReviewError

OPENED, COMMENT, ANSWER, VERDICT, CLOSED = "opened", "comment", "answer", "verdict", "closed"
LONGEST_TEXT = 10_000
"""Characters that any input takes."""


class Role(StrEnum):
    """For whom somebody speaks in a review."""

    CLINICIAN = "clinician"
    RESEARCHER = "researcher"
    PRIVACY_OFFICER = "privacy officer"
    IT = "IT"
    PATIENT_REPRESENTATIVE = "patient representative"
    ETHICS_COMMITTEE = "ethics committee"
    MANAGEMENT = "management"


class Choice(StrEnum):
    """What somebody decides."""

    APPROVE = "approve"
    WITH_CONDITIONS = "approve with conditions"
    REJECT = "reject"


class Met(StrEnum):
    """What an answer says of an item of the checklist."""

    MET = "met"
    NOT_MET = "not met"
    NOT_APPLICABLE = "not applicable"


class Kind(StrEnum):
    """What a comment is about."""

    WHOLE = "whole"
    FIGURE = "figure"
    GROUP = "group"
    CASE = "case"


@dataclass(frozen=True)
class About:
    """What a comment is about.

    Attributes:
        kind: the whole, a figure, a group or a case.
        name: which: a figure of the catalogue, `ATTRIBUTE=GROUP`, a case_id; empty for the whole.
        finding: of which finding; empty for all.
    """

    kind: Kind = Kind.WHOLE
    name: str = ""
    finding: str = ""


@dataclass(frozen=True)
class Author:
    """Who writes.

    Attributes:
        name: a name or pseudonym.
        role: for whom they speak.
        signed_on: the name is that of a sign-on; otherwise it is what somebody said.
    """

    name: str
    role: Role
    signed_on: bool = False

    def to_fields(self) -> dict[str, object]:
        """The author as plain values."""
        told: dict[str, object] = {"name": required(self.name, "a name"), "role": self.role.value}
        return {**told, "signed_on": True} if self.signed_on else told


@dataclass(frozen=True)
class Record:
    """One entry of a review's record.

    Attributes:
        seq: its place, from 1; the review's version once it stands there.
        at: UTC seconds since the epoch.
        kind: as above.
        body: what it says, as JSON values.
        digest: its seal: a keyed hash of all of this and of the seal before it.
        words: of a comment on a case, whose digest the body holds; None of any other record, and where they were forgotten.
    """

    seq: int
    at: float
    kind: str
    body: Mapping[str, Any]
    digest: str
    words: str | None = None

    @property
    def author(self) -> tuple[str, str]:
        """Name and role of who wrote it."""
        return str(self.body["name"]), str(self.body["role"])

    @property
    def signed_on(self) -> bool:
        """Whether the name is that of a sign-on."""
        return self.body.get("signed_on") is True

    def to_fields(self) -> dict[str, object]:
        """The record as plain values for JSON."""
        said = {} if self.words is None else {"text": self.words}
        return {"seq": self.seq, "at": self.at, "kind": self.kind, **self.body, **said, "seal": self.digest}


def required(text: str, what: str) -> str:
    """`text` as it was written, but for white space around it.

    Raises:
        ReviewError: it is blank, or longer than `LONGEST_TEXT`.
    """
    if not (stripped := text.strip()):
        raise ReviewError(f"Say {what}: without it nothing is recorded.")
    return checked_length(stripped, what)


def checked_length(text: str, what: str) -> str:
    """`text`, which may be blank.

    Raises:
        ReviewError: it is longer than `LONGEST_TEXT`.
    """
    if len(text) > LONGEST_TEXT:
        raise ReviewError(f"There is room for {LONGEST_TEXT:,} characters, and {what} has {len(text):,}: write less.")
    return text
