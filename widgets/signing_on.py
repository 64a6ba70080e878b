"""Whether people must sign on, by which providers, and who somebody is who did: the one place that reads `st.user`."""

import json
from collections.abc import Mapping, MutableSet
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.auth_util import get_cookie_with_chunks, get_secrets_auth_section
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from dpmed_core.errors import NotAllowedError, SettingsError
from dpmed_core.installation import Installation
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.identity import identity_of
from dpmed_core.people.signed_on import SignedOn, actor_of
from dpmed_core.settings import Settings

NOT_CONFIGURED = (
    "People are to sign on, and Streamlit's secrets name no provider directly under [auth], or several: write one into "
    ".streamlit/secrets.toml (docs/people.md). Of two providers, one could give somebody another one's name."
)
DRAWN, SEEN = "people-drawn", "people-seen"
"""Keys of the session's state: who acts while this page is drawn, and what they have looked at."""


@dataclass(frozen=True)
class _Drawn:
    """Who acts during one run of a page or a part of it.

    Attributes:
        run: what Streamlit makes anew for each run.
        claims: of the person.
        actor: with the roles as they stood when the run began.
    """

    run: object
    claims: Mapping[str, Any]
    actor: Actor


@st.cache_resource(show_spinner=False)
def is_required(_settings: Settings) -> bool:
    """Whether people must sign on: the settings say so, or a provider is configured; as it was when the server started."""
    return _settings.sign_on or bool(get_secrets_auth_section())


def refuse_without_provider(settings: Settings) -> None:
    """Refuse to start where people must sign on and cannot, or at several providers.

    Raises:
        SettingsError: there is not one provider.
    """
    section = get_secrets_auth_section()
    several = any(isinstance(value, Mapping) and "client_id" in value for value in section.values())
    if (settings.sign_on or section) and ("client_id" not in section or several):
        raise SettingsError(NOT_CONFIGURED)


def has_signed_on() -> bool:
    """Whether the browser of this session shows that somebody signed on; of a forged or expired cookie nothing is left here."""
    return bool(st.user.get("is_logged_in", False))


def shows_sign_on(cookies: Mapping[str, str]) -> bool:
    """Whether the cookies of a request, of no session yet, hold one that this server signed for somebody who signed on."""

    def genuine(name: str) -> bytes | None:
        signed = cookies.get(name)
        return None if signed is None else decode_signed_value(get_cookie_secret(), name, signed.encode("latin-1"))

    try:
        found = get_cookie_with_chunks(genuine, USER_COOKIE_NAME)
        return bool(found and json.loads(found).get("is_logged_in"))
    except (ValueError, AttributeError):
        return False


def actor_in(installation: Installation) -> Actor:
    """Who acts in this session; the account itself where nobody needs to sign on, and outside of sessions, where the server works.

    Raises:
        NotAllowedError: nobody has signed on, or the provider does not say who it is.
    """
    context = get_script_run_ctx(suppress_warning=True)  # the server works outside of sessions too
    if context is None or not is_required(installation.settings):
        return ACCOUNT
    if not has_signed_on():
        raise NotAllowedError("Sign on first.")
    claims = st.user.to_dict()
    drawn: _Drawn | None = st.session_state.get(DRAWN)
    if drawn is None or drawn.run is not context.cursors or drawn.claims != claims:
        drawn = _Drawn(context.cursors, claims, _actor(installation, claims))
        st.session_state[DRAWN] = drawn
    return drawn.actor


def _actor(installation: Installation, claims: Mapping[str, Any]) -> Actor:
    settings = installation.settings
    identity = identity_of(claims, identity_claim=settings.identity_claim, role_claim=settings.role_claim)
    seen: MutableSet[tuple[str, str, bool]] = st.session_state.setdefault(SEEN, set())
    return actor_of(SignedOn(identity, installation.directory, installation.trail, settings.sign_on_hours * 3600, seen))
