"""Text that people copy, such as commands: as it is, with a button that copies it.

`st.code` colours program text, and starting what does that takes a browser longer than to draw a whole page (docs/decisions/0139).
"""

from html import escape
from pathlib import Path

import streamlit as st

from dpmed_core.foreign_text import plain_lines

STYLE, SCRIPT = (Path(__file__).parent / f"copied_text.{kind}" for kind in ("css", "js"))


def show_copied_text(text: str, *, label: str) -> None:
    """Show lines of text, wrapped where the screen is narrow.

    Args:
        text: anybody's.
        label: what the text is, for screen readers.
    """
    st.html(copied_text_as_html(text, label))


def copied_text_as_html(text: str, label: str) -> str:
    """The element of `text`; arguments as `show_copied_text` has them."""
    lines = f'<pre tabindex="0" role="region" aria-label="{escape(label)}"><code>{escape(plain_lines(text))}</code></pre>'
    return f'<div class="dpmed-copied">{lines}<button type="button">Copy</button></div>'
