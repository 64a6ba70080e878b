"""A served dashboard and what others may do to it: foreign strings on every page, headers and cookies, and who may connect.

The browser's own log says where the content security policy stood in the way of a page.
"""

import http.client
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dpmed_core.foreign_text import BREAK
from dpmed_core.installation import Installation
from tests.browser.conftest import Dashboard
from tests.foreign_cohort import finish_pair, import_foreign
from tests.foreign_strings import HOST, foreign_strings
from widgets.web_security import HEADERS, content_security_policy

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = ("", "import", "train", "privacy_utility", "fairness", "meeting", "privacy", "cases", "review", "status")
PICTURE = f"![p](http://{HOST}/x.png)"
ACTED_UPON = f"a[href*='//{HOST}'], a[href^='mailto'], img[src*='{HOST}'], iframe, section script, .katex, svg a"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


@pytest.fixture(scope="module")
def served(own_dashboard: Dashboard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with a cohort whose columns are called by foreign strings, and a private run and its reference on it."""
    own_dashboard.settings = own_dashboard.settings.model_copy(update={"demo": False})
    here, strings = Installation.open(own_dashboard.settings), foreign_strings(14)
    grouping = [text for text in strings[10:] if not set(text) & set(":*")]
    finish_pair(here, import_foreign(here, tmp_path_factory.mktemp("foreign") / "images", strings[:10], grouping))
    own_dashboard.start()
    yield own_dashboard


def hosts_asked(page: Page) -> list[str]:
    """The hosts of all requests of the page from now on; the list grows."""
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).netloc) if request.url.startswith("http") else None)
    page.on("websocket", lambda socket: hosts.append(urlsplit(socket.url).netloc))
    return hosts


def policy_violations(page: Page) -> list[str]:
    """What the content security policy refused from now on; the list grows."""
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    return refused


def open_quietly(page: Page, address: str) -> None:
    """Open a page and wait until its script has run."""
    page.goto(address)
    expect(page.get_by_test_id("stSidebar").get_by_text("Research use only")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def test_every_page_shows_foreign_strings_as_text_and_asks_no_other_host(served, page):
    hosts, refused = hosts_asked(page), policy_violations(page)
    cohort = Installation.open(served.settings).cohorts.load("foreign")
    for name in PAGES:
        shown = urlencode({"cohort": "foreign", "finding": PICTURE, "attribute": cohort.comorbidities[0]})
        open_quietly(page, f"{served.url}/{name}?{shown}")
        expect(page.get_by_role("combobox", name="Finding").first).to_have_value(PICTURE)
        expect(page.locator(ACTED_UPON)).to_have_count(0)
        if name in ("privacy_utility", "fairness"):
            expect(page.locator(".js-plotly-plot").first).to_contain_text(PICTURE)
    for name in ("", "fairness"):
        nothing = urlencode({"finding": f"{PICTURE}<img src=http://{HOST}/y.png>", "attribute": PICTURE, "cohort": "foreign"})
        open_quietly(page, f"{served.url}/{name}?{nothing}")
        expect(page.get_by_text(f"Finding “{PICTURE}<img".replace("://", f":{BREAK}//"))).to_be_visible()
        expect(page.locator(ACTED_UPON)).to_have_count(0)
    assert set(hosts) == {f"localhost:{served.port}"}
    assert refused == []


def answer(served: Dashboard, path: str, **headers: str) -> tuple[int, Message]:
    """The status and the headers of an answer."""
    with closing(http.client.HTTPConnection("localhost", served.port, timeout=30)) as connection:
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as given:
            return given.status, given.headers


@pytest.mark.parametrize("path", ["/", "/fairness", "/_stcore/health", "/static/none.js", "/api/pixels/0123456789abcdef"])
def test_every_answer_has_the_headers(served, path):
    _, given = answer(served, path)
    expected = {**HEADERS, "Content-Security-Policy": content_security_policy()}
    assert {name: given.get(name) for name in expected} == expected


def test_the_cookies_are_these(served):
    """One against forged uploads, which the page's own script must read; nothing that says who somebody is."""
    answers = [answer(served, path)[1] for path in ("/", "/_stcore/health", "/_stcore/host-config")]
    cookies = [value for given in answers for value in given.get_all("Set-Cookie", [])]
    flags = {(cookie.split("=")[0], *sorted(flag.strip().split("=")[0].lower() for flag in cookie.split(";")[1:])) for cookie in cookies}
    assert flags == {("_streamlit_xsrf", "path", "samesite")}
    assert all("samesite=lax" in cookie.lower() or "samesite=strict" in cookie.lower() for cookie in cookies)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 101),
        ({"Origin": "http://localhost:{port}"}, 101),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"}, 403),
    ],
    ids=str,
)
def test_only_the_servers_own_pages_open_its_websocket(served, headers, status):
    given = {name: value.format(port=served.port) for name, value in headers.items()}
    assert answer(served, "/_stcore/stream", **UPGRADE, **given)[0] == status
