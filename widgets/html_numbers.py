"""Numbers in large letters as HTML: a row of them is one element of the page, and drawn sooner than as many of `st.metric`."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from widgets.html_table import text_in_html

ROW = "display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9rem, 45%), 1fr)); gap: 1rem; margin: 0 0 0.5rem; padding: 0"
TITLE, VALUE = "font-size: 0.875rem", "font-size: 2.25rem; line-height: 1.3; margin: 0; overflow-wrap: anywhere"
BESIDE = (
    "display: inline-block; font-size: 0.875rem; margin: 0.2rem 0 0; padding: 0 0.5rem; border-radius: 1rem; "
    "background: rgba(128, 128, 128, 0.12)"
)


@dataclass(frozen=True)
class Number:
    """A number and what it counts; texts may be anybody's.

    Attributes:
        title: what it counts.
        value: with its unit.
        beside: what is known besides; empty for nothing.
    """

    title: str
    value: str
    beside: str = ""


def show_numbers(numbers: Sequence[Number]) -> None:
    """Show `numbers` side by side, as many as fit."""
    st.html(numbers_as_html(numbers))


def numbers_as_html(numbers: Sequence[Number]) -> str:
    """`numbers` as a list of terms, as HTML."""
    return f'<dl style="{ROW}">{"".join(map(_as_html, numbers))}</dl>'


def _as_html(number: Number) -> str:
    beside = f'<dd style="{BESIDE}">{text_in_html(number.beside)}</dd>' if number.beside else ""
    title, value = text_in_html(number.title), text_in_html(number.value)
    return f'<div><dt style="{TITLE}">{title}</dt><dd style="{VALUE}">{value}</dd>{beside}</div>'
