"""People who write at once, and processes that are killed while they write: nothing that was recorded is lost.

`python -m benchmarks review-writers` does it with forty people and thirty kills.
"""

import pytest

from benchmarks.review_writers import bare_review, lost_at_once, told_before_kills, write_at_once
from dpmed_core.installation import Installation
from dpmed_core.review.decision import decision
from tests.review.conftest import on_both

N_WRITERS, N_KILLS = 10, 5


@pytest.fixture
def opened(tmp_path, new_settings):
    """An installation with nothing but a review of nothing."""
    here = Installation.open(new_settings(tmp_path / "data"))
    return here, bare_review(here)


@on_both
def test_those_who_comment_and_decide_at_once_lose_nothing(opened):
    here, review = opened
    write_at_once(here, review, N_WRITERS)
    now = here.reviews.review(review.review_id)
    assert lost_at_once(now, N_WRITERS) == [] and now.broken_at is None
    assert [record.seq for record in now.records] == list(range(1, 3 * N_WRITERS + 2))
    assert len(decision(now).verdicts) == N_WRITERS and decision(now).outcome == "approved"


@pytest.mark.slow
@on_both
def test_processes_that_are_killed_while_they_write_lose_no_record_that_they_were_told_of(opened):
    here, review = opened
    told = told_before_kills(here.settings, review, N_KILLS)
    assert len({text.split("/")[0] for text in told}) == N_KILLS
    now = here.reviews.review(review.review_id)
    recorded = [record.body["text"] for record in now.of_kind("comment")]
    # One more than was told of may stand there for each kill: it was committed, and its writer died before it could say so.
    assert set(told) <= set(recorded) and len(recorded) <= len(told) + N_KILLS and len(set(recorded)) == len(recorded)
    assert now.broken_at is None and now.version == len(recorded) + 1
