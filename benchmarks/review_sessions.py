"""Forty people on one review at once: everybody comments and decides on the page, in a session of their own, and nothing is lost.

On SQLite; on a PostgreSQL database as well where `DPMED_BENCHMARK_DATABASE_URL` names an empty one. Whoever is refused because somebody
wrote meanwhile sends the same form once more, as the page asks.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.page import served
from benchmarks.visitor import Visitor
from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.engine.training_task import work_on
from dpmed_core.installation import Installation
from dpmed_core.review.acts import open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import COMMENT, VERDICT, Author, Role
from dpmed_core.review.store import Review
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit

N_PEOPLE = 40
MOST_SENDINGS = 200
ROLES = list(Role)


@dataclass
class Told:
    """What one person met.

    Attributes:
        seconds: from each sending until the page had answered it.
        sendings: how often the comment and the verdict were sent.
        failed: what the page said where it could not be drawn.
        whole_runs: how often the server drew the whole page.
    """

    seconds: list[float] = field(default_factory=list)
    sendings: int = 0
    failed: list[str] = field(default_factory=list)
    whole_runs: int = 0


def rows(n_people: int = N_PEOPLE) -> list[dict[str, object]]:
    """A row for each kind of database."""
    urls = [None, *filter(None, [os.environ.get("DPMED_BENCHMARK_DATABASE_URL")])]
    return [_on(url, n_people) for url in urls]


def _on(url: str | None, n_people: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data", database_url=url, demo=False, workers=1)
        here = Installation.open(settings)
        review = _review(here)
        with served(settings, "app.py") as address:
            began = time.monotonic()
            told = everybody_writes(address, "demo", review, n_people)
            seconds = time.monotonic() - began
        now = here.reviews.review(review.review_id)
        said = Counter(str(record.body.get("text") or record.body.get("reason")) for record in now.records[1:])
        wanted = {f"{kind} of {number}" for kind in (COMMENT, VERDICT) for number in range(n_people)}
        log = (settings.data_dir / "server.log").read_text()
        waited = [wait for one in told for wait in one.seconds]
        return {
            "database": "sqlite" if url is None else "postgresql",
            "people": n_people,
            "recorded": sum(said.values()),
            "lost": len(wanted - set(said)),
            "twice": sum(number > 1 for number in said.values()),
            "pages_that_failed": sum(len(one.failed) for one in told),
            "database_is_locked": log.count("database is locked"),
            "tracebacks": log.count("Traceback"),
            "sendings": sum(one.sendings for one in told),
            "most_sendings": max(one.sendings for one in told),
            "pages_drawn": sum(one.whole_runs for one in told),
            "median_answer_s": round(statistics.median(waited), 2),
            "longest_answer_s": round(max(waited), 2),
            "genuine": now.broken_at is None,
            "seconds": round(seconds),
        }


def _review(here: Installation) -> Review:
    """A review of a small trained cohort."""
    add_demo_radiograph(here.cohorts, name="demo", n_cases=150, workers=1)
    cohort = here.cohorts.load("demo")
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=1e-5, unit=PrivacyUnit.PATIENT)
    for status in here.ledger.ask(cohort, specs):
        work_on(here.settings, status.run_id)
    return open_review(here.reviews, here.ledger, cohort, Candidate(8.0), Author("Writer", Role.RESEARCHER), question="Use it?")


def everybody_writes(server: str, cohort: str, review: Review, n_people: int) -> list[Told]:
    """What people met who comment and decide at once on the page of `review`, of the data `cohort`, on the server at that address."""
    return asyncio.run(_all(f"{server}/review?cohort={cohort}&review={review.review_id}", n_people))


async def _all(address: str, n_people: int) -> list[Told]:
    """What everybody met, all of whom begin to write when the last page is open."""
    open_pages = asyncio.Barrier(n_people)
    return list(await asyncio.gather(*(_one(address, number, open_pages) for number in range(n_people))))


async def _one(address: str, number: int, open_pages: asyncio.Barrier) -> Told:
    """One person: a comment, then a verdict, each sent until it is recorded."""
    told = Told()
    async with Visitor(address) as visitor:
        await visitor.fill("text_input", "Your name or a pseudonym", f"Writer {number}")
        await visitor.fill("selectbox", "You speak as", ROLES[number % len(ROLES)].value)
        await open_pages.wait()
        await _send(visitor, told, "Comment", "Comment", f"{COMMENT} of {number}")
        await visitor.fill("radio", "Verdict", "approve")
        await _send(visitor, told, "Reason", "Give this verdict", f"{VERDICT} of {number}")
        told.failed, told.whole_runs = visitor.failed, visitor.whole_runs
    return told


async def _send(visitor: Visitor, told: Told, label: str, button: str, words: str) -> None:
    """Send a form until the page shows its words among the records.

    Raises:
        SystemExit: it was refused again and again.
    """
    await visitor.fill("text_area", label, words)
    for _ in range(MOST_SENDINGS):
        told.sendings += 1
        began = time.monotonic()
        await visitor.press(button)
        told.seconds.append(time.monotonic() - began)
        if visitor.says(words):
            return
    raise SystemExit(f"{words!r} could not be recorded in {MOST_SENDINGS} sendings.")
