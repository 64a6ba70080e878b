"""What all commands print with: one JSON document or readable lines on stdout, progress on stderr."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence

import click
import numpy as np
import pandas as pd

from dpmed_core.foreign_text import plain_line, plain_lines
from dpmed_core.phrases import duration_in_words
from dpmed_core.progress import Pace

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else there.")


def say(document: Mapping[str, object] | Sequence[Mapping[str, object]], readable: str, *, as_json: bool) -> None:
    """Print `document` as JSON, or `readable`."""
    # In JSON whatever a terminal could act upon is escaped.
    click.echo(_as_json(document) if as_json else plain_lines(readable))


def _as_json(document: Mapping[str, object] | Sequence[Mapping[str, object]]) -> str:
    """`document` as JSON, each row of its tables in a line of its own: indented throughout, a large one would take many times as long."""
    if not isinstance(document, Mapping):
        return _rows_as_json(document, indent="")
    parts = [f" {json.dumps(str(name))}: {_value_as_json(value)}" for name, value in document.items()]
    return "{\n" + ",\n".join(parts) + "\n}" if parts else "{}"


def _value_as_json(value: object) -> str:
    if isinstance(value, list) and len(value) > 1:
        return _rows_as_json(value, indent=" ")
    return json.dumps(value, indent=1, allow_nan=False).replace("\n", "\n ")


def _rows_as_json(rows: Sequence[object], *, indent: str) -> str:
    return "[\n" + ",\n".join(f"{indent} {json.dumps(row, allow_nan=False)}" for row in rows) + f"\n{indent}]" if rows else "[]"


def tell(text: str) -> None:
    """Print a sentence on stderr, in one line, where progress, problems and errors go."""
    click.echo(plain_line(text), err=True)


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of `table` as values that JSON holds; NaN and infinite values become null."""
    columns = [_plain_column(table[name]) for name in table]
    names = [str(name) for name in table]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_column(column: pd.Series) -> list[object]:
    if column.dtype.kind == "f":
        return [value if math.isfinite(value) else None for value in column.tolist()]
    return [_plain(value) for value in column.tolist()]


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def progress_line(what: str) -> Callable[[int, int], None]:
    """A callback that updates one line on stderr, with the time left; where stderr is not a terminal, it prints a line at each tenth."""
    is_terminal, shown, pace = sys.stderr.isatty(), -1, Pace()

    def show(done: int, total: int) -> None:
        nonlocal shown
        # A log file gets eleven lines at most; a terminal one line that is rewritten.
        tenths, left = 10 * done // max(total, 1), pace.seconds_left(done, total)
        words = f"{what}: {done} of {total}" + (f", about {duration_in_words(left)} left" if left and done < total else "")
        if is_terminal:
            click.echo(f"\r{words:<70}", err=True, nl=done >= total)
        elif tenths > shown:
            shown = tenths
            tell(words)

    return show
