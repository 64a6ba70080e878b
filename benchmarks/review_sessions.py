"""Forty browsers on one review at once: everybody comments and decides on the page, in a session of their own, and nothing is lost.

On SQLite; on a PostgreSQL database as well where `DPMED_BENCHMARK_DATABASE_URL` names an empty one. Whoever is refused because somebody
wrote meanwhile sends the same form once more, as the page asks. Seconds are those of two cores that draw forty pages and serve them.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.async_api import Browser, Page, Response, async_playwright

from benchmarks.page import served
from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.engine.training_task import work_on
from dpmed_core.installation import Installation
from dpmed_core.reporting.static_images import browser
from dpmed_core.review.acts import open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import COMMENT, VERDICT, Author, Role
from dpmed_core.review.store import Review
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit

N_BROWSERS = 40
OPENING_AT_ONCE = 4
"""More would only wait for each other: one machine draws all pages."""
LONGEST_MILLISECONDS = 600_000
MOST_SENDINGS = 200
MOST_LOOKS, LOOKS_BEFORE_REFUSED = 120, 6
"""Half seconds that a busy machine may take to answer, and that a refusal of before may still stand."""
ROLES = list(Role)
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def rows() -> list[dict[str, object]]:
    """A row for each kind of database."""
    urls = [None, *filter(None, [os.environ.get("DPMED_BENCHMARK_DATABASE_URL")])]
    return [_on(url) for url in urls]


def _on(url: str | None) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data", database_url=url, demo=False, workers=1)
        here = Installation.open(settings)
        review = _review(here)
        with served(settings, "app.py") as address:
            began = time.monotonic()
            failed, sendings = asyncio.run(_all(f"{address}/review?cohort=demo&review={review.review_id}"))
            seconds = time.monotonic() - began
        now = here.reviews.review(review.review_id)
        said = Counter(str(record.body.get("text") or record.body.get("reason")) for record in now.records[1:])
        wanted = {f"{kind} of {number}" for kind in (COMMENT, VERDICT) for number in range(N_BROWSERS)}
        log = (settings.data_dir / "server.log").read_text()
        return {
            "database": "sqlite" if url is None else "postgresql",
            "browsers": N_BROWSERS,
            "recorded": sum(said.values()),
            "lost": len(wanted - set(said)),
            "twice": sum(number > 1 for number in said.values()),
            "answers_of_500_and_more": len(failed),
            "database_is_locked": log.count("database is locked"),
            "tracebacks": log.count("Traceback"),
            "most_sendings": max(sendings),
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


async def _all(address: str) -> tuple[list[str], list[int]]:
    """(addresses that were answered with 500 and more, how often each browser sent its verdict) of all browsers at once."""
    failed: list[str] = []
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        launched = await playwright.chromium.launch(executable_path=str(browser()), args=options)
        drawn, opening = asyncio.Barrier(N_BROWSERS), asyncio.Semaphore(OPENING_AT_ONCE)
        sendings = await asyncio.gather(*(_one(launched, address, number, opening, drawn, failed) for number in range(N_BROWSERS)))
        await launched.close()
    return failed, list(sendings)


async def _one(launched: Browser, address: str, number: int, opening: asyncio.Semaphore, drawn: asyncio.Barrier, failed: list[str]) -> int:
    """One person in a browser of their own: a comment, then a verdict, sent until it is recorded; how often."""
    context = await launched.new_context(viewport={"width": 640, "height": 480}, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(LONGEST_MILLISECONDS)

    def note(answer: Response) -> None:
        if answer.status >= 500:
            failed.append(answer.url)

    page.on("response", note)
    async with opening:
        await page.goto(address)
        name = page.get_by_label("Your name or a pseudonym")
        await name.fill(f"Writer {number}")
        await name.press("Tab")
        await page.locator(IDLE).wait_for()
        await page.get_by_label("You speak as").click()
        await page.get_by_role("option", name=ROLES[number % len(ROLES)].value, exact=True).click()
        await page.locator(IDLE).wait_for()
    await drawn.wait()
    await _open(page, "Comments", "Comment")
    await page.get_by_label("Comment", exact=True).fill(f"{COMMENT} of {number}")
    await page.get_by_role("button", name="Comment", exact=True).click()
    await _emptied(page, "Comment")
    await _open(page, "Verdicts", "Reason")
    await page.locator('[data-testid="stForm"]').get_by_text("approve", exact=True).click()
    await page.get_by_label("Reason", exact=True).fill(f"{VERDICT} of {number}")
    for sending in range(1, MOST_SENDINGS):
        await page.get_by_role("button", name="Give this verdict", exact=True).click()
        if await _emptied(page, "Reason"):
            await context.close()
            return sending
    raise SystemExit(f"Browser {number} could not record its verdict in {MOST_SENDINGS} sendings.")


async def _open(page: Page, tab: str, label: str) -> None:
    """Open a tab of the review, as often as it takes: a page that is drawn anew under a click keeps the tab that was open."""
    while not await page.get_by_label(label, exact=True).is_visible():
        await page.get_by_role("tab", name=tab).click()
        await page.wait_for_timeout(500)


async def _emptied(page: Page, label: str) -> bool:
    """Whether the form was recorded, so that an empty one took its place; False where it was refused and still holds what was typed."""
    for look in range(MOST_LOOKS):
        await page.wait_for_timeout(500)
        if await page.get_by_label(label, exact=True).input_value() == "":
            return True
        if look >= LOOKS_BEFORE_REFUSED and await page.get_by_text("Nothing was recorded").first.is_visible():
            return False
    return False
