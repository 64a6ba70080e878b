"""The first words of a page, as HTML in its document: heading and answer are read while Streamlit starts, and leave once its own are there.

Streamlit sends the same empty document for every page, and draws its first word .7 to 1 s later; the server has the answer within some
hundredths of a second (docs/decisions/0137).
"""

from collections.abc import Sequence
from enum import StrEnum
from html import escape
from pathlib import Path

from dpmed_core.foreign_text import plain_line
from dpmed_core.reporting.wording.first_glance import Tile
from widgets.budget_control.first_words import Line

STYLE = Path(__file__).parent / "first_words.css"
TAGS = {"headline": "h2", "text": "p", "caption": "p"}


class Place(StrEnum):
    """Where on the page an answer stands, so that it does not move when the page itself says it."""

    TOP = "top"
    AXIS = "axis"
    """Under the axis of budgets."""
    BESIDE = "beside"
    """Under the axis, right of an image."""


def words_as_html(heading: str, parts: Sequence[Line | Tile], place: Place, budget: str = "") -> str:
    """`heading` and `parts` as they will stand on the page, hidden from screen readers, which read the page itself once it is there.

    Args:
        heading: of the page.
        parts: its answer, lines or tiles.
        place: of the answer.
        budget: that it is about, with its guarantee.
    """
    # Not any first line: *Cases* says the position of a case last.
    first = next((part for part in parts if isinstance(part, Tile) or part.role == "headline"), parts[0])
    until, kind = (first.value, "tiles") if isinstance(first, Tile) else (first.text, "lines")
    return (
        f'<div id="dpmed-first-words" class="dpmed-first-{place}" aria-hidden="true" data-until="{_text(until)}"><h1>{_text(heading)}</h1>'
        f'<p class="dpmed-first-budget">{_text(budget)}</p><div class="dpmed-first-{kind}">{"".join(map(_part, parts))}</div></div>'
    )


def _part(part: Line | Tile) -> str:
    return _tile(part) if isinstance(part, Tile) else _line(part)


def _line(line: Line) -> str:
    tag = TAGS[line.role]
    return f'<{tag} class="dpmed-{line.role}">{_text(line.text)}</{tag}>'


def _tile(tile: Tile) -> str:
    verdict = f'<span class="dpmed-tile-mark">{_text(tile.verdict)}</span> ' if tile.verdict else ""
    return (
        f'<div><h2 class="dpmed-tile-title">{_text(tile.title)}</h2>'
        f'<p class="dpmed-tile-value">{_text(tile.value)} <span class="dpmed-tile-beside">{_text(tile.beside)}</span></p>'
        f'<p class="dpmed-tile-detail">{verdict}{_text(" ".join(tile.lines))}</p></div>'
    )


def _text(text: str) -> str:
    return escape(plain_line(text), quote=True)
