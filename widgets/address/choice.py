"""A choice of a page: a widget, its name in the address, and what becomes of a value that does not exist."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from dpmed_core.foreign_text import LONGEST_NAME, plain
from widgets.address.session import draw_anew_where_said, gesture, shown, stated

PLAIN_OPTIONS = (st.selectbox, st.select_slider)
"""Widgets that show their options as they are; all others read them as Markdown."""

MOUNTED = "mounted-"
MOST_REPLACED = 50
"""Replaced widgets whose values are remembered."""
STYLE = Path(__file__).parent / "choice.css"


@dataclass
class Mounted:
    """A widget as it stands on the page.

    A widget that a gesture did not move is never given another value: another widget takes its place, which begins there. To set it,
    Streamlit sends one message, which the next can overtake; the browser then keeps a value that nobody chose, and reports it as chosen.

    Attributes:
        key: of the widget.
        looks: its options, and how they are named.
        value: what it stands at.
        number: how many stood in its place before.
        replaced: what those stood at, by their keys, newest last.
    """

    key: str
    looks: tuple[str, ...]
    value: str | None
    number: int
    replaced: dict[str, str | None] = field(default_factory=dict)


def choice(
    name: str,
    label: str,
    options: Sequence[str],
    *,
    title: Callable[[str], str] = str,
    default: str | None = None,
    widget: Callable[..., str | None] = st.selectbox,
) -> str | None:
    """The chosen option, which is written into the address; a value in the address that does not exist is reported, not replaced.

    Args:
        name: its name in the address.
        label: what the reader sees, as text.
        options: what can be chosen.
        title: an option in words, as text.
        default: chosen where the address has no value; None for the first option.
        widget: `st.selectbox`, `st.select_slider` or `st.segmented_control`.
    """
    draw_anew_where_said()
    as_text = title if widget in PLAIN_OPTIONS else lambda option: plain(title(option))
    looks = (*options, *(as_text(option) for option in options))
    _take_unheard_gesture(name, looks)
    wanted = stated(name) or default or (options[0] if options else None)
    exists = wanted is not None and wanted in options
    if wanted is not None and not exists:
        st.error(
            f"{plain(label)} “{plain(wanted, most=LONGEST_NAME)}” does not exist here" + (": choose another." if options else "."),
            icon=":material/link_off:",
        )
        shown(name, wanted)
    if not options or (not exists and widget is st.select_slider):
        return None
    mounted = _mounted(name, looks, wanted if exists else None)
    begins = _beginning(widget, options, mounted.value)
    chosen = widget(plain(label), options, key=mounted.key, format_func=as_text, on_change=_moved, args=(name, mounted.key), **begins)
    if chosen is not None:
        shown(name, chosen)
    return chosen


def _beginning(widget: Callable[..., str | None], options: Sequence[str], value: str | None) -> dict[str, object]:
    """The argument with which a widget begins at `value`."""
    kind = getattr(widget, "func", widget)
    if kind is st.selectbox:
        return {"index": None if value is None else list(options).index(value)}
    return {"default" if kind is st.segmented_control else "value": value}


def _take_unheard_gesture(name: str, looks: tuple[str, ...]) -> None:
    """Hear a gesture whose callback was cut short by the next request: only gestures move a widget that looks the same."""
    mounted: Mounted | None = st.session_state.get(MOUNTED + name)
    if mounted is None or mounted.looks != looks or mounted.key not in st.session_state:
        return
    value = st.session_state[mounted.key]
    if value is not None and value != mounted.value:
        mounted.value = value
        gesture(name, value)


def _mounted(name: str, looks: tuple[str, ...], value: str | None) -> Mounted:
    """The widget that stands there with this value and these options, or a new one that begins so."""
    before: Mounted | None = st.session_state.get(MOUNTED + name)
    if before is not None and before.key in st.session_state and (before.looks, before.value) == (looks, value):
        return before
    number = 0 if before is None else before.number + 1
    key = f"choice-{name}-{number}" if number else f"choice-{name}"
    replaced = {} if before is None else dict([*before.replaced.items(), (before.key, before.value)][-MOST_REPLACED:])
    st.session_state[MOUNTED + name] = Mounted(key, looks, value, number, replaced)
    return st.session_state[MOUNTED + name]  # type: ignore[no-any-return]


def _moved(name: str, key: str) -> None:
    """A person moved a widget; also one that was replaced while the message was on its way, since the last gesture counts."""
    mounted: Mounted | None = st.session_state.get(MOUNTED + name)
    if key not in st.session_state or mounted is None:
        return
    value = st.session_state[key]
    if value is None:
        return
    if mounted.key == key:
        mounted.value = value
    elif mounted.replaced.get(key) == value:
        # Nobody moved it: until the page is drawn to its end, a browser also reports what stood there before, and Streamlit, which has
        # forgotten that widget's value, takes it for a new one.
        return
    else:
        mounted.replaced[key] = value
    gesture(name, value)
