"""What the cards of one model say: of the run, its guarantee, what its release is charged, and what it reaches on held-out patients.

Nothing on a card is computed from another model than the one that leaves: whatever compares it with a model without privacy has no
guarantee, and stands in the report of a review, which leaves the house by a release of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import Cohort
from dpmed_core.decision_report.gathered import as_frozen
from dpmed_core.errors import ReviewError, RunError
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.release import Charge, charge_of
from dpmed_core.release_cards.statements import Statements
from dpmed_core.review.decision import outcome_of
from dpmed_core.review.frozen import CANDIDATE, about_cohort, run_ids
from dpmed_core.review.store import Review
from dpmed_core.runs.results import checksums
from dpmed_core.runs.status import RunState
from dpmed_core.settings import own_version
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import RunSpec


@dataclass(frozen=True)
class Recorded:
    """A release that stands in the ledger.

    Attributes:
        name: who decided.
        reason: why.
        seal: of the entry.
        at: when, in UTC seconds since the epoch.
    """

    name: str
    reason: str
    seal: str
    at: float


@dataclass(frozen=True, eq=False)
class CardFacts:
    """What is known of a model that leaves, or may leave.

    Attributes:
        run_id: the run.
        spec: its specification.
        guarantee: None without privacy.
        n_parameters: trained parameters.
        cohort: on which it was trained.
        held_out: images and patients of validation and test (`review.frozen`).
        utility: what it alone reaches on test patients, a row a finding (`MetricTables.utility`).
        gaps: largest minus smallest group, a row an attribute and finding (`MetricTables.gaps`).
        charge: what its release is charged.
        version: of DPMed.
        statements: what people said.
        review: the review whose frozen numbers these are; None for those of now.
        release: None of a draft.
    """

    run_id: str
    spec: RunSpec
    guarantee: PrivacyGuarantee | None
    n_parameters: int
    cohort: Cohort
    held_out: Sequence[Mapping[str, Any]]
    utility: pd.DataFrame = field(repr=False)
    gaps: pd.DataFrame = field(repr=False)
    charge: Charge
    version: str
    statements: Statements
    review: Review | None = None
    release: Recorded | None = None

    @property
    def unit(self) -> str:
        """The unit of privacy, or what was sampled as one."""
        return self.spec.unit.value

    @property
    def outcome(self) -> str:
        """How the review ended; blank without one."""
        return outcome_of(self.review) if self.review else ""


def facts_of(here: Installation, run_id: str, statements: Statements, review_id: str | None = None) -> CardFacts:
    """The facts of a finished run.

    Args:
        here: the installation.
        run_id: the run.
        statements: what people said.
        review_id: a review whose frozen numbers are shown instead of those of now.

    Raises:
        RunError: the run is not finished, or damaged.
        CohortError: its cohort is not there.
        LedgerError: the ledger knows no training of it.
        ReviewError: there is no such review, it is not genuine, or it is not about this model as it is now.
    """
    status = here.runs.status(run_id)
    if status.state is not RunState.FINISHED:
        raise RunError(f"Run {run_id} is {status.state.value}: only a finished run has cards, and can be released.")
    result = here.runs.result(run_id)
    review = here.reviews.review(review_id) if review_id else None
    cohort, held_out, tables = _of_review(here, review, run_id) if review else _of_now(here, run_id, result.spec)
    auroc = tables.auroc
    return CardFacts(
        run_id=run_id,
        spec=result.spec,
        guarantee=result.guarantee,
        n_parameters=result.n_parameters,
        cohort=cohort,
        held_out=held_out,
        utility=auroc.utility[auroc.utility["run_id"] == run_id],
        gaps=auroc.gaps[auroc.gaps["run_id"] == run_id],
        charge=charge_of(here.ledger.book(), run_id),
        version=own_version(),
        statements=statements,
        review=review,
    )


def reviews_of(here: Installation, run_id: str, fingerprint: str) -> list[str]:
    """The review_ids of the reviews that are about a run's model, newest first."""
    found = (here.reviews.review(name) for name in here.reviews.names())
    return [one.review_id for one in found if one.frozen["fingerprint"] == fingerprint and run_id in run_ids(one.frozen, CANDIDATE)]


def _of_now(here: Installation, run_id: str, spec: RunSpec) -> tuple[Cohort, Sequence[Mapping[str, Any]], EvaluationTables]:
    """Cohort, held-out patients and tables of a run as they are now; the scores of no other run are read."""
    cohort = here.cohorts.with_fingerprint(spec.cohort_fingerprint)
    plan = here.ledger.plan_record(cohort).plan
    start = spec.start.name if spec.start else None
    tables = EvaluationTables(
        lambda: read_scores(here.runs, cohort, start=start, only={run_id}), plan.attributes, margin=plan.margin, findings=plan.findings
    )
    return cohort, about_cohort(here.ledger, cohort)["held_out"], tables


def _of_review(here: Installation, review: Review, run_id: str) -> tuple[Cohort, Sequence[Mapping[str, Any]], EvaluationTables]:
    """The same as a review froze it.

    Raises:
        ReviewError: the review is not genuine, or not about this model as it is now.
    """
    gathered = as_frozen(review, here.reviews.tables(review.review_id))
    own = [run for run in review.frozen["runs"] if run["run_id"] == run_id and run["is"] == CANDIDATE]
    if not own:
        names = ", ".join(run_ids(review.frozen, CANDIDATE))
        raise ReviewError(f"Review {review.review_id} is not about run {run_id}: it is about {names}.")
    if checksums(here.runs.root / run_id) != own[0]["files"]:
        raise ReviewError(f"Run {run_id} was trained again since review {review.review_id} was opened, and is another model now.")
    return gathered.cohort, review.frozen["cohort"]["held_out"], gathered.tables
