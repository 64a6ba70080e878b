"""What a report holds only where somebody asks for it: measured protection in aggregates, and the cases that comments are on.

Neither is frozen with a review, in which nothing is about single patients: both are looked up when the report is made, and the report says
so. A case has a number instead of a name, its labels and its scores: no words, no pixels, no age and no sex.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, DpmedError, ReviewError
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.privacy.exposure.aggregates import aggregates
from dpmed_core.protection import stored_exposure
from dpmed_core.review.frozen import CANDIDATE, REFERENCE, run_ids
from dpmed_core.review.records import COMMENT, Kind
from dpmed_core.review.store import Review
from dpmed_core.runs.results import checksums


@dataclass(frozen=True)
class Asked:
    """What is asked for beside what was frozen.

    Attributes:
        protection: how exposed training patients were measured to be, in aggregates.
        cases: the held-out cases that comments are on.
    """

    protection: bool = False
    cases: bool = False


NOTHING_ASKED = Asked()


def protection_of(here: Installation, frozen: Mapping[str, Any]) -> pd.DataFrame:
    """The aggregates of the last measurement (`privacy.exposure.aggregates`) of the unit of the candidate.

    Raises:
        CohortError: the cohort is not there, or what was measured cannot be read.
        SettingsError: the installation does not allow it for real patients.
        ReviewError: nothing was measured, or the candidate is no model of the kind that is.
        RunError: the candidate begins at a start, and its run is not there any more.
    """
    candidate, cohort = frozen["candidate"], _cohort(here, frozen)
    start = here.runs.status(run_ids(frozen, CANDIDATE)[0]).spec.start if candidate["start"] else None
    found = stored_exposure(here, cohort, start)
    kind = (candidate["recipe"], candidate["recipe_version"])
    if found is None or (found.recipe, found.recipe_version) != kind:
        raise ReviewError("How protected the patients of such a model are was not measured: measure it with `exposure`, or leave it out.")
    table = aggregates(found)
    of_unit: pd.DataFrame = table[table["unit"] == candidate["unit"]]
    return of_unit.reset_index(drop=True)


def is_measured(here: Installation, frozen: Mapping[str, Any]) -> bool:
    """Whether `protection_of` has anything to show."""
    if not here.actor.may(Action.SEE_EXPOSURE):
        return False
    try:
        return not protection_of(here, frozen).empty
    except DpmedError:
        return False


def case_numbers(review: Review) -> dict[str, int]:
    """The case_ids that comments are on, each with its number in the report, in the order in which they were first named."""
    named = [str(record.body["about"]["name"]) for record in review.of_kind(COMMENT) if record.body["about"]["kind"] == Kind.CASE.value]
    return {case_id: number for number, case_id in enumerate(dict.fromkeys(named), start=1)}


def cases_of(here: Installation, review: Review) -> pd.DataFrame:
    """The commented cases: a row a case and finding, with number, finding, label, and the mean scores `private` and `non_private`.

    Raises:
        CohortError: the cohort is not there any more, and with it what may be said of its patients.
        ReviewError: a run was trained again since, so that its scores are not those that were reviewed.
        NotAllowedError: whoever asks may not see cases.
    """
    here.actor.require(Action.SEE_CASES, f"review {review.review_id}")
    _cohort(here, review.frozen)
    for run in review.frozen["runs"]:
        if checksums(here.runs.root / run["run_id"]) != run["files"]:
            raise ReviewError(f"Run {run['run_id']} was trained again since: scores of cases would not be those that were reviewed.")
    numbers = case_numbers(review)
    private, reference = (_means(here, review, numbers, which) for which in (CANDIDATE, REFERENCE))
    both = private.rename(columns={"score": "private"}).merge(
        reference.rename(columns={"score": "non_private"}).drop(columns="label"), on=["number", "finding"]
    )
    order = {finding: place for place, finding in enumerate(review.frozen["cohort"]["findings"])}
    return both.sort_values(["number", "finding"], key=lambda column: column.map(order) if column.name == "finding" else column)


def _means(here: Installation, review: Review, numbers: Mapping[str, int], which: str) -> pd.DataFrame:
    """Mean scores of the commented cases over the runs of the candidate or of the reference; held-out cases are the only ones with any."""
    tables = list(_scores(here, run_ids(review.frozen, which), numbers))
    keys = ["number", "finding"]
    return pd.concat(tables).groupby(keys, as_index=False).agg({"label": "first", "score": "mean"})


def _scores(here: Installation, runs: Any, numbers: Mapping[str, int]) -> Iterator[pd.DataFrame]:
    for run_id in runs:
        table = here.runs.scores(run_id)
        table = table[table["case_id"].astype(str).isin(list(numbers))]
        yield table.assign(number=table["case_id"].astype(str).map(numbers), finding=table["finding"].astype(str))


def _cohort(here: Installation, frozen: Mapping[str, Any]) -> Cohort:
    """The cohort whose data these are.

    Raises:
        CohortError: it is not there, or holds other data now.
    """
    try:
        return here.cohorts.with_fingerprint(frozen["fingerprint"])
    except CohortError:
        raise CohortError("The reviewed data are not there any more: leave cases and measured protection out of the report.") from None
