"""What an import found: what came in, what was left out and why, what to know before training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A row that was left out.

    Attributes:
        row: line of the manifest, its header being line 1; None where the whole file is meant.
        column: the column at fault.
        message: what is wrong and what to do; never an identifier or a file name.
    """

    row: int | None
    column: str
    message: str

    def sentence(self) -> str:
        """The problem in one line."""
        return f"Row {self.row}, column {self.column}: {self.message}" if self.row else f"Column {self.column}: {self.message}"


@dataclass(frozen=True)
class ImportReport:
    """The outcome of an import.

    Attributes:
        n_rows: rows of the manifest.
        n_imported: images stored.
        n_patients: patients stored.
        n_unknown_age: stored images without an age.
        n_unknown_sex: stored images without a sex.
        problems: rows left out, in the manifest's order.
        warnings: what to know before training.
        identifying_attributes: how many of the files held each attribute that names a person or helps to find one, by keyword; none of
            their values was kept.
    """

    n_rows: int
    n_imported: int
    n_patients: int
    n_unknown_age: int
    n_unknown_sex: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    identifying_attributes: Mapping[str, int] = field(default_factory=dict)

    def to_fields(self) -> dict[str, object]:
        """The report as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "ImportReport":
        """The report that `to_fields` took apart."""
        problems = tuple(Problem(**problem) for problem in fields["problems"])
        return cls(**{**fields, "problems": problems, "warnings": tuple(fields["warnings"])})
