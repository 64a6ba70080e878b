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
    click.echo(json.dumps(document, indent=1, allow_nan=False) if as_json else plain_lines(readable))


def tell(text: str) -> None:
    """Print a sentence on stderr, in one line, where progress, problems and errors go."""
    click.echo(plain_line(text), err=True)


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of `table` as values that JSON holds; NaN and infinite values become null."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


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
