"""A review by three people who sign on at a real provider, with PostgreSQL; cookies that prove nothing; a role that is taken away."""

import json
import re
import time
import urllib.request

import pytest
from playwright.sync_api import Page, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from dpmed_core.installation import Installation
from dpmed_core.people.roles import Role
from dpmed_core.review.records import CLOSED, COMMENT, OPENED, VERDICT
from dpmed_core.settings import Settings
from tests.browser.provider import LONGEST, new_cookie_secret, provider, sign_on
from tests.browser.stored import store_demo
from tests.browser.waiting import settle
from tests.postgres import new_database

pytestmark = pytest.mark.browser
BLUE, GREY, RED = "blue@h.example", "grey@h.example", "red@h.example"
COOKIE_SECRET = new_cookie_secret()
N_READ = 5


@pytest.fixture(scope="module")
def served(own_dashboard, postgres, demo):
    """A dashboard on PostgreSQL with a trained cohort; nobody has a role yet."""
    folder = own_dashboard.settings.data_dir
    own_dashboard.settings = Settings(data_dir=folder, workers=1, demo=False, database_url=new_database(postgres), sign_on=True)
    store_demo(own_dashboard.settings, demo, [8.0], n_seeds=1)
    with provider() as known:
        for who in (BLUE, GREY, RED, "nobody@h.example"):
            known.add(who)
        known.write_secrets(folder / "secrets.toml", origin=own_dashboard.url, cookie_secret=COOKIE_SECRET)
        own_dashboard.options = ("--secrets.files", str(folder / "secrets.toml"))
        own_dashboard.start()
        yield own_dashboard


@pytest.fixture
def here(served) -> Installation:
    return Installation.open(served.settings)


@pytest.fixture
def as_(browser, served, here):
    """Signs somebody on, in a browser of their own, with these roles alone."""
    opened = []

    def signed_on(who: str, *roles: Role) -> Page:
        here.directory.revoke(who, None, by="a test")
        for role in roles:
            here.directory.grant(who, role, by="a test")
        context, page = sign_on(browser, served.url, who)
        opened.append(context)
        settle(page)
        return page

    yield signed_on
    for context in opened:
        context.close()


def test_before_somebody_has_signed_on_the_document_says_nothing(served):
    opened = urllib.request.Request(f"{served.url}/fairness", headers={"Accept": "text/html"})
    with urllib.request.urlopen(opened, timeout=60) as answered:
        said = answered.read().decode()
    assert "api/document" in said and 'id="dpmed-first-words"' not in said


def send(page: Page, button: str, told: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(told).first).to_be_visible(timeout=LONGEST)
    settle(page)


def decide(page: Page, url: str, reason: str) -> None:
    page.goto(url)
    expect(page.get_by_role("tab", name="Verdicts")).to_be_visible(timeout=LONGEST)
    settle(page)
    page.get_by_role("tab", name="Verdicts").click()
    page.locator('[data-testid="stForm"]').get_by_text("approve", exact=True).click()
    page.get_by_label("Reason", exact=True).fill(reason)
    send(page, "Give this verdict", "Recorded: verdict.")


def read(page: Page, url: str) -> None:
    """Read cases without labels and scores, to the end."""
    page.goto(f"{url}/cases?cohort=demo-radiograph&mode=reader-study")
    settle(page)
    page.get_by_role("button", name="Start or continue").click()
    for place in range(N_READ):
        record = page.get_by_role("button", name=f"Record answer {place + 1} of {N_READ}")
        asked = page.get_by_test_id("stForm").filter(has=record)
        expect(page.get_by_role("region", name=f"Case {place + 1} of {N_READ}")).to_be_visible(timeout=LONGEST)
        said = asked.get_by_text(["Present", "Absent"][place % 2], exact=True)
        expect(said).to_have_count(1, timeout=LONGEST)  # parts of the last answer's form may stay a moment
        said.click()
        asked.get_by_text("Moderate", exact=True).click()
        record.click()
    expect(page.get_by_text("You and one model of each kind on the cases you read")).to_be_visible(timeout=LONGEST)


def test_three_people_read_decide_and_take_the_report_home(served, here, as_, tmp_path):
    blue, grey, red = as_(BLUE, Role.RESEARCHER), as_(GREY, Role.READER), as_(RED, Role.PRIVACY_OFFICER)
    blue.goto(f"{served.url}/review?cohort=demo-radiograph")
    blue.get_by_text("Open the review").wait_for()
    settle(blue)
    blue.get_by_label("What is to be decided?").fill("May the ward use it?")
    blue.get_by_text("Verdicts that it needs, by role").click()
    blue.get_by_label("IT", exact=True).fill("0")
    blue.get_by_role("button", name="Open the review").click()
    expect(blue.get_by_role("heading", name="May the ward use it?")).to_be_visible(timeout=LONGEST)
    [review_id] = here.reviews.names()
    url = f"{served.url}/review?cohort=demo-radiograph&review={review_id}"

    read(grey, served.url)
    [reading] = here.reader_study.of(here.cohorts.fingerprint("demo-radiograph"))
    assert (reading.reader, here.reader_study.is_open(reading)) == (GREY, False)
    grey.goto(url)
    settle(grey)
    grey.get_by_role("tab", name="Comments").click()
    grey.get_by_label("Comment", exact=True).fill("I read five myself.")
    send(grey, "Comment", "Recorded: comment.")
    for page, reason in ((grey, "Good enough."), (red, "Within the cap."), (blue, "So do I.")):
        decide(page, url, reason)
    assert not grey.get_by_role("tab", name="Close", exact=True).count()  # a reader closes no review
    blue.get_by_role("tab", name="Close", exact=True).click()
    blue.get_by_text("Yes, close it for good").click()
    blue.get_by_role("button", name="Close the review").click()
    expect(blue.get_by_text("Approved.", exact=True)).to_be_visible(timeout=LONGEST)

    ended = here.reviews.review(review_id)
    assert [record.kind for record in ended.records] == [OPENED, COMMENT, *[VERDICT] * 3, CLOSED]
    voices = [record.author for record in ended.of_kind(VERDICT)]
    assert voices == [(GREY, "clinician"), (RED, "privacy officer"), (BLUE, "researcher")]
    blue.get_by_role("button", name="Report", exact=False).first.click()
    with blue.expect_download() as download:
        blue.get_by_role("button", name="Report as HTML").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text().replace("\u2060", "")
    assert all(said in report for said in ("May the ward use it?", "I read five myself.", GREY, RED, BLUE))
    trail = {(act.who, act.action) for act in here.trail.last(500) if act.allowed}
    assert {(GREY, "read cases of a reader study"), (RED, "comment and decide in reviews"), (BLUE, "open and close reviews")} <= trail


