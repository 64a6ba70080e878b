"""The access of somebody who signed on: roles from the directory at each act, and everything into the trail."""

import time
from collections.abc import Callable, MutableSet
from dataclasses import dataclass, field

from dpmed_core.errors import NotAllowedError
from dpmed_core.people.actor import Actor
from dpmed_core.people.directory import Directory
from dpmed_core.people.identity import Identity
from dpmed_core.people.roles import Action, Role
from dpmed_core.people.trail import Trail

FUTURE_SECONDS = 300.0
"""How far the provider's clock may be ahead."""
EXPIRED = "Your sign-on is over: sign out, and sign on again."
NO_ROLE = "You are signed on as {}, who has no role here: ask an administrator for one."


@dataclass
class SignedOn:
    """What decides for one person, for as long as one page is drawn.

    Attributes:
        identity: who they are.
        directory: their roles.
        trail: takes what they do.
        longest_seconds: for how long a sign-on holds.
        seen: what they looked at in this session, which is recorded once; shared by all its pages.
        clock: UTC seconds since the epoch.
    """

    identity: Identity
    directory: Directory
    trail: Trail
    longest_seconds: float
    seen: MutableSet[tuple[str, str, bool]]
    clock: Callable[[], float] = time.time
    _roles: frozenset[Role] | None = field(default=None, init=False)

    def roles(self, *, at_once: bool) -> frozenset[Role]:
        """The person's roles; `Access.roles` has the arguments and errors."""
        age = self.clock() - self.identity.signed_on_at
        if not -FUTURE_SECONDS <= age <= self.longest_seconds:
            raise NotAllowedError(EXPIRED)
        if at_once or self._roles is None:
            # A provider counts whole seconds.
            if self.trail.signed_out_at(self.identity.who) >= self.identity.signed_on_at + 1:
                raise NotAllowedError(EXPIRED)
            self._roles = self.directory.roles(self.identity.who, self.identity.claimed)
        if not self._roles:
            raise NotAllowedError(NO_ROLE.format(self.identity.who))
        return self._roles

    def sign_out(self) -> None:
        """End every sign-on up to now; this one's roles are asked for again."""
        self.trail.record_sign_out(self.identity.who)
        self._roles = None

    def record(self, action: Action, about: str, *, allowed: bool) -> None:
        """Write down what was done or refused; what is looked at, once a session."""
        entry = (action.value, about, allowed)
        if action.is_looking and entry in self.seen:
            return
        self.trail.record(self.identity.who, action, about, allowed=allowed)
        if action.is_looking:
            self.seen.add(entry)


def actor_of(access: SignedOn) -> Actor:
    """The person as the stores know them."""
    return Actor(access.identity.who, access)
