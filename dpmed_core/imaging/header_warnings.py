"""Warnings about single images, collected over an import: warnings with their rows, identifying attributes with their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dpmed_core.phrases import counted

ROWS_NAMED = 12


@dataclass(eq=False)
class ImageWarnings:
    """Warnings and identifying attributes of the images read so far.

    Attributes:
        rows: the rows of the source that each warning is about.
        attributes: how many files hold each identifying attribute; keywords, never values.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    attributes: Counter[str] = field(default_factory=Counter)

    def add(self, row: int, warnings: Iterable[str], identifying: Iterable[str]) -> None:
        """Add the warnings and the identifying attributes of the image of `row`."""
        for warning in warnings:
            self.rows.setdefault(warning, []).append(row)
        self.attributes.update(identifying)

    def sentences(self) -> list[str]:
        """One sentence for each warning, sorted by warning, with the first rows that it is about."""
        return [_sentence(warning, sorted(rows)) for warning, rows in sorted(self.rows.items())]


def attributes_sentence(attributes: Mapping[str, int], *, with_numbers: bool = True) -> str:
    """Which identifying attributes the files hold and, with `with_numbers`, how many files do; empty if they hold none."""
    if not attributes:
        return ""
    named = ", ".join(f"{keyword} ({count:,})" if with_numbers else keyword for keyword, count in attributes.items())
    what = "Keywords and numbers of files" if with_numbers else "Keywords"
    return f"The files hold attributes that may identify a patient; their values were not kept. {what}: {named}."


def _sentence(warning: str, rows: list[int]) -> str:
    """The sentence of one warning, e.g. "2 images: a corner shows what looks like burned-in text; check rows 3, 7."."""
    named = ", ".join(map(str, rows[:ROWS_NAMED])) + (f" and {len(rows) - ROWS_NAMED:,} more" if len(rows) > ROWS_NAMED else "")
    return f"{counted(len(rows), 'image', 'images')}: {warning}; check {'row' if len(rows) == 1 else 'rows'} {named}."
