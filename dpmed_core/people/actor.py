"""Who acts, as a value that every store carries: asked before anything is seen or done, and refusing what the person may not."""

from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from dpmed_core.errors import NotAllowedError
from dpmed_core.people.roles import ALLOWED, Action, Role, may


class Access(Protocol):
    """What decides for one person, and remembers what they did."""

    def roles(self, *, at_once: bool) -> frozenset[Role]:
        """The person's roles.

        Args:
            at_once: as they stand now; otherwise as they stood when the page began to be drawn.

        Raises:
            NotAllowedError: the person must sign on again, or has no role.
        """

    def record(self, action: Action, about: str, *, allowed: bool) -> None:
        """Write down what was done, seen or refused."""

    def sign_out(self) -> None:
        """End every sign-on up to now."""


@dataclass(frozen=True)
class Actor:
    """Who acts.

    Attributes:
        name: under which the trail, the ledger and reviews know the person; empty for whoever works under the account of DPMed itself:
            the engine, the command line, and the one user of a dashboard without sign-on.
        access: decides; None for the account itself, which may do everything.
    """

    name: str = ""
    access: Access | None = field(default=None, repr=False, compare=False)

    def require(self, action: Action, about: str = "", *, at_once: bool = False) -> None:
        """Allow `action`, and have it recorded; or refuse.

        Args:
            action: what is to be seen or done.
            about: the cohort, run, review or case's link that it is about; never a patient's identifier.
            at_once: as of `admit`; whatever changes something is asked so.

        Raises:
            NotAllowedError: the person's roles do not allow it.
        """
        self.admit(action, about, at_once=at_once or not action.is_looking)
        if self.access is not None:
            self.access.record(action, about, allowed=True)

    def admit(self, action: Action, about: str = "", *, at_once: bool = False) -> None:
        """As `require`, for what goes on and on, such as a page that renews itself: only a refusal is recorded.

        Args:
            action: what is to be seen or done.
            about: as of `require`.
            at_once: by the roles as they stand now, not as they stood when the page began to be drawn.

        Raises:
            NotAllowedError: the person's roles do not allow it.
        """
        if self.access is None:
            return
        try:
            allowed = may(self.access.roles(at_once=at_once), action)
        except NotAllowedError as error:
            self.refuse(action, about, str(error))
        if not allowed:
            self.refuse(action, about, f"You may not {action.value}: that needs {_in_words(action)}, which an administrator can grant.")

    def refuse(self, action: Action, about: str, why: str) -> NoReturn:
        """Record that `action` was refused, and refuse it.

        Raises:
            NotAllowedError: always, with `why`.
        """
        if self.access is not None:
            self.access.record(action, about, allowed=False)
        raise NotAllowedError(why)

    def may(self, action: Action) -> bool:
        """Whether `action` would be allowed, for pages that offer it; nothing is recorded."""
        return may(self.roles(), action)

    def roles(self) -> frozenset[Role]:
        """The roles; all for the account itself, none for somebody who must sign on again."""
        try:
            return frozenset(Role) if self.access is None else self.access.roles(at_once=False)
        except NotAllowedError:
            return frozenset()

    def sign_out(self) -> None:
        """End every sign-on of this person up to now, wherever a page is open."""
        if self.access is not None:
            self.access.sign_out()

    def signs_as(self, given: str) -> str:
        """The name under which something is recorded: the person's own where they signed on, else the one that was `given`."""
        return self.name or given


ACCOUNT = Actor()
"""Whoever works under the account of DPMed, which owns all files: nothing in a program could keep anything from it."""


def _in_words(action: Action) -> str:
    return "role " + " or ".join(role.value for role in Role if role in ALLOWED[action])
