"""What an import found: what came in, what was left out and why, what to know before training."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a check weighs: blocking ones stop training, the others are said."""

    BLOCKING = "blocking"
    WARNING = "warning"
    NOTE = "note"


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
class Check:
    """Something that the validation found.

    Attributes:
        name: which check, e.g. "identical_images_in_test_and_train".
        severity: how much it weighs.
        count: how many; the sentence says of what.
        sentence: what was found and what to do; never an identifier or a file name.
        rows: the rows of the source that it is about, sorted.
        groups: rows that belong together, e.g. identical images; empty where rows stand alone.
        outside_guarantee: acting on it lets one patient's images decide about another's; the guarantee does not cover that.
    """

    name: str
    severity: Severity
    count: int
    sentence: str
    rows: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    outside_guarantee: bool = False

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Check":
        """The check that `asdict` took apart."""
        groups = tuple(tuple(group) for group in fields["groups"])
        return cls(**{**fields, "severity": Severity(fields["severity"]), "rows": tuple(fields["rows"]), "groups": groups})


def by_weight(checks: Iterable[Check]) -> tuple[Check, ...]:
    """`checks`, the weightiest first."""
    return tuple(sorted(checks, key=lambda check: list(Severity).index(check.severity)))


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
        warnings: what to know before training, in sentences.
        checks: what the validation found, the weightiest first.
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
    checks: tuple[Check, ...] = ()
    identifying_attributes: Mapping[str, int] = field(default_factory=dict)

    @property
    def blocking(self) -> tuple[str, ...]:
        """Why this cohort cannot be trained on, in sentences; empty where it can."""
        return tuple(check.sentence for check in self.checks if check.severity is Severity.BLOCKING)

    def to_fields(self) -> dict[str, object]:
        """The report as plain values for JSON."""
        return {**asdict(self), "blocking": list(self.blocking)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "ImportReport":
        """The report that `to_fields` took apart."""
        known = {name: value for name, value in fields.items() if name != "blocking"}
        return cls(
            **{
                **known,
                "problems": tuple(Problem(**problem) for problem in fields["problems"]),
                "warnings": tuple(fields["warnings"]),
                "checks": tuple(map(Check.from_fields, fields.get("checks", ()))),
            }
        )
