"""An attribute from one value of a column, such as view=AP: 1 where the column has that value, 0 where it has another, blank where none."""

from dataclasses import dataclass

import pandas as pd

from dpmed_core.cohort.sources.cells import is_blank
from dpmed_core.cohort.sources.values import column_name
from dpmed_core.errors import CohortError

BETWEEN = "="


@dataclass(frozen=True)
class AttributeValue:
    """One value of a column.

    Attributes:
        column: of the table.
        value: as it stands there, but for capital letters and white space around it.
    """

    column: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "AttributeValue | None":
        """The column and value of "view=AP"; None where `text` names a column alone.

        Raises:
            CohortError: column or value is missing.

        >>> AttributeValue.parse("view=AP").name, AttributeValue.parse("copd")
        ('view_ap', None)
        """
        column, found, value = (part.strip() for part in text.partition(BETWEEN))
        if not found:
            return None
        if not column or not column_name(value):
            raise CohortError(f"Attribute {text!r} names no column and value: write both, as in view=AP.")
        return cls(column, value)

    @property
    def name(self) -> str:
        """The name of the attribute's own column."""
        return column_name(f"{self.column} {self.value}")

    def flags(self, texts: "pd.Series[str]") -> "pd.Series[str]":
        """1, 0 or blank for each cell.

        Raises:
            CohortError: no cell has the value.

        >>> AttributeValue("view", "AP").flags(pd.Series(["AP", "PA", " ap", ""])).tolist()
        ['1', '0', '1', '']
        """
        meaning = {
            text: "" if is_blank(text.strip()) else str(int(text.strip().casefold() == self.value.casefold())) for text in texts.unique()
        }
        if "1" not in meaning.values():
            raise CohortError(f"No row has {self.value!r} in column {self.column!r}: name a value that stands there, as in view=AP.")
        return texts.map(meaning)
