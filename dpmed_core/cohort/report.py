"""The import report: what was imported, what was left out and why, and what to know before training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

IN_TWO_PARTS = "patients_in_two_splits"
"""Name of the check of patients whose rows name several parts; all their rows are left out."""
OF_SPLIT_PATIENT = "names another part of the split than other rows of the same patient; give all rows of a patient the same part."


class Severity(StrEnum):
    """How serious the result of a check is: a blocking one prevents training, the others are only reported."""

    BLOCKING = "blocking"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of a row that was left out.

    Attributes:
        row: line of the manifest, its header being line 1; None if the fault concerns the whole file.
        column: the column at fault.
        message: what is wrong and what to do; never an identifier or a file name.
    """

    row: int | None
    column: str
    message: str

    def sentence(self) -> str:
        """The problem as one sentence."""
        return f"Row {self.row}, column {self.column}: {self.message}" if self.row else f"Column {self.column}: {self.message}"


def _joined(problems: Sequence[Problem]) -> Problem:
    """All `problems` of one row as one."""
    columns = ", ".join(dict.fromkeys(problem.column for problem in problems))
    return Problem(problems[0].row, columns, " ".join(f"Column {problem.column}: {problem.message}" for problem in problems))


@dataclass(frozen=True)
class Check:
    """A result of the validation.

    Attributes:
        name: of the check, e.g. "identical_images_in_test_and_train".
        severity: how serious it is.
        count: of what the sentence is about.
        sentence: what was found and what to do; never an identifier or a file name.
        rows: the rows of the source that it is about, sorted.
        groups: rows that belong together, e.g. identical images; empty if each row stands alone.
        kind: what a remark about single images is about, e.g. "turned_upright"; empty for other checks, whose name says it.
        outside_guarantee: whoever leaves out or changes images because of it makes one patient's presence depend on another's data, which
            the privacy guarantee does not cover.
    """

    name: str
    severity: Severity
    count: int
    sentence: str
    rows: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    outside_guarantee: bool = False
    kind: str = ""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Check":
        """The check from the fields that `asdict` returns, after a round trip through JSON."""
        groups = tuple(tuple(group) for group in fields["groups"])
        return cls(**{**fields, "severity": Severity(fields["severity"]), "rows": tuple(fields["rows"]), "groups": groups})


def by_weight(checks: Iterable[Check]) -> tuple[Check, ...]:
    """`checks`, the most serious first; otherwise in the given order."""
    return tuple(sorted(checks, key=lambda check: list(Severity).index(check.severity)))


@dataclass(frozen=True)
class ImportReport:
    """The result of an import.

    Attributes:
        n_rows: rows of the manifest.
        n_imported: images stored.
        n_patients: patients stored.
        n_unknown_age: stored images without an age.
        n_unknown_sex: stored images without a sex.
        problems: faults of the rows left out, in the manifest's order.
        warnings: what to know before training, in sentences.
        checks: results of the validation, the most serious first.
        identifying_attributes: number of files that hold each attribute that may identify a patient, by keyword; no value was kept.
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
        """Why models cannot be trained on this cohort, in sentences; empty if they can."""
        return tuple(check.sentence for check in self.checks if check.severity is Severity.BLOCKING)

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """One problem for each row that was left out, in order, with all that is wrong with the row."""
        of_row: dict[int, list[Problem]] = {}
        for problem in self.problems:
            of_row.setdefault(problem.row or 0, []).append(problem)
        for check in self.checks:
            for row in check.rows if check.name == IN_TWO_PARTS else ():
                of_row.setdefault(row, [Problem(row, "split", OF_SPLIT_PATIENT)])
        return tuple(found[0] if len(found) == 1 else _joined(found) for _, found in sorted(of_row.items()))

    def to_fields(self) -> dict[str, object]:
        """The report as plain values for JSON."""
        return {**asdict(self), "blocking": list(self.blocking)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "ImportReport":
        """The report from the fields that `to_fields` returns, after a round trip through JSON."""
        known = {name: value for name, value in fields.items() if name != "blocking"}
        return cls(
            **{
                **known,
                "problems": tuple(Problem(**problem) for problem in fields["problems"]),
                "warnings": tuple(fields["warnings"]),
                "checks": tuple(map(Check.from_fields, fields.get("checks", ()))),
            }
        )
