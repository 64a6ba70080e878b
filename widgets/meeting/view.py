"""How the page Meeting is shown: as a page, or to a room by a presenter; a choice, so that an address opens it."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import streamlit as st

from widgets.address.session import gesture, shown
from widgets.browser_programs import LOADER
from widgets.browser_programs import PRESENTER as PROGRAM
from widgets.choices import choice
from widgets.lookup import reported

PAGE, PRESENTER, LIMITS = VIEWS = ("page", "presenter", "limits")
"""The page; for a room, the map or one finding of it; for a room, what the numbers rest on."""
MOUNTED, SEEN = "presenter", "presenter-seen"
"""Keys in the session's state: of the presenter's keys, and of the last one that the page has taken over."""
HTML = '<div class="dpmed-presenter"><button type="button" class="dpmed-presenter-end" aria-label="End presenting">✕</button></div>'
"""With a way out for who has no keys, on a touch screen."""
STYLE = Path(__file__).parent / "presenter.css"
KEYS = "Keys: ← → move ε, ↓ ↑ go through findings to what the numbers rest on, Esc or ✕ ends."


def choose_view(findings: Sequence[str], finding: str | None) -> str:
    """The chosen one of `VIEWS`; on the page with a button that begins presenting, for a room with keys.

    Args:
        findings: that up and down go through, the mean over them first.
        finding: the chosen one.
    """
    return choice("view", "View", VIEWS, widget=partial(view_control, findings=findings, finding=finding)) or PAGE


def view_control(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    value: str | None = None,
    on_change: Callable[..., None],
    args: Sequence[Any] = (),
    format_func: Callable[[str], str] = str,
    findings: Sequence[str],
    finding: str | None,
) -> str | None:
    """The chosen view; a widget for `widgets.choices.choice`.

    Args:
        label: unused; so is `format_func`.
        options: `VIEWS`.
        key: of the session's state that holds the chosen one.
        value: what it holds at first.
        on_change: called with `args` after another one was chosen.
        args: of `on_change`.
        format_func: unused.
        findings: as `choose_view` has them.
        finding: the chosen one.
    """
    del label, format_func
    # Set here, and no widget's, as the axis of budgets is.
    view = st.session_state.setdefault(key, value)

    def choose(wanted: str) -> None:
        st.session_state[key] = wanted
        on_change(*args)

    if view not in (PRESENTER, LIMITS):
        st.button("Present", icon=":material/co_present:", help=KEYS, on_click=choose, args=(PRESENTER,), key="present", width="stretch")
        return view if view in options else None
    at = len(findings) if view == LIMITS else findings.index(finding) if finding in findings else 0
    data = {"program": PROGRAM.address, "stops": len(findings) + 1, "at": at, "seen": st.session_state.get(SEEN, 0)}
    _component()(key=MOUNTED, data=data, on_key_change=partial(_take_over, view, findings, choose))
    return view


def _take_over(view: str, findings: Sequence[str], choose: Callable[[str], None]) -> None:
    """Do what a key does; it comes from the browser, so that only places that there are are gone to."""
    pressed = reported(MOUNTED, "key")
    if not isinstance(pressed, dict):
        return
    if isinstance(number := pressed.get("number"), int | float):
        st.session_state[SEEN] = number
    at = pressed.get("at")
    if pressed.get("ends") is True:
        choose(PAGE)
    elif not isinstance(at, int) or not 0 <= at <= len(findings):
        return
    elif at == len(findings):
        choose(LIMITS)
    elif view == LIMITS:
        shown("finding", findings[at])  # one key is one entry of the history
        choose(PRESENTER)
    else:
        gesture("finding", findings[at])


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


@st.cache_resource
def _component() -> Callable[..., object]:
    return st.components.v2.component("dpmed-presenter", html=HTML, css=_style(), js=LOADER, isolate_styles=False)