def test_a_role_that_is_taken_away_while_a_page_is_open_is_gone_at_the_next_act(served, here, as_):
    page = as_(GREY, Role.READER)
    with page.expect_response(re.compile("api/pixels"), timeout=LONGEST) as picture:
        page.goto(f"{served.url}/cases?cohort=demo-radiograph")
    assert picture.value.status == 200
    settle(page)
    here.directory.revoke(GREY, None, by="a test")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("who has no role here").first).to_be_visible(timeout=LONGEST)
    assert not page.locator(".viewer").count()
    last = here.trail.last(1, who=GREY)[0]
    assert (last.allowed, last.who) == (False, GREY)


def test_pixels_are_refused_once_the_role_is_gone(served, here, as_):
    page = as_(GREY, Role.READER)
    with page.expect_request(re.compile("api/pixels"), timeout=LONGEST) as asked:
        page.goto(f"{served.url}/cases?cohort=demo-radiograph")
    address, token = asked.value.url, {"x-dpmed-token": asked.value.headers["x-dpmed-token"]}
    assert page.request.get(address, headers=token).status == 200
    here.directory.revoke(GREY, Role.READER, by="a test")
    assert page.request.get(address, headers=token).status == 404


def cookie(served, claims: dict[str, object], secret: str) -> dict[str, str]:
    said = json.dumps({"origin": served.url, "is_logged_in": True, "email": BLUE, "email_verified": True, **claims})
    return {"name": "_streamlit_user", "value": create_signed_value(secret, "_streamlit_user", said).decode(), "url": served.url}


@pytest.mark.parametrize(
    ("secret", "age", "told"),
    [
        (COOKIE_SECRET, 60, "Signed on as"),
        ("another secret, of somebody who forges", 60, "Sign on to see"),
        (COOKIE_SECRET, 13 * 3600, "Your sign-on is over"),
        (COOKIE_SECRET, -7200, "Your sign-on is over"),
    ],
    ids=["genuine", "forged", "expired", "of the future"],
)
def test_a_cookie_lets_in_that_is_genuine_and_new_alone(browser, served, here, secret, age, told):
    here.directory.grant(BLUE, Role.VIEWER, by="a test")
    with browser.new_context() as context:
        context.add_cookies([cookie(served, {"iat": time.time() - age}, secret)])
        page = context.new_page()
        page.goto(f"{served.url}/overview?cohort=demo-radiograph")
        expect(page.get_by_text(told).first).to_be_visible(timeout=LONGEST)
        settle(page)
        shown = page.get_by_test_id("stMain").inner_text()
        assert ("What privacy costs" in shown) == (told == "Signed on as")


def test_somebody_without_a_role_sees_nothing_and_can_sign_out(served, as_):
    page = as_("nobody@h.example")
    expect(page.get_by_text("who has no role here")).to_be_visible(timeout=LONGEST)
    assert "demo" not in page.inner_text("body")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()  # at the provider
    expect(page.get_by_role("button", name="Sign on")).to_be_visible(timeout=LONGEST)


def test_nothing_is_taken_from_or_told_to_whoever_has_not_signed_on(served, browser, as_):
    with browser.new_context() as context:
        context.add_cookies([cookie(served, {"iat": time.time()}, "another secret, of somebody who forges")])
        for answer in (
            context.request.put(f"{served.url}/_stcore/upload_file/a/b", data=b"x"),
            context.request.get(f"{served.url}/_stcore/metrics"),
        ):
            assert (answer.status, answer.text()) == (403, "Sign on first.\n")
    signed = as_(BLUE, Role.READER)
    assert "Sign on first" not in signed.request.put(f"{served.url}/_stcore/upload_file/a/b", data=b"x").text()  # Streamlit asks for more


def test_signing_out_in_one_tab_ends_the_others(served, as_):
    one = as_(GREY, Role.READER)
    other = one.context.new_page()
    other.goto(f"{served.url}/fairness?cohort=demo-radiograph")
    expect(other.get_by_text("Signed on as")).to_be_visible(timeout=LONGEST)
    settle(other)
    one.wait_for_timeout(1500)  # a provider counts whole seconds
    one.get_by_role("button", name="Sign out").click()
    one.get_by_role("button", name="End session").wait_for()
    other.get_by_role("link", name="Overview").click()
    expect(other.get_by_text("Your sign-on is over").first).to_be_visible(timeout=LONGEST)
