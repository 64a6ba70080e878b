"""Before somebody has signed on, and the line that says who has."""

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st

from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import plain
from dpmed_core.people.actor import Actor
from dpmed_core.people.roles import Action, Role
from dpmed_core.settings import load_settings
from widgets.lookup import installation
from widgets.signing_on import has_signed_on, is_required

PAGES: Mapping[str, Action] = {
    "import": Action.IMPORT,
    "train": Action.SEE_RUNS,
    "cases": Action.SEE_CASES,
    "status": Action.SEE_OPERATIONS,
    "people": Action.SEE_TRAIL,
}
"""What must be allowed to open a page, by its address; to see results for all others."""


def signing_on_is_required() -> bool:
    """Whether people must sign on here."""
    return is_required(load_settings())


def must_sign_on() -> bool:
    """Whether somebody must sign on in this session first."""
    return signing_on_is_required() and not has_signed_on()


def show_sign_on() -> None:
    """The page of somebody who has not signed on: no word about what is stored here."""
    st.title("DPMed")
    st.markdown("Sign on to see and do here what your role allows.")
    st.button("Sign on", icon=":material/login:", on_click=st.login, key="sign-on")


def may(action: Action) -> bool:
    """Whether whoever looks may do `action`: what nobody may is not offered."""
    return installation().actor.may(action)


def name_input(label: str, *, key: str | None = None, about: str | None = None) -> str:
    """The name under which something is recorded: typed, or that of the person who signed on."""
    if name := installation().actor.name:
        st.markdown(f"{plain(label)}: **{plain(name)}**")
        return name
    return st.text_input(plain(label), key=key, help=plain(about) if about else None).strip()


def action_of_page(path: str) -> Action:
    """What must be allowed to open the page at `path`."""
    return PAGES.get(path, Action.SEE_RESULTS)


def show_identity() -> None:
    """In the sidebar: who signed on, with which roles, and the way out."""
    if not signing_on_is_required():
        return
    with st.sidebar, st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with suppress(DpmedError):  # somebody whom the provider does not name, or who is to sign on again, can sign out too
            st.caption(plain(_in_words(installation().actor)), width="content")
        st.button("Sign out", icon=":material/logout:", type="tertiary", on_click=sign_out, key="sign-out")


def sign_out() -> None:
    """End every sign-on of this person up to now, in other tabs and browsers too, then this browser's at the provider."""
    with suppress(DpmedError):
        installation().actor.sign_out()
    st.logout()


def _in_words(actor: Actor) -> str:
    roles = ", ".join(role.value for role in Role if role in actor.roles())
    return f"Signed on as {actor.name} ({roles or 'no role'})."
