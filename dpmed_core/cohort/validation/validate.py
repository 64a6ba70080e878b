"""All checks of a cohort that is about to be stored."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from dpmed_core.cohort.report import Check, Problem, Severity, by_weight
from dpmed_core.cohort.validation.duplicates import identical_checks
from dpmed_core.cohort.validation.exposure import exposure_checks
from dpmed_core.cohort.validation.inputs import Material
from dpmed_core.cohort.validation.label_noise import noise_checks
from dpmed_core.cohort.validation.labels import label_checks, subgroup_checks, unknown_checks
from dpmed_core.cohort.validation.near_duplicates import similar_checks
from dpmed_core.imaging.header_warnings import Gathered
from dpmed_core.phrases import counted

SHOWS_NOTHING = "the same value everywhere"
"""What the reader says of a constant image."""


def validate(material: Material, problems: Sequence[Problem], torn: Sequence[tuple[int, ...]], gathered: Gathered) -> tuple[Check, ...]:
    """What is wrong with the cohort in `material`, the weightiest first.

    Args:
        material: the cohort.
        problems: rows left out.
        torn: rows of each patient whose rows name two splits.
        gathered: remarks on single images.
    """
    found = chain(
        skipped_checks(problems, torn),
        remark_checks(gathered),
        identical_checks(material),
        similar_checks(material),
        label_checks(material),
        unknown_checks(material),
        exposure_checks(material),
        subgroup_checks(material),
        noise_checks(material),
    )
    return by_weight(found)


def remark_checks(gathered: Gathered) -> Iterator[Check]:
    """What single images gave reason to say, e.g. letters burned into a corner."""
    for sentence, (_, rows) in zip(gathered.sentences(), sorted(gathered.rows.items()), strict=True):
        yield Check("remark", Severity.WARNING, len(rows), sentence, tuple(sorted(rows)))


def skipped_checks(problems: Sequence[Problem], torn: Sequence[tuple[int, ...]]) -> Iterator[Check]:
    """What was left out and why: patients in two splits, and the other rows by the column at fault."""
    if torn:
        yield Check(
            "patients_in_two_splits",
            Severity.WARNING,
            len(torn),
            f"{counted(len(torn), 'patient stands', 'patients stand')} in two splits, with {counted(sum(map(len, torn)), 'row', 'rows')} "
            "left out: give each patient one split.",
            tuple(sorted(chain.from_iterable(torn))),
            tuple(torn),
        )
    if blank := sorted(problem.row or 0 for problem in problems if SHOWS_NOTHING in problem.message):
        sentence = f"{counted(len(blank), 'image has', 'images have')} one value everywhere; left out."
        yield Check("constant_images", Severity.WARNING, len(blank), sentence, tuple(blank))
    rows: dict[str, set[int]] = defaultdict(set)
    for problem in problems:
        rows[problem.column].add(problem.row or 0)
    for column, of_column in rows.items():
        sentence = f"{counted(len(of_column), 'row is', 'rows are')} left out because of column {column}, each named with its reason."
        yield Check("rows_left_out", Severity.WARNING, len(of_column), sentence, tuple(sorted(of_column)))
