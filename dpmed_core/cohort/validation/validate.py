"""All checks of a cohort that is about to be stored."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from dpmed_core.cohort.report import IN_TWO_PARTS, Check, Problem, Severity, by_weight
from dpmed_core.cohort.sources.remarks import remark_sentence
from dpmed_core.cohort.validation.duplicates import identical_checks
from dpmed_core.cohort.validation.exposure import exposure_checks
from dpmed_core.cohort.validation.identifiers import identifier_checks
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.cohort.validation.label_noise import noise_checks
from dpmed_core.cohort.validation.labels import label_checks, subgroup_checks, unknown_checks
from dpmed_core.cohort.validation.near_duplicates import similar_checks
from dpmed_core.cohort.validation.repairs import kind_of_warning
from dpmed_core.imaging.header_warnings import ImageWarnings
from dpmed_core.imaging.stored_format import CONSTANT
from dpmed_core.phrases import counted


def validate(
    inputs: ValidationInputs,
    problems: Sequence[Problem],
    split_conflicts: Sequence[tuple[int, ...]],
    image_warnings: ImageWarnings,
    *,
    row_remarks: Mapping[str, Sequence[int]],
) -> tuple[Check, ...]:
    """The results of all checks, the most serious first.

    Args:
        inputs: the cohort.
        problems: of the rows left out.
        split_conflicts: rows of each patient whose rows name different parts.
        image_warnings: warnings about single images.
        row_remarks: rows that were read otherwise than they stand, by the name of the remark.
    """
    found = chain(
        skipped_checks(problems, split_conflicts),
        row_remark_checks(row_remarks),
        image_warning_checks(image_warnings),
        identifier_checks(inputs),
        identical_checks(inputs),
        similar_checks(inputs),
        label_checks(inputs),
        unknown_checks(inputs),
        exposure_checks(inputs),
        subgroup_checks(inputs),
        noise_checks(inputs),
    )
    return by_weight(found)


def row_remark_checks(remarks: Mapping[str, Sequence[int]]) -> Iterator[Check]:
    """One check for each kind of remark about rows that were read otherwise than they stand, e.g. an age that counts as unknown."""
    for name, rows in sorted(remarks.items()):
        yield Check(name, Severity.WARNING, len(rows), remark_sentence(name, len(rows)), tuple(rows))


def image_warning_checks(image_warnings: ImageWarnings) -> Iterator[Check]:
    """One check for each kind of warning about single images, e.g. text burned into a corner."""
    for sentence, (warning, rows) in zip(image_warnings.sentences(), sorted(image_warnings.rows.items()), strict=True):
        # The name is part of stored reports.
        yield Check("remark", Severity.WARNING, len(rows), sentence, tuple(sorted(rows)), kind=kind_of_warning(warning))


def skipped_checks(problems: Sequence[Problem], split_conflicts: Sequence[tuple[int, ...]]) -> Iterator[Check]:
    """What was left out and why: patients in two parts, constant images, and all rows with problems by the column at fault."""
    if split_conflicts:
        yield Check(
            IN_TWO_PARTS,
            Severity.WARNING,
            len(split_conflicts),
            f"{counted(len(split_conflicts), 'patient is', 'patients are')} in two parts of the split, so "
            f"{counted(sum(map(len, split_conflicts)), 'row was', 'rows were')} left out: give all rows of a patient the same part.",
            tuple(sorted(chain.from_iterable(split_conflicts))),
            tuple(split_conflicts),
        )
    if constant := sorted(problem.row or 0 for problem in problems if CONSTANT in problem.message):
        sentence = f"{counted(len(constant), 'image has', 'images have')} the same value everywhere and {_was(len(constant))} left out."
        yield Check("constant_images", Severity.WARNING, len(constant), sentence, tuple(constant))
    rows: dict[str, set[int]] = defaultdict(set)
    for problem in problems:
        rows[problem.column].add(problem.row or 0)
    for column, of_column in rows.items():
        n_rows = len(of_column)
        sentence = f"{counted(n_rows, 'row', 'rows')} {_was(n_rows)} left out because of column {column}; the report gives each reason."
        yield Check("rows_left_out", Severity.WARNING, n_rows, sentence, tuple(sorted(of_column)))


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
