"""Who signed on, from the claims of an OpenID Connect provider. Source: OpenID Connect Core 1.0, sections 2 and 5.1."""

import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpmed_core.errors import NotAllowedError
from dpmed_core.people.roles import Role, as_role

LONGEST_WHO = 200


@dataclass(frozen=True)
class Identity:
    """A person as the provider knows them.

    Attributes:
        who: what names them here, such as an e-mail address.
        claimed: the roles that the provider gives them.
        signed_on_at: UTC seconds since the epoch at which the provider said so; 0 where it does not say.
    """

    who: str
    claimed: frozenset[Role]
    signed_on_at: float


def identity_of(claims: Mapping[str, Any], *, identity_claim: str, role_claim: str | None) -> Identity:
    """The person whom `claims` are about.

    Args:
        claims: of an ID token that was verified.
        identity_claim: the claim that names people, one that the provider gives to nobody else and nobody can choose.
        role_claim: the claim that lists roles; None where the provider gives none.

    Raises:
        NotAllowedError: the claim is missing, or an e-mail address that the provider has not verified.
    """
    # Not every provider says whether an address is verified; whatever it says but "true" means that it is not.
    if identity_claim == "email" and str(claims.get("email_verified", True)).casefold() != "true":
        raise NotAllowedError("Your provider has not verified your e-mail address: verify it there, then sign on again.")
    said = claims.get(identity_claim)
    if not isinstance(said, str) or not said.strip():
        raise NotAllowedError(f"Your provider did not say who you are: its claim {identity_claim} is missing. Tell an administrator.")
    return Identity(who_of(said), _roles(claims.get(role_claim) if role_claim else None), _seconds(claims))


def who_of(text: str) -> str:
    """The one form in which somebody is named: an address in small letters, any other name letter by letter as it is.

    Raises:
        NotAllowedError: nobody can be called so.
    """
    who = unicodedata.normalize("NFC", text).strip()
    who = who.lower() if "@" in who else who
    if not who or len(who) > LONGEST_WHO or not who.isprintable():
        raise NotAllowedError(f"A person is named by 1 to {LONGEST_WHO} characters in one line, such as an e-mail address.")
    return who


def _roles(said: object) -> frozenset[Role]:
    """The roles in a claim, a text or a list of texts; what names none is passed over, since providers list other groups there too."""
    names = said.split(",") if isinstance(said, str) else said if isinstance(said, list | tuple) else ()
    return frozenset(role for name in names if isinstance(name, str) and (role := as_role(name)) is not None)


def _seconds(claims: Mapping[str, Any]) -> float:
    # The time of the token, not of the sign-on at the provider (auth_time), whose own session may be days old.
    said = claims.get("iat")
    if isinstance(said, bool) or not isinstance(said, int | float):
        return 0.0
    return float(said) if abs(said) < sys.float_info.max else 0.0
