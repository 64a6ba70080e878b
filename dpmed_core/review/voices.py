"""For whom somebody who signed on may speak in reviews, by their roles in the installation."""

from collections.abc import Collection, Mapping

from dpmed_core.people.actor import Actor
from dpmed_core.people.roles import Action
from dpmed_core.people.roles import Role as OwnRole
from dpmed_core.review.records import Author, Role

VOICES: Mapping[OwnRole, tuple[Role, ...]] = {
    # Whoever sees results alone speaks for those who judge them from outside.
    OwnRole.VIEWER: (Role.PATIENT_REPRESENTATIVE, Role.ETHICS_COMMITTEE, Role.MANAGEMENT),
    OwnRole.READER: (Role.CLINICIAN,),
    OwnRole.RESEARCHER: (Role.RESEARCHER,),
    OwnRole.PRIVACY_OFFICER: (Role.PRIVACY_OFFICER,),
    OwnRole.ADMINISTRATOR: (Role.IT,),
}


def voices_of(roles: Collection[OwnRole]) -> list[Role]:
    """The roles in a review for which somebody with `roles` in the installation may speak."""
    spoken = {voice for role in roles for voice in VOICES[role]}
    return [role for role in Role if role in spoken]


def signed(author: Author, actor: Actor) -> Author:
    """`author` as it is recorded: under the name that `actor` signed on with, and for a role that they have.

    Raises:
        NotAllowedError: they may not speak for that role.
    """
    if not actor.name:
        return author
    actor.admit(Action.JOIN_REVIEWS, at_once=True)  # by the roles as they stand now: one may have been taken away since
    if author.role not in (voices := voices_of(actor.roles())):
        told = " or ".join(role.value for role in voices) or "nobody"
        actor.refuse(
            Action.JOIN_REVIEWS,
            f"as {author.role.value}",
            f"You may not speak for {author.role.value}: your roles let you speak for {told}.",
        )
    return Author(actor.name, author.role, signed_on=True)


def refuse_other_names(body: Mapping[str, object], actor: Actor) -> None:
    """Refuse a record that is not signed by whoever writes it, or for a role that they do not have.

    Raises:
        NotAllowedError: says so.
    """
    if not actor.name:
        return
    actor.admit(Action.JOIN_REVIEWS, at_once=True)
    own = {"name": actor.name, "signed_on": True}
    if {name: body.get(name) for name in own} != own or body.get("role") not in {voice.value for voice in voices_of(actor.roles())}:
        actor.refuse(Action.JOIN_REVIEWS, "under another name or role", "A record is signed by whoever writes it, for a role of theirs.")
