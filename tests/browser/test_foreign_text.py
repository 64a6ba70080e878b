"""Foreign strings in a real browser: every page shows them as text, and asks no other host for anything."""

from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dpmed_core.foreign_text import BREAK
from dpmed_core.installation import Installation
from tests.foreign_cohort import finish_pair, import_foreign
from tests.foreign_strings import HOST, foreign_strings

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = ("", "import", "train", "privacy_utility", "fairness", "cases")
PICTURE = f"![p](http://{HOST}/x.png)"
ACTED_UPON = f"a[href*='//{HOST}'], a[href^='mailto'], img[src*='{HOST}'], iframe, section script, .katex, svg a"


def hosts_asked(page: Page) -> list[str]:
    """The hosts of all requests of the page from now on; the list grows."""
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).netloc) if request.url.startswith("http") else None)
    page.on("websocket", lambda socket: hosts.append(urlsplit(socket.url).netloc))
    return hosts


def open_quietly(page: Page, address: str) -> None:
    """Open a page and wait until its script has run."""
    page.goto(address)
    expect(page.get_by_test_id("stSidebar").get_by_text("Research use only")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def test_every_page_shows_them_as_text_and_asks_no_other_host(dashboard, page, tmp_path):
    dashboard.settings = dashboard.settings.model_copy(update={"demo": False})
    here = Installation.open(dashboard.settings)
    strings = foreign_strings(14)
    cohort = import_foreign(here, tmp_path / "foreign", strings[:10], [text for text in strings[10:] if not set(text) & set(":*")])
    finish_pair(here, cohort)
    dashboard.start()
    hosts = hosts_asked(page)
    for name in PAGES:
        shown = urlencode({"cohort": "foreign", "finding": PICTURE, "attribute": cohort.comorbidities[0]})
        open_quietly(page, f"{dashboard.url}/{name}?{shown}")
        expect(page.get_by_role("combobox", name="Finding").first).to_have_value(PICTURE)
        expect(page.locator(ACTED_UPON)).to_have_count(0)
        if name in ("privacy_utility", "fairness"):
            expect(page.locator(".js-plotly-plot").first).to_contain_text(PICTURE)
    for name in ("", "fairness"):
        nothing = urlencode({"finding": f"{PICTURE}<img src=http://{HOST}/y.png>", "attribute": PICTURE, "cohort": "foreign"})
        open_quietly(page, f"{dashboard.url}/{name}?{nothing}")
        expect(page.get_by_text(f"Finding “{PICTURE}<img".replace("://", f":{BREAK}//"))).to_be_visible()
        expect(page.locator(ACTED_UPON)).to_have_count(0)
    assert set(hosts) == {f"localhost:{dashboard.port}"}
