"""Words of the chosen budget, which the server writes: they are read until the program that makes them follow the axis has started."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from dpmed_core.reporting.wording.first_glance import Tile
from widgets.html_table import text_in_html

STYLE = Path(__file__).parent / "control.css"
TAGS = {"headline": "h2", "text": "p", "caption": "p"}


@dataclass(frozen=True)
class Line:
    """A line of text.

    Attributes:
        text: shown as it is, never as HTML or Markdown.
        role: "headline", "text" or "caption".
    """

    text: str
    role: str = "text"


Part = Line | Tile


def show_styles() -> None:
    """Put the style sheet of axis, words and figures on the page, before any of them is drawn."""
    st.html(f"<style>{_style()}</style>")


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


def words_as_html(parts: Sequence[Part]) -> str:
    """`parts` as HTML, as `control.js` builds it; it stands after the program's own element, and is not shown once that one has words."""
    return f'<div class="dpmed-first">{"".join(map(_as_html, parts))}</div>'


def _as_html(part: Part) -> str:
    if isinstance(part, Line):
        tag = TAGS[part.role]
        return f'<{tag} class="dpmed-first-{part.role}">{text_in_html(part.text)}</{tag}>'
    mark = f'<span class="dpmed-first-tile-mark">{text_in_html(part.verdict)}</span> ' if part.verdict else ""
    beside = f'<span class="dpmed-first-tile-beside">{text_in_html(part.beside)}</span>'
    return (
        f'<h2 class="dpmed-first-tile-title">{text_in_html(part.title)}</h2>'
        f'<p class="dpmed-first-tile-value"><span>{text_in_html(part.value)}</span>{beside}</p>'
        f'<p class="dpmed-first-tile-detail">{mark}<span>{text_in_html(" ".join(part.lines))}</span></p>'
    )
