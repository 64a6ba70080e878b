"""What single images gave reason to say, gathered over an import: remarks with their rows, identifying attributes with their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ROWS_NAMED = 12


@dataclass(eq=False)
class Gathered:
    """Remarks and identifying attributes of the images read so far.

    Attributes:
        rows: the rows that each remark is about.
        attributes: how many files hold each identifying attribute; keywords, never values.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    attributes: Counter[str] = field(default_factory=Counter)

    def add(self, row: int, remarks: Iterable[str], identifying: Iterable[str]) -> None:
        """Take in what was found in the image of `row`."""
        for remark in remarks:
            self.rows.setdefault(remark, []).append(row)
        self.attributes.update(identifying)

    def sentences(self) -> list[str]:
        """One sentence a remark, with the first rows that it is about."""
        return [_sentence(remark, sorted(rows)) for remark, rows in sorted(self.rows.items())]


def attributes_sentence(attributes: Mapping[str, int]) -> str:
    """Which identifying attributes the files held, in words; empty where they held none."""
    if not attributes:
        return ""
    named = ", ".join(f"{keyword} ({count})" for keyword, count in attributes.items())
    return f"The files hold attributes that may identify somebody; their values were not kept. Keywords, with numbers of files: {named}."


def _sentence(remark: str, rows: list[int]) -> str:
    named = ", ".join(map(str, rows[:ROWS_NAMED])) + (f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else "")
    return f"1 image: {remark}; look at row {named}." if len(rows) == 1 else f"{len(rows)} images: {remark}; look at rows {named}."
