"""The tiles of Overview: an answer in large letters, its number with the interval, how sure it is, and the way to its page."""

from html import escape

import streamlit as st

from dpmed_core.foreign_text import plain, plain_line
from dpmed_core.reporting.wording.first_glance import Tile

TITLE = "font-size: 0.95rem; font-weight: 600; margin: 0; padding: 0"
VALUE = "font-size: 1.6rem; font-weight: 700; line-height: 1.2; margin: 0.1rem 0 0 0; overflow-wrap: anywhere"
BESIDE = "display: block; font-size: 0.95rem; font-weight: 400; line-height: 1.35"
LINE = "font-size: 0.95rem; line-height: 1.45; margin: 0.3rem 0 0 0"
VERDICT = "border: 1px solid currentcolor; border-radius: 1rem; padding: 0 0.5rem; font-weight: 600; white-space: nowrap"


def show_tile(tile: Tile, *, page: str, label: str, chosen: dict[str, str]) -> None:
    """Show one tile, and a link to `page`.

    Args:
        tile: what it says.
        page: the file of the page.
        label: of the link.
        chosen: choices that the page opens with, by their names in the address.
    """
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.html(tile_element(tile))
        st.page_link(page, label=plain(label), icon=":material/arrow_forward:", query_params=chosen)


def tile_element(tile: Tile) -> str:
    """The tile as HTML; all of its words are shown as text."""
    beside = f' <span style="{BESIDE}">{_text(tile.beside)}</span>' if tile.beside else ""
    verdict = f'<span style="{VERDICT}">{_text(tile.verdict)}</span> ' if tile.verdict else ""
    lines = f'<p style="{LINE}">{verdict}{" ".join(map(_text, tile.lines))}</p>'
    return f'<h2 style="{TITLE}">{_text(tile.title)}</h2><p style="{VALUE}">{_text(tile.value)}{beside}</p>{lines}'


def _text(words: str) -> str:
    return escape(plain_line(words))
