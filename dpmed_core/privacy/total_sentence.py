"""The total spent on patients, and the cap, in words: one place for pages, figures, exports and commands."""

import math

from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.privacy.ledger.totals import PatientTotals
from dpmed_core.training.result import NEIGHBORING_RELATION

NOTHING_SPENT = "No private model has been trained on these patients yet."
NO_GUARANTEE = "no privacy guarantee; internal comparison only"


def total_sentence(total: PatientTotals) -> str:
    """The cumulative privacy loss with delta, unit, accountant and neighbouring relation, who is covered, and what is not in it."""
    parts = [_private(total)] if total.n_draws else [NOTHING_SPENT]
    if total.n_image_level:
        counts = counted(total.n_image_level, "of these trainings protects", "of these trainings protect")
        parts.append(f"{counts} one image; counted is what that is worth to the patient with most images.")
    if total.n_of_unknown_patients:
        counts = counted(total.n_of_unknown_patients, "earlier training is", "earlier trainings are")
        parts.append(f"{counts} counted for every patient, since the cohort is gone and no record tells whom it was trained on.")
    if total.n_non_private:
        have = counted(total.n_non_private, "training without privacy on them has", "trainings without privacy on them have")
        parts.append(f"{have} {NO_GUARANTEE}.")
    if total.n_measuring:
        have = counted(total.n_measuring, "shadow training measured", "shadow trainings measured")
        parts.append(f"{have} how exposed they are; no model of them was kept, and what they showed has {NO_GUARANTEE}.")
    if total.unknown:
        shown = ", ".join(total.unknown[:3]) + (" and others" if len(total.unknown) > 3 else "")
        parts.append(f"What {shown} spent cannot be told, since its record cannot be read: it is not in these numbers. See `ledger check`.")
    return " ".join(parts)


def total_in_short(total: PatientTotals) -> str:
    """The total in a few words, for the frame and Overview.

    The long form, a click away, names unit, accountant and neighbouring relation.
    """
    beside = f"; {_without(total)}" if total.n_non_private else ""
    if total.unknown:
        beside += f"; of {counted(len(total.unknown), 'further record', 'further records')} it cannot be told"
    if not total.n_draws:
        return f"nothing {'known to be spent' if total.unknown else 'spent yet'}{beside}"
    return f"{_bound(total.epsilon, total.delta)} from {counted(total.n_draws, 'private training', 'private trainings')}{beside}"


def _without(total: PatientTotals) -> str:
    return counted(total.n_non_private, "training without privacy has no bound", "trainings without privacy have no bound")


def _private(total: PatientTotals) -> str:
    whom = "for each patient" if total.n_patients == 1 else f"for the patient with the most, of {total.n_patients:,} who took part"
    still = f", {total.n_open} of them queued or under way and counted in full" if total.n_open else ""
    return (
        f"Cumulative privacy loss of {counted(total.n_draws, 'private training', 'private trainings')}{still}: "
        f"{_bound(total.epsilon, total.delta)} {whom} ({total.accountant}; {NEIGHBORING_RELATION} neighbours)."
    )


def _bound(epsilon: float, delta: float) -> str:
    return f"{'no finite ε' if math.isinf(epsilon) else f'ε = {epsilon_text(epsilon)}'} at δ = {delta_text(delta)}"
