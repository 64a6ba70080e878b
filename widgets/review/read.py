"""Reviews as pages read them: records always anew; what was frozen, and what is different now, kept for a moment."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dpmed_core.decision_report.frozen_evaluation import frozen_cohort
from dpmed_core.decision_report.gathered import Gathered, as_frozen
from dpmed_core.decision_report.report_tables import Table, all_tables
from dpmed_core.decision_report.summary import limits, summary
from dpmed_core.errors import ReviewError
from dpmed_core.review.acts import groups_of
from dpmed_core.review.changes import changes
from dpmed_core.review.checklist import Answered, checklist, n_open
from dpmed_core.review.decision import outcome_of
from dpmed_core.review.frozen_tables import changed_tables
from dpmed_core.review.store import Review
from widgets.lookup import installation

SECONDS_KEPT = 60
"""For so long a change from outside DPMed may go unseen on a page; a report looks anew."""
CHANGES_KEPT = 20
MOST_KEPT, FEW_KEPT = 200, 8


def review_of(review_id: str) -> Review:
    """The review as it stands now."""
    return installation().reviews.review(review_id)


def readable(review_id: str) -> Review | None:
    """The review; None where something outside DPMed has left too little of it to show.

    Raises:
        ReviewError: there is none.
    """
    try:
        review = review_of(review_id)
        if review.broken_at is not None:
            _ = _in_words(review), outcome_of(review), points_of(review), [record.author for record in review.records]
            _ = review.frozen["candidate"]["guarantee"], review.records[0].body["question"], frozen_cohort(review.frozen)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return review


def title_of(review_id: str) -> str:
    """A review in a few words, which no other has."""
    return _title(review_id)


def utc(seconds: float) -> str:
    """A time as records show it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def changes_of(review: Review) -> list[str]:
    """What is different now from what was frozen, in sentences."""
    return _changes(review.review_id, _review=review)


def gathered_of(review: Review) -> Gathered | None:
    """The review with its frozen tables; None where they are not genuine."""
    found = _gathered(review.review_id, _review=review) if review.broken_at is None else None
    return None if found is None else replace(found, review=review, points=tuple(points_of(review)))


def numbers_of(review: Review) -> tuple[list[str], list[Table], list[str]]:
    """(sentences, tables, limits) of the report; of a genuine review."""
    return _numbers(review.review_id, _review=review)


def groups_shown(review: Review) -> Mapping[str, tuple[str, str]]:
    """The groups on which there can be comments, with attribute and group of each."""
    return _groups(review.review_id)


def points_of(review: Review) -> list[Answered]:
    """The checklist as it stands; without the program's answers where the frozen tables are not genuine."""
    return _points(review.review_id, review.version, _review=review)


def n_open_points(review: Review) -> int:
    """How many points nobody has answered; of a closed review, how many there were."""
    return int(review.closed.body["open_points"]) if review.closed else n_open(points_of(review))


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _title(review_id: str) -> str:
    review = readable(review_id)
    return f"{_in_words(review) if review else 'not genuine'} ({review_id[:4]})"


def _in_words(review: Review) -> str:
    candidate = review.frozen["candidate"]
    about = f"{review.frozen['cohort']['name']}, {candidate['recipe']}, ε = {candidate['epsilon']:g}"
    return f"{about}, opened {utc(review.records[0].at)}"


@st.cache_data(max_entries=MOST_KEPT, ttl=CHANGES_KEPT, show_spinner=False)
def _changes(review_id: str, _review: Review) -> list[str]:
    del review_id  # key of the cache
    return changes(installation().ledger, _review.frozen)


@st.cache_resource(max_entries=FEW_KEPT, ttl=SECONDS_KEPT, show_spinner=False)
def _gathered(review_id: str, _review: Review) -> Gathered | None:
    try:
        return as_frozen(_review, installation().reviews.tables(review_id))
    except ReviewError:
        return None


@st.cache_data(max_entries=FEW_KEPT, show_spinner=False)
def _numbers(review_id: str, _review: Review) -> tuple[list[str], list[Table], list[str]]:
    found = _gathered(review_id, _review=_review)
    assert found is not None, "only of a genuine review"
    return summary(found), all_tables(found), limits(found)


@st.cache_data(max_entries=FEW_KEPT, show_spinner=False)
def _groups(review_id: str) -> dict[str, tuple[str, str]]:
    return dict(groups_of(installation().reviews.tables(review_id)))


@st.cache_data(max_entries=MOST_KEPT, ttl=SECONDS_KEPT, show_spinner=False)
def _points(review_id: str, version: int, _review: Review) -> list[Answered]:
    del version
    rows: dict[str, Any] = installation().reviews.tables(review_id)
    return checklist(_review, None if changed_tables(_review.frozen, rows) else rows)
