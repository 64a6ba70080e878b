"""Forty people who write at once, and processes that are killed while they write: nothing that was recorded is lost."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dpmed_core.errors import ReviewError
from dpmed_core.review.acts import comment, give_verdict
from dpmed_core.review.decision import decision
from dpmed_core.review.records import About, Author, Choice, Role
from dpmed_core.review.store import Review
from dpmed_core.settings import settings_environment

N_WRITERS = 40
ROLES = list(Role)
KILLS = 30


def test_forty_who_comment_and_decide_at_once_lose_nothing(here, review):
    """Whoever is refused because somebody wrote meanwhile looks again and sends theirs once more, as a person would."""
    at_once = threading.Barrier(N_WRITERS)

    def until_recorded(act: Callable[[Review], object]) -> None:
        while True:
            try:
                act(here.reviews.review(review.review_id))
                return
            except ReviewError as error:
                assert "wrote meanwhile" in str(error)
                time.sleep(random.random() / 20)

    def write(number: int) -> None:
        author = Author(f"Writer {number}", ROLES[number % len(ROLES)])
        at_once.wait()
        for words in ("one", "two"):
            text = f"{words} of {number}"
            until_recorded(lambda now, text=text: comment(here.reviews, now, author, About(), text, seen=now.version, cohort=None))
        until_recorded(lambda now: give_verdict(here.reviews, now, author, Choice.APPROVE, f"reason {number}", seen=now.version))

    with ThreadPoolExecutor(N_WRITERS) as pool:
        list(pool.map(write, range(N_WRITERS)))
    now = here.reviews.review(review.review_id)
    said = sorted(record.body["text"] for record in now.of_kind("comment"))
    assert said == sorted(f"{words} of {number}" for number in range(N_WRITERS) for words in ("one", "two"))
    assert sorted(record.body["reason"] for record in now.of_kind("verdict")) == sorted(f"reason {n}" for n in range(N_WRITERS))
    assert [record.seq for record in now.records] == list(range(1, 3 * N_WRITERS + 2)) and now.broken_at is None
    assert len(decision(now).verdicts) == N_WRITERS and decision(now).outcome == "approved"


WRITE_AND_DIE = """
import json, os, random, signal, sys, time
from dpmed_core.installation import Installation
from dpmed_core.review.acts import comment
from dpmed_core.review.records import About, Author, Role

review_id, kills = sys.argv[1], int(sys.argv[2])
told = []
for kill in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        here = Installation.open()
        for number in range(10_000):
            found = here.reviews.review(review_id)
            text = f"{kill}/{number}"
            comment(here.reviews, found, Author("Writer", Role.IT), About(), text, seen=found.version, cohort=None)
            os.write(writing, (text + "\\n").encode())
        os._exit(1)
    os.close(writing)
    first = os.read(reading, 64)
    time.sleep(random.uniform(0, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(reading, 65536):
        first += piece
    told += first.decode().split()
print(json.dumps(told))
"""


@pytest.mark.slow
def test_processes_that_are_killed_while_they_write_lose_no_record_that_they_were_told_of(here, review):
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, review.review_id, str(KILLS)],
        env=settings_environment(here.settings),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert len({text.split("/")[0] for text in told}) == KILLS
    now = here.reviews.review(review.review_id)
    recorded = [record.body["text"] for record in now.of_kind("comment")]
    # One more than was told of may stand there for each kill: it was committed, and its writer died before it could say so.
    assert set(told) <= set(recorded) and len(recorded) <= len(told) + KILLS and len(set(recorded)) == len(recorded)
    assert now.broken_at is None and now.version == len(recorded) + 1
