"""A review in a real browser, by the local user: opened, commented, answered, decided, closed, and taken home as a report."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

from benchmarks.review_sessions import everybody_writes
from dpmed_core.installation import Installation
from dpmed_core.review.acts import comment, open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import About, Author, Role
from tests.browser.stored import store_demo
from tests.browser.waiting import settle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(own_dashboard, demo):
    store_demo(own_dashboard.settings, demo, [8.0], n_seeds=1)
    own_dashboard.start()
    return own_dashboard


def speak(page: Page, name: str, role: str) -> None:
    page.get_by_label("Your name or a pseudonym").fill(name)
    page.get_by_label("Your name or a pseudonym").press("Tab")
    settle(page)
    page.get_by_label("You speak as").click()
    page.get_by_role("option", name=role, exact=True).click()
    settle(page)


def send(page: Page, button: str, told: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(told).first).to_be_visible()
    settle(page)


def test_a_meeting_from_the_question_to_the_report(served, page, tmp_path):
    store = Installation.open(served.settings).reviews
    page.goto(f"{served.url}/review?cohort=demo-radiograph")
    page.get_by_text("Open the review").wait_for()
    settle(page)
    speak(page, "Dr Blue", "researcher")
    page.get_by_label("What is to be decided?").fill("May the ward use it?")
    page.get_by_role("button", name="Open the review").click()
    expect(page.get_by_role("heading", name="May the ward use it?")).to_be_visible()
    [review_id] = store.names()
    page.wait_for_url(re.compile(f"review={review_id}(&|$)"))
    settle(page)

    page.get_by_role("tab", name="Comments").click()
    page.get_by_label("Comment", exact=True).fill("Few patients are over 80.")
    send(page, "Comment", "Recorded: comment.")
    page.get_by_role("tab", name="Checklist").click()
    page.get_by_text("not applicable", exact=True).click()
    page.get_by_label("Answer", exact=True).fill("A trial run.")
    send(page, "Answer", "Recorded: answer.")

    page.get_by_role("tab", name="Verdicts").click()
    page.get_by_text("approve", exact=True).click()
    reason = page.get_by_label("Reason", exact=True)
    reason.press_sequentially("Good en")
    # Somebody else writes: the page draws that by itself, and what is being typed stays where it is.
    found = store.review(review_id)
    comment(store, found, Author("Dr Grey", Role.CLINICIAN), About(), "A doubt.", seen=found.version, cohort=None)
    expect(page.get_by_text("Dr Grey (clinician), comment: A doubt.")).to_be_visible()
    reason.press_sequentially("ough.")
    expect(reason).to_have_value("Good enough.")
    send(page, "Give this verdict", "Recorded: verdict.")
    for role in ("clinician", "privacy officer", "IT"):
        speak(page, f"Dr {role}", role)
        page.locator('[data-testid="stForm"]').get_by_text("approve", exact=True).click()
        page.get_by_label("Reason", exact=True).fill("So do I.")
        page.get_by_role("button", name="Give this verdict").click()
        expect(page.get_by_label("Reason", exact=True)).to_have_value("")
        settle(page)

    page.get_by_role("tab", name="Close", exact=True).click()
    page.get_by_text("Yes, close it for good").click()
    page.get_by_role("button", name="Close the review").click()
    expect(page.get_by_text("Approved.", exact=True)).to_be_visible()
    ended = store.review(review_id)
    kinds = [record.kind for record in ended.records]
    assert kinds == ["opened", "comment", "answer", "comment", *["verdict"] * 4, "closed"]
    assert ended.closed.body["outcome"] == "approved" and ended.broken_at is None

    page.get_by_role("button", name="Report", exact=False).first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report as HTML").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert "May the ward use it?" in report and "Few patients are over 80." in report and "Good enough." in report


def test_six_people_who_write_at_once_in_sessions_of_their_own_lose_nothing(served):
    """As `python -m benchmarks review-sessions` with forty; each is a session of the server, without a browser that draws it."""
    here = Installation.open(served.settings)
    cohort = here.cohorts.load("demo-radiograph")
    review = open_review(here.reviews, here.ledger, cohort, Candidate(8.0), Author("Dr Blue", Role.RESEARCHER), question="All at once?")
    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop in this one
        told = thread.submit(everybody_writes, served.url, cohort.name, review, 6).result()
    now = here.reviews.review(review.review_id)
    assert sorted(record.body["text"] for record in now.of_kind("comment")) == [f"comment of {number}" for number in range(6)]
    assert sorted(record.body["reason"] for record in now.of_kind("verdict")) == [f"verdict of {number}" for number in range(6)]
    assert [one.failed for one in told] == [[]] * 6 and now.broken_at is None
