"""Tables as HTML: quick to draw, wrapped where words are long, and read by screen readers.

For tables of few rows. `st.dataframe`, which sorts and searches, is slow to start in a browser and holds figures up, so that pages show
it where somebody opens a table, or where there are many rows.
"""

from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd
import streamlit as st

from dpmed_core.foreign_text import plain_line

CELL = "padding: 0.2rem 0.45rem; border: 1px solid rgba(128, 128, 128, 0.35)"
LEFT, RIGHT = f"{CELL}; text-align: left", f"{CELL}; text-align: right"
BOLD = "; font-weight: 700"
COLUMNS_SEEN = 2
"""So many columns stand side by side on a phone, besides the first."""
LONG, WRAPPED, IN_ONE_LINE = 40, "min-width: min(16rem, 60vw)", "white-space: nowrap"
"""A text of more characters is wrapped, in a column at least so wide; a shorter one stands in one line."""
MOST_HEIGHT = "; max-height: 30rem"
"""Longer tables scroll: what stands below, such as a button, stays near."""


def show_table(table: pd.DataFrame, *, label: str, marked: str | None = None) -> None:
    """Show `table` without its index.

    Args:
        table: numbers, which stand right, and texts, which may be anybody's; a tuple of texts breaks its line between them alone. The
            first column names the rows.
        label: what screen readers call it.
        marked: the name of the row that the page is about, in bold.
    """
    st.html(frame_as_html(table, label, marked=marked))


def frame_as_html(table: pd.DataFrame, label: str, *, marked: str | None = None) -> str:
    """`table` without its index, as HTML; arguments as `show_table` has them."""
    sides = [RIGHT if pd.api.types.is_numeric_dtype(of) else LEFT for of in table.dtypes]
    heads = [head(str(name), side) for name, side in zip(table.columns, sides, strict=True)]
    rows = []
    for values in table.itertuples(index=False):
        first, *others = values
        weight = BOLD if first == marked else ""
        cells = (_cell_of(value, f"{side}{weight}") for value, side in zip(others, sides[1:], strict=True))
        rows.append(head(_in_words(first), f"{LEFT}{weight}", of="row") + "".join(cells))
    return table_as_html(heads, rows, label, style=MOST_HEIGHT)


def table_as_html(heads: Sequence[str], rows: Iterable[str], label: str, *, style: str = "") -> str:
    """A table that scrolls sideways where the screen is narrow; heads and rows are what `head` and `cell` give, `style` is of its frame."""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    # Columns often end at the edge of the screen, and nothing shows then that there are more.
    n_columns = len(heads) - 1
    more = f"{n_columns} columns: scroll sideways where you do not see all." if n_columns > COLUMNS_SEEN else ""
    return (
        f'<div style="overflow: auto; font-size: 0.9rem{style}" tabindex="0" role="region" aria-label="{text_in_html(label)}">'
        f'<table style="border-collapse: collapse"><tr>{"".join(heads)}</tr>{body}</table></div>'
        f'<div class="dpmed-more-columns" style="font-size: 0.9rem">{more}</div>'
    )


def head(text: str, style: str = LEFT, *, of: str = "col") -> str:
    """The name of a column, or with `of` "row" of a row."""
    return f'<th scope="{of}" style="{style}">{text_in_html(text)}</th>'


def cell(text: str, style: str) -> str:
    """A cell."""
    width = WRAPPED if len(text) > LONG else IN_ONE_LINE
    return f'<td style="{style}; {width}">{text_in_html(text)}</td>'


def text_in_html(text: str) -> str:
    """Anybody's text, as it is."""
    return escape(plain_line(text))


def _cell_of(value: object, style: str) -> str:
    if not isinstance(value, tuple):
        return cell(_in_words(value), style)
    texts = (f'<span style="{IN_ONE_LINE}">{text_in_html(text)}</span>' for text in value if text)
    return f'<td style="{style}">{" ".join(texts)}</td>'


def _in_words(value: object) -> str:
    if isinstance(value, float) and pd.isna(value):
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
