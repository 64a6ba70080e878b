"""Foreign text as text: what somebody else wrote never becomes a link, an image, a formula or a command to a terminal.

Foreign is what a file, a column, an address or a person says: names of findings, cohorts, columns, files and readers, reasons, values in
addresses, text of DICOM headers, and every sentence that quotes one of them. Each function is for one kind of place where text is shown.
"""

import csv
import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands where a character was that cannot be seen, so that a reader sees that something was there."""
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: they move a terminal's cursor, colour its text, or end a line
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or turning the direction of writing
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # invisible marks of music, and tags, which can hide whole sentences
    "\ud800-\udfff]"  # halves of characters: no UTF-8 can hold them
)
"""Characters that change how the text around them is shown. Joiners (U+200C, U+200D) stay: Persian and Hindi need them.

Source: Unicode Technical Report 36 (2014), sections 2.5 and 3.
"""
LONGEST_NAME = 120
"""The longest name that is shown, and the longest value of an address that a page repeats."""
LONGEST_SENTENCE = 1_000
"""The longest message of an error on a page: it may quote what an address says."""
BREAK = "\N{WORD JOINER}"
"""Invisible and without width; between the parts of an address or an emoji's name it keeps Markdown from seeing one."""
MARKDOWN = re.compile(r"([\\`*_\[\]<>$~#|&])")
AT_START = re.compile(r"^([-+=]|\d{1,9}(?=[.)]))")
COMMAND = re.compile(r"\\`[a-z](?:[A-Za-z0-9 .-]|\\_)*\\`")
"""A command in backticks, in Markdown whose characters are escaped."""
LINKED = re.compile(r"(:)(?=//|[\w+-]+:)|(www)(?=\.)|(@)(?=[\w-]+\.)|((?:mailto|xmpp):)", re.IGNORECASE)
FORMULA_STARTS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
FORMULA = re.compile(rf"(?<![^;\t\r\n])(?='*[{FORMULA_STARTS}])")
NEUTRALISED = re.compile(rf"(?<![^;\t\r\n])'(?='*[{FORMULA_STARTS}])")


def plain_line(text: str, most: int | None = None) -> str:
    r"""`text` in one line, for logs and messages; what cannot be seen becomes a mark.

    Args:
        text: any.
        most: the longest that is returned, in characters; longer text ends in "…". None for no limit.

    >>> plain_line("a\x1b[31m\n b\u202e", most=9), plain_line("abcdef", most=4)
    ('a�[31m b�', 'abc…')
    """
    line = UNSEEN.sub(MARK, " ".join(text.split()))
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"


def plain_lines(text: str) -> str:
    """`text` in its lines, for a terminal; what cannot be seen becomes a mark."""
    return "\n".join(UNSEEN.sub(MARK, line.expandtabs()) for line in text.split("\n"))


def plain(text: str, most: int | None = None) -> str:
    r"""`text` in one line as Markdown that shows it as it is, for pages and cards.

    Args:
        text: any.
        most: as in `plain_line`; characters of `text`, before any is escaped.

    >>> plain("see ![x](http://host/x.png)\n# now").replace(BREAK, "|")
    'see !\\[x\\](http:|//host/x.png) \\# now'
    """
    line = MARKDOWN.sub(r"\\\1", plain_line(text, most))
    # A list or a heading begins at the start of a line only. GitHub's Markdown makes links of bare addresses, and Streamlit pictures of
    # `:names:`, after escapes are undone: no backslash prevents those.
    line = AT_START.sub(lambda found: found[0] + "\\" if found[0][0].isdigit() else "\\" + found[0], line)
    return LINKED.sub(lambda found: found[0] + BREAK, line)


def plain_with_commands(text: str, most: int | None = None) -> str:
    r"""`text` as `plain` makes it, but commands in backticks are code, as in our own sentences that name one.

    A command has letters, digits, underscores, spaces, points and hyphens alone, in which nothing can be hidden: if it stands in
    foreign text that a sentence quotes, its backticks are not seen, and nothing else comes of it.

    Args:
        text: any.
        most: as in `plain`.

    >>> plain_with_commands("see `python -m dpmed_core runs`, *now* or `<b>`")
    'see `python -m dpmed_core runs`, \\*now\\* or \\`\\<b\\>\\`'
    """
    return COMMAND.sub(lambda found: found[0].replace("\\", ""), plain(text, most))


def plain_paragraphs(text: str) -> str:
    r"""`text` as Markdown that shows it as it is, each of its lines a paragraph; for what people write at length.

    >>> plain_paragraphs("one *two*\n\n # three")
    'one \\*two\\*\n\n\\# three'
    """
    return "\n\n".join(plain(line) for line in text.splitlines() if line.strip())


def plain_html(text: str) -> str:
    """`text` for a figure: Plotly reads tags and entities in every text, and `%{...}` in tooltips.

    >>> plain_html("<b>a</b> & %{x}").replace(BREAK, "|")
    '&lt;b&gt;a&lt;/b&gt; &amp; %|{x}'
    """
    line = plain_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.replace("%{", f"%{BREAK}{{")


def plain_cell(text: str) -> str:
    r"""`text` as a cell of a table that no spreadsheet takes for a formula: an apostrophe before =, +, -, @, tab and return.

    Also after a semicolon, tab or line break in it, where a spreadsheet with another separator begins a cell. Numbers stay as they are.
    `original_cell` undoes it.

    Source: OWASP, CSV Injection.

    >>> plain_cell("=1+1"), plain_cell("-0.5"), plain_cell("a;@b"), plain_cell("'=1")
    ("'=1+1", '-0.5', "a;'@b", "''=1")
    """
    return text if _is_number(text) else FORMULA.sub("'", text)


def original_cell(cell: str) -> str:
    """The text that `plain_cell` made `cell` of.

    >>> [original_cell(plain_cell(text)) for text in ("=1+1", "'=1", "-0.5", "'tis")]
    ['=1+1', "'=1", '-0.5', "'tis"]
    """
    return NEUTRALISED.sub("", cell)


def plain_csv(table: "pd.DataFrame") -> str:
    """`table` as CSV without its index, in which no cell or heading is a formula; missing values are blank."""
    cells = table.map(lambda value: plain_cell(value) if isinstance(value, str) else value)
    cells = cells.rename(columns=lambda name: plain_cell(str(name)))
    # The writer leaves a return by itself unquoted, and a reader would begin a row there.
    returns = any("\r" in value for value in [*cells.columns, *cells.to_numpy().ravel()] if isinstance(value, str))
    return str(cells.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not any(c in text for c in "\t\r\n")


class PlainRecord(logging.LogRecord):
    """A log record whose message is one line in which everything can be seen: no text that is logged can forge another line."""

    def getMessage(self) -> str:  # noqa: N802 - the name in Python's logging
        """The message with its arguments."""
        return plain_line(super().getMessage())


def keep_logs_plain() -> None:
    """Let every log record of this process, of whichever library, be a `PlainRecord`."""
    logging.setLogRecordFactory(PlainRecord)
