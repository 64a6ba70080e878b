"""The address of this session's page, as Streamlit reports and takes it."""

from collections.abc import Mapping

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from widgets.address.requests import unheard
from widgets.address.state import ENTRY, LINK, Address

DRAWN = "address-drawn"
"""How many addresses had been said when the page was last drawn from its beginning."""


def stated(name: str) -> str | None:
    """What is chosen under `name`; None where nothing is."""
    return _heard().value(name)


def in_address(name: str) -> str | None:
    """What this page's own address says under `name`, whatever was chosen on other pages."""
    return _heard().current.get(name)


def n_said() -> int:
    """How often an address was opened, reloaded or moved to: what changed meanwhile was changed by it, not by a gesture."""
    return _heard().n_said


def gesture(name: str, value: str) -> None:
    """Choose `value`, as a person did: one new entry of the history."""
    try:
        _heard()
    finally:
        # Also where another request ends this run: the person moved the widget, whatever is drawn of it.
        _address().choose(name, value)
    _write(_address())


def shown(name: str, value: str) -> None:
    """Have the address say what the page shows, without a new entry."""
    address = _heard()
    address.show(name, value)
    _write(address)


def go(name: str, value: str | None) -> None:
    """Step to what only the address names, as a person did; None: away from it."""
    address = _heard()
    address.go(name, value)
    _write(address)


def forget(name: str) -> None:
    """Have `name` at its default again, here and on other pages."""
    address = _heard()
    address.forget(name)
    _write(address)


def of_link(choices: Mapping[str, str]) -> dict[str, str]:
    """The `query_params` of a link inside the pages that says `choices`; whatever else is chosen stays."""
    return {**choices, ENTRY: f"{LINK}-{_heard().n_links}"}


def draw_anew_where_said() -> None:
    """Draw the whole page where its address was said while only a part of it is drawn again."""
    context, said = get_script_run_ctx(), n_said()
    if context is not None and context.fragment_ids_this_run:
        if st.session_state.get(DRAWN, said) != said:
            st.rerun()
    else:
        st.session_state[DRAWN] = said


def _address() -> Address:
    address: Address = st.session_state.setdefault("address", Address())
    return address


def _heard() -> Address:
    """The address, after it has heard what the browser reports in this run.

    A run whose page was left goes on until its next step, beside the run of the new page; this is such a step, so that it takes no part.
    """
    address, context = _address(), get_script_run_ctx()
    if context is not None:
        context.yield_check()
        for page, values in unheard(context.session_id):
            address.hear(page, values)
    address.hear(context.page_script_hash if context else "", st.query_params.to_dict())
    return address


def _write(address: Address) -> None:
    # Streamlit may end the run here, because another request came in. The next run then writes what this one could not.
    if (values := address.to_write(_path())) is not None:
        st.query_params.from_dict(values)
        address.written()


def _path() -> str:
    """The page's own part of the address; empty for the first page."""
    context = get_script_run_ctx()
    page = context.pages_manager.get_pages().get(context.page_script_hash) if context else None
    return page.get("url_pathname", "") if page else ""
