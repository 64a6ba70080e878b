"""Exposure in words: what the numbers mean, and what the verdicts on groups are."""

from collections.abc import Sequence
from typing import Protocol

from dpmed_core.cohort.display_names import within_sentence
from dpmed_core.phrases import counted, delta_text, epsilon_text, rounded_up
from dpmed_core.privacy.exposure.aggregates import shown_count
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.group_exposure import EQUAL, MARGIN, NOT_ENOUGH, UNEQUAL, WITHHELD
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyUnit


def exposure_sentences(rows: Sequence[ExposureRow]) -> list[str]:
    """What the table over budgets says, each budget's guarantee, and the groups."""
    first = rows[0]
    sentences = [
        f"AUC of the attack on each of {counted(first.n_patients, 'training patient', 'training patients')}, from "
        f"{first.n_trainings:,} trainings with a random half of them: .5 is chance, 1 is certainty that the patient took part.",
        "Flagged: patients on whom the attack is better than chance (false-discovery rate 5 %); by chance: the same where who took part is "
        "drawn anew.",
    ]
    if any(row.unit == PrivacyUnit.IMAGE.value and row.bound is not None for row in rows):
        sentences.append("Unit image: the proven bound is for one image and does not hold for a patient with several.")
    return [*sentences, *(line for row in rows for line in _groups(row))]


def aggregate_sentence(row: ExposureRow) -> str:
    """What was measured at one budget, in numbers about many patients: none of them is of the most exposed one.

    >>> aggregate_sentence(ExposureRow(1.0, 1e-5, "patient", 400, 200, .52, .7, .6, .8, 0, 12, .575, 0, .5, 3))[:67]
    'of 100 guesses which of two models was trained with the median of 4'
    """
    n = shown_count(row.flagged, row.n_patients)
    above = "a number of them that is too small to show" if n is None else f"{n:,} of them (by chance {row.null_flagged:,})"
    whom = "one image, not for a patient with several" if row.unit == PrivacyUnit.IMAGE.value else "each patient"
    proven = "" if row.bound is None else f" Proven for {whom}: at most {rounded_up(100 * row.bound, 3):g}."
    return (
        f"of 100 guesses which of two models was trained with the median of {row.n_patients:,} training patients, an attack gets "
        f"{100 * row.median_auc:.0f} right; tossing a coin gets 50. It is better than chance on {above}.{proven}"
    )


class Budget(Protocol):
    """What a row of any measurement says of the training that was measured."""

    @property
    def epsilon(self) -> float | None:
        """None for the non-private reference."""

    @property
    def delta(self) -> float | None:
        """None with it."""

    @property
    def unit(self) -> str:
        """What was clipped and protected as one."""


def arm_words(row: Budget) -> str:
    """The budget and unit of a row in words.

    >>> from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
    >>> arm_words(ExposureRow(None, None, "patient", 9, 200, .5, .5, .4, .6, 0, 0, None, None, .5, 0))
    'Without privacy (unit patient)'
    """
    if row.epsilon is None or row.delta is None:
        return f"Without privacy (unit {row.unit})"
    return (
        f"ε = {epsilon_text(row.epsilon)} at δ = {delta_text(row.delta)} for each {row.unit} "
        f"(analytic-gaussian accountant, {NEIGHBORING_RELATION} neighbours)"
    )


def group_sentence(row: ExposureRow) -> str:
    """How many groups are unequal to the other patients, equal, undecided or withheld."""
    n = {verdict: sum(group.verdict == verdict for group in row.groups) for verdict in (UNEQUAL, EQUAL, NOT_ENOUGH, WITHHELD)}
    return (
        f"Of {counted(len(row.groups), 'group', 'groups')}, {n[UNEQUAL]} more or less exposed than the other patients, {n[EQUAL]} equal to "
        f"within {MARGIN:g} of AUC, {n[NOT_ENOUGH]} with not enough evidence, {n[WITHHELD]} withheld as too small."
    )


def _groups(row: ExposureRow) -> list[str]:
    """The sentence on groups, and of each that is unequal its difference."""
    lines = [f"{arm_words(row)}: {within_sentence(group_sentence(row))}"]
    for group in (group for group in row.groups if group.verdict == UNEQUAL):
        within = ", within the margin" if group.within_margin else ""
        lines.append(
            f"  {group.attribute}, {group.group}: {group.difference:+.3f} AUC against the others "
            f"({group.difference_low:+.3f} to {group.difference_high:+.3f}{within})."
        )
    return lines
