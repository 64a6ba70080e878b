"""Foreign text stays text: in Markdown, figures, tables, logs and a terminal; each with an oracle that reads it as its reader would."""

import csv
import html
import io
import logging
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from dpmed_core.foreign_text import (
    BREAK,
    PlainRecord,
    original_cell,
    plain,
    plain_cell,
    plain_csv,
    plain_html,
    plain_line,
    plain_lines,
    plain_with_commands,
)
from tests.foreign_strings import HOST, KINDS, foreign_strings

ROOT = Path(__file__).resolve().parents[1]
STRINGS = foreign_strings(200)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
GITHUB_LINK = re.compile(r"https?://[\w.-]+|www\.[\w-]+\.|mailto:|[\w.+-]+@[\w-]+\.\w", re.IGNORECASE)
"""What GitHub's Markdown makes a link of without brackets. Source: GitHub Flavored Markdown Spec, autolinks (extension)."""


def test_there_are_200_different_strings_of_every_kind() -> None:
    assert len(set(STRINGS)) == 200
    assert all(template.format(h=HOST) in STRINGS for templates in KINDS.values() for template in templates)


def test_markdown_shows_the_string_and_does_nothing_else() -> None:
    """markdown-it-py is the reader: the paragraph that it makes holds the line letter for letter, and no other element."""
    for text in STRINGS:
        line = plain(text)
        assert shown(line).replace(BREAK, "") == plain_line(text), text[:80]
        assert not GITHUB_LINK.search(shown(line)), text[:80]


def test_commands_are_code_and_foreign_strings_between_backticks_nothing_more() -> None:
    assert MARKDOWN.render(plain_with_commands("Train it with `runs retry 3f`, *then*.")) == (
        "<p>Train it with <code>runs retry 3f</code>, *then*.</p>\n"
    )
    assert "<code>python -m dpmed_core runs</code>" in MARKDOWN.render(plain_with_commands("See `python -m dpmed_core runs`"))
    for text in STRINGS:
        for sentence in (text, f"No `{text}` here, see `runs`", f"`{text}"):
            rendered = MARKDOWN.render(plain_with_commands(sentence))
            bare = rendered.removeprefix("<p>").removesuffix("</p>\n").replace("<code>", "").replace("</code>", "")
            assert "<" not in bare and not GITHUB_LINK.search(html.unescape(bare)), text[:80]
            assert html.unescape(bare).replace("`", "").replace(BREAK, "") == plain_line(sentence).replace("`", ""), text[:80]


def shown(line: str) -> str:
    """What a reader of the Markdown sees: the text of its only paragraph, which holds no other element."""
    rendered = MARKDOWN.render(line)
    assert rendered.startswith("<p>") and rendered.endswith("</p>\n") and rendered.count("<") == 2, rendered[:200]
    return html.unescape(rendered[3:-5])


def test_no_line_holds_what_cannot_be_seen() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in BIDI_CONTROLS:
            assert character not in plain_line(f"a{character}b"), hex(code)
    assert plain_line("a\u200c\u200db") == "a\u200c\u200db", "joiners are part of Persian and Hindi words"


def test_a_figure_holds_no_tag_but_its_own() -> None:
    for text in STRINGS:
        escaped = plain_html(text)
        assert not re.search(r"[<>]|%\{", escaped)
        assert html.unescape(escaped).replace(BREAK, "") == plain_line(text)


def test_no_cell_is_a_formula_and_every_cell_can_be_read_back() -> None:
    texts = [*STRINGS, "-0.5", "1e-3", "+7", "", "tis", "'tis"]
    printed = plain_csv(pd.DataFrame({"=name": texts, "value": [-0.5] * len(texts)}))
    for separator in (",", ";", "\t"):  # as a spreadsheet set to another language would read it
        cells = [cell for row in csv.reader(io.StringIO(printed, newline=""), delimiter=separator) for cell in row]
        formulas = [cell for cell in cells if re.match(r"[=@\t\r]|[+-](?![\d.,e+-]+$)", cell)]
        assert formulas == [], (separator, formulas[:3])
    rows = list(csv.reader(io.StringIO(printed, newline="")))
    assert rows[0] == ["'=name", "value"]
    assert [original_cell(row[0]) for row in rows[1:]] == texts
    assert {row[1] for row in rows[1:]} == {"-0.5"}, "numbers stay numbers"


@pytest.mark.parametrize("number", ["-0.5", "+7", "1e-3", "-1e-300"])
def test_numbers_stay_as_they_are(number: str) -> None:
    assert plain_cell(number) == number


def test_a_log_line_cannot_be_forged() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    for text in STRINGS:
        handler.handle(PlainRecord("a", logging.INFO, "f", 1, "%s", (text,), None))
    lines = stream.getvalue().split("\n")
    assert len(lines) == len(STRINGS) + 1 and all(line.startswith("INFO ") for line in lines[:-1])
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_no_command() -> None:
    for text in STRINGS:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain_lines(text))


def test_an_error_of_the_command_line_is_one_line_without_commands_to_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "dpmed_core", "cohort", "show", "a\x1b[31m\u202eb\nforged"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "DPMED_DATA_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr and "\u202e" not in done.stderr
