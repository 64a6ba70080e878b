"""Words of the chosen budget, which the server writes: they are read until the program that makes them follow the axis has started.

They are plain Markdown. Streamlit loads what draws HTML and components when a page first has such, and showed them .3 to .4 s after the
title where that was measured (docs/decisions/0135); its text is there with the title. `control.css` gives emphasis and its place the looks
of the program's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.foreign_text import plain
from dpmed_core.reporting.wording.first_glance import Tile

LONGEST_WORDS = 2000
STYLE = Path(__file__).parent / "control.css"
EMPHASIS = {"headline": "**", "text": "", "caption": "*"}


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


def words_as_markdown(parts: Sequence[Part]) -> str:
    """`parts` as Markdown of a paragraph each, a tile as three."""
    return "\n\n".join(map(_as_markdown, parts))


def _as_markdown(part: Part) -> str:
    if isinstance(part, Line):
        mark = EMPHASIS[part.role]
        return f"{mark}{_in_line(part.text)}{mark}"
    verdict = f"*{_in_line(part.verdict)}* " if part.verdict else ""
    value = f"***{_in_line(part.value)}*** {_in_line(part.beside)}"
    return f"**{_in_line(part.title)}**\n\n{value.strip()}\n\n{verdict}{_in_line(' '.join(part.lines))}"


def _in_line(text: str) -> str:
    return plain(text, most=LONGEST_WORDS).strip()
