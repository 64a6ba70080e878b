"""What a report says, gathered from a review as it was frozen, or from a cohort as it is now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import Cohort
from dpmed_core.decision_report.beside import NOTHING_ASKED, Asked, cases_of, protection_of
from dpmed_core.decision_report.frozen_evaluation import FrozenEvaluation, frozen_cohort
from dpmed_core.errors import ReviewError
from dpmed_core.installation import Installation
from dpmed_core.review.changes import changes
from dpmed_core.review.checklist import Answered, checklist
from dpmed_core.review.frozen import Candidate, freeze, tables_for
from dpmed_core.review.frozen_tables import changed_tables
from dpmed_core.review.store import Review
from dpmed_core.training.spec import PrivacyUnit

PREFERRED = 1.0
"""Of a cohort that nobody reviewed, the trained budget nearest to this one is reported, as pages open with it."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Everything that a report is made from.

    Attributes:
        frozen: what is reported (`review.frozen`).
        tables: its tables, with the rows that were frozen.
        cohort: its cohort.
        review: the review; None of a cohort that nobody reviewed.
        changes: what is different now, in sentences.
        points: the checklist; empty without a review.
        study: sentences on the reader study of these data.
        protection: measured protection in aggregates; None where nobody asked for it.
        cases: the cases that comments are on; None where nobody asked for them.
    """

    frozen: Mapping[str, Any]
    tables: FrozenEvaluation
    cohort: Cohort
    review: Review | None = None
    changes: tuple[str, ...] = ()
    points: tuple[Answered, ...] = ()
    study: tuple[str, ...] = ()
    protection: pd.DataFrame | None = None
    cases: pd.DataFrame | None = None

    @property
    def candidate(self) -> Mapping[str, Any]:
        """The model that is reported, with its guarantee."""
        return self.frozen["candidate"]  # type: ignore[no-any-return]


def of_review(here: Installation, review_id: str, asked: Asked = NOTHING_ASKED) -> Gathered:
    """What the report of a review says.

    Args:
        here: the installation.
        review_id: the review.
        asked: what is asked for beside what was frozen.

    Raises:
        ReviewError: there is no such review, or it was changed outside DPMed; or what is asked for is not there.
        CohortError, SettingsError: what is asked for is not there, or not allowed.
    """
    review = here.reviews.review(review_id)
    found = as_frozen(review, here.reviews.tables(review_id))
    return replace(
        found,
        changes=tuple(changes(here.ledger, review.frozen)),
        study=_study(here, review.frozen["fingerprint"]),
        protection=protection_of(here, review.frozen) if asked.protection else None,
        cases=cases_of(here, review) if asked.cases else None,
    )


def as_frozen(review: Review, rows: Mapping[str, Any]) -> Gathered:
    """What a review and the rows of its tables say by themselves, without a look at what is there now.

    Raises:
        ReviewError: it was changed outside DPMed.
    """
    if review.broken_at is not None or changed_tables(review.frozen, rows):
        raise ReviewError(
            f"Review {review.review_id} is not genuine: it was changed outside DPMed, and no report is made of it (`review show`)."
        )
    tables = FrozenEvaluation(review.frozen, rows)
    return Gathered(review.frozen, tables, frozen_cohort(review.frozen), review, points=tuple(checklist(review, rows)))


def of_cohort(
    here: Installation, name: str, *, epsilon: float | None = None, recipe: str | None = None, asked: Asked = NOTHING_ASKED
) -> Gathered:
    """What the report of a cohort says as it is now; nothing is stored.

    Args:
        here: the installation.
        name: of the cohort.
        epsilon: a trained budget; None for the one nearest to 1.
        recipe: None for the plan's, or the only one.
        asked: what is asked for beside; nobody has commented on a case.

    Raises:
        CohortError: there is no such cohort.
        ReviewError: no private model with a reference is trained on it, or its protection was not measured.
        SettingsError: what was measured may not be shown.
    """
    cohort = here.cohorts.load(name)
    budgets = _trained(here, cohort, recipe) if epsilon is None else [epsilon]
    if not budgets:
        raise ReviewError("No private model of this cohort is trained yet: train some with `sweep`.")
    nearest = min(budgets, key=lambda budget: abs(budget - PREFERRED))
    unit = PrivacyUnit.PATIENT if cohort.patients_known else PrivacyUnit.IMAGE
    frozen, rows = freeze(here.ledger, cohort, Candidate(nearest, recipe, unit))
    protection = protection_of(here, frozen) if asked.protection else None
    study = _study(here, cohort.fingerprint)
    return Gathered(frozen, FrozenEvaluation(frozen, rows), frozen_cohort(frozen), study=study, protection=protection)


def _trained(here: Installation, cohort: Cohort, recipe: str | None) -> list[float]:
    runs = tables_for(here.runs, cohort, here.ledger.plan_record(cohort), start=None, delta=None).runs
    of_recipe = runs if recipe is None else runs[runs["recipe"] == recipe]
    return [float(epsilon) for epsilon in of_recipe["epsilon"].dropna().unique()]


def _study(here: Installation, fingerprint: str) -> tuple[str, ...]:
    """How many readers have judged cases of these data; what they answered is analysed by `readers compare` and the page *Cases*."""
    store = here.reader_study
    ended = [reading for reading in store.of(fingerprint) if not store.is_open(reading)]
    if not ended:
        return ()
    readers = len({reading.reader for reading in ended})
    return (
        f"{len(ended):,} readings by {readers:,} {'reader' if readers == 1 else 'readers'} have ended or were given up; their answers "
        "stand on the page *Cases*. Readers chose their names themselves.",
    )
