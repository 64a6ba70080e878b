"""Forty people who write into one review at once, and processes that are killed while they write: nothing that was recorded is lost.

On SQLite; on a PostgreSQL database as well where `DPMED_BENCHMARK_DATABASE_URL` names an empty one.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dpmed_core.errors import ReviewError
from dpmed_core.installation import Installation
from dpmed_core.review.acts import comment, give_verdict
from dpmed_core.review.records import About, Author, Choice, Role
from dpmed_core.review.store import Review
from dpmed_core.settings import Settings, settings_environment

N_WRITERS, N_KILLS = 40, 30
ROLES = list(Role)
WORDS = ("one", "two")
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


def bare_review(here: Installation) -> Review:
    """A review of nothing, into which people can write."""
    frozen = {"fingerprint": "0" * 16, "cohort": {"findings": []}, "tables": {}}
    author = Author("Writer", Role.IT).to_fields()
    return here.reviews.open(frozen, {}, {**author, "question": "", "quorum": {role.value: 1 for role in ROLES}})


def write_at_once(here: Installation, review: Review, n_writers: int) -> None:
    """Have each writer comment twice and give a verdict, all at once.

    Whoever is refused because somebody wrote meanwhile looks again and sends theirs once more, as a person would; other errors are raised.
    """
    at_once = threading.Barrier(n_writers)

    def until_recorded(act: Callable[[Review], object]) -> None:
        while True:
            try:
                act(here.reviews.review(review.review_id))
                return
            except ReviewError as error:
                if "wrote meanwhile" not in str(error):
                    raise
                time.sleep(random.random() / 20)

    def write(number: int) -> None:
        author = Author(f"Writer {number}", ROLES[number % len(ROLES)])
        at_once.wait()
        for words in WORDS:
            text = f"{words} of {number}"
            until_recorded(lambda now, text=text: comment(here.reviews, now, author, About(), text, seen=now.version, cohort=None))  # type: ignore[misc]
        until_recorded(lambda now: give_verdict(here.reviews, now, author, Choice.APPROVE, f"reason {number}", seen=now.version))

    with ThreadPoolExecutor(n_writers) as pool:
        list(pool.map(write, range(n_writers)))


def lost_at_once(now: Review, n_writers: int) -> list[str]:
    """Of what `write_at_once` wrote, what is not recorded exactly once."""
    said = sorted(str(record.body.get("text") or record.body.get("reason")) for record in now.records[1:])
    wanted = sorted(text for n in range(n_writers) for text in (*(f"{words} of {n}" for words in WORDS), f"reason {n}"))
    return sorted({*said} ^ {*wanted}) + [text for text in set(said) if said.count(text) > 1]


def told_before_kills(settings: Settings, review: Review, n_kills: int) -> list[str]:
    """The comments of which writers were told that they are recorded, before each was killed (SIGKILL)."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, review.review_id, str(n_kills)],
        env=settings_environment(settings),
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    return list(json.loads(done.stdout))


def rows() -> list[dict[str, object]]:
    """A row for each kind of database and of trouble."""
    urls = [None, *filter(None, [os.environ.get("DPMED_BENCHMARK_DATABASE_URL")])]
    return [row for url in urls for row in _on(url)]


def _on(url: str | None) -> list[dict[str, object]]:
    kind = "sqlite" if url is None else "postgresql"
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data", database_url=url, demo=False)
        here = Installation.open(settings)
        together, killed = bare_review(here), bare_review(here)
        began = time.monotonic()
        write_at_once(here, together, N_WRITERS)
        seconds = time.monotonic() - began
        now = here.reviews.review(together.review_id)
        first = {"trouble": f"{N_WRITERS} at once", "records": now.version, "lost": len(lost_at_once(now, N_WRITERS)), "seconds": seconds}
        told = told_before_kills(settings, killed, N_KILLS)
        now = here.reviews.review(killed.review_id)
        recorded = {record.body.get("text") for record in now.records}
        second = {"trouble": f"{N_KILLS} kills", "records": now.version, "lost": len({*told} - recorded)}
        return [{"database": kind, **row} for row in (first, second)]
