"""Returning patients in words: what the numbers mean, and each budget's guarantee."""

from collections.abc import Sequence

from dpmed_core.phrases import counted
from dpmed_core.privacy.exposure.sentences import arm_words
from dpmed_core.privacy.returning.returning_rows import ReturningRow
from dpmed_core.training.spec import PrivacyUnit


def returning_sentences(rows: Sequence[ReturningRow]) -> list[str]:
    """What the table over budgets says, and of each budget its guarantee with what was found."""
    first = rows[0]
    sentences = [
        f"Of {counted(first.n_patients, 'training patient', 'training patients')}, {first.n_returning:,} have images of a later study: "
        f"{counted(first.n_images, 'image', 'images')}, scored by {first.n_trainings:,} trainings with the earlier images of a random half "
        "of all patients.",
        "Shifted: later images that models with and without the patient's earlier ones answer differently (false-discovery rate 5 %). "
        "Largest shift: of a mean probability, and above 0 by chance alone. By chance: the same where who took part is drawn anew.",
        new_disease_sentence(first),
    ]
    if any(row.unit == PrivacyUnit.IMAGE.value and row.epsilon is not None for row in rows):
        sentences.append("Unit image: the guarantee is for one image and does not hold for a patient with several.")
    return [*sentences, *map(returning_sentence, rows)]


def returning_sentence(row: ReturningRow) -> str:
    """What was found at one budget, with its guarantee.

    >>> returning_sentence(ReturningRow(None, None, None, "patient", 264, 136, 411, 200, 280, 0.56, 0, 0.06))
    'Without privacy (unit patient): 280 of 411 later images shift (0 by chance), the largest by .56 (.06 by chance).'
    """
    found = (
        f"{arm_words(row)}: {row.shifted:,} of {row.n_images:,} later {'image' if row.n_images == 1 else 'images'} "
        f"{'shifts' if row.shifted == 1 else 'shift'} ({row.control_shifted:,} by chance), the largest by {_share(row.largest_shift)} "
        f"({_share(row.control_largest_shift)} by chance)"
    )
    if row.difference is None or row.low is None or row.high is None:
        return f"{found}."
    return f"{found}; of the patient's new disease such models find {_more(row.difference)} ({row.low:+.3f} to {row.high:+.3f})."


def new_disease_sentence(row: ReturningRow) -> str:
    """What new disease is, and how much there is of it."""
    if row.new_disease_images is None:
        return "Sensitivity for new disease is withheld: too few patients have a finding later that all of their earlier images lack."
    of_patients = counted(row.new_disease_patients or 0, "patient", "patients")
    return (
        f"New disease: {counted(row.new_disease_images, 'finding', 'findings')} of {of_patients} that a later image has and all of the "
        "patient's earlier ones lack. A model calls it positive above an operating point that is chosen on patients who were out of its "
        "training. Limits are 95 % intervals over patients, each alone."
    )


def _share(value: float) -> str:
    """A probability with two decimals and without the zero before them."""
    return f"{value:.2f}".lstrip("0")


def _more(difference: float) -> str:
    """A difference of shares in words."""
    return f"{abs(difference):.3f} {'less' if difference < 0 else 'more'} than others"
