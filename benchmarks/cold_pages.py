"""First views of every page after a restart, with a cohort of the paper's size: `python -m benchmarks cold-pages`.

The engine has computed what pages show, as it does when it has nothing to train. The browser has an ordinary profile, and knows the
dashboard's scripts from before the restart. Pages open with the first choices of the cohort. The first view is that of a new server, the
second the same page's in another session; the next one is a click away from another page, which was the first of a new server; `private`
is the page's in a private window, which compiles every script anew. `words_s` ends when the answer can be read, which a document says
before Streamlit has started, `answer_s` when it stands in its place on the page, `page_s` when nothing on the page changes any more;
processor seconds are the server's. Page `peer` is Streamlit with one slider and one figure, and as next page with one figure: its own
share. With DPMED_DATA_DIR, of the cohort in that folder.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.page import PEER, VIEWPORT, chromium, free_port, profile, served
from benchmarks.page_cohort import make
from dpmed_core.engine.keeping import keep_missing
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

PEER_PAGE, OVERVIEW = "peer", ""
PEER_NEXT = "benchmarks/page_peer_next.py"
PAGES = {
    PEER_PAGE: "Next",
    OVERVIEW: "Overview",
    "privacy_utility": "Privacy and utility",
    "fairness": "Fairness",
    "meeting": "Meeting",
    "cases": "Cases",
    "privacy": "Privacy",
    "review": "Review",
    "train": "Train",
    "status": "Status",
}
"""Addresses of pages, and their names in the menu."""
N_STARTS = 5
"""Servers for each page."""
STILL_SECONDS, LONGEST_SECONDS = 3.0, 120.0
DRAWN = """([left, answered]) => {
  const main = document.querySelector('[data-testid="stMain"]'), title = main?.querySelector('h1')?.innerText;
  if (left && (!title || title === left)) return [false, false, false, true, 0];
  const running = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== 'notRunning';
  const painted = performance.getEntriesByName('first-contentful-paint').length > 0;
  const first = painted && document.getElementById('dpmed-first-words'), answer = !!main?.querySelector(answered);
  const much = [main?.innerText.length ?? 0, document.querySelectorAll('.main-svg').length, !!first];
  return [!!first || answer, !!title, answer, running, ...much];
}"""
"""Whether an answer can be read, in the document or on the page; whether the page's title and its answer are there, whether it is still
drawn, and how much of it there is."""
FIRST = '[class*="st-key-words-"] + [data-testid="stElementContainer"] p >'
TILE, SENTENCE = f".dpmed-tile-value, {FIRST} em > strong", f".dpmed-headline, {FIRST} strong:only-child"
SEEN = ("words_s", "title_s", "answer_s")
ANSWERS = {OVERVIEW: TILE, "meeting": TILE, "privacy_utility": SENTENCE, "fairness": SENTENCE}
"""Where a page's answer stands; on the others it is the first heading below the title."""


def rows() -> list[dict[str, object]]:
    """One row a page and view: medians over `N_STARTS`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings() if os.environ.get("DPMED_DATA_DIR") else _made(Path(folder))
        while keep_missing(settings):
            pass
        return [row for page in PAGES for row in measured(settings, page)]


def _made(folder: Path) -> Settings:
    settings = Settings(data_dir=folder)
    make(Installation.open(settings))
    return settings


def measured(settings: Settings, page: str, *, n_starts: int = N_STARTS) -> list[dict[str, object]]:
    """The views of one page, in a profile of its own."""
    with profile() as context:
        # Before the first restart the browser gets to know the scripts.
        starts = [_views_of_start(context, settings, page) for _ in range(n_starts + 1)][1:]
    views = {view: [start[view] for start in starts] for view in starts[0]}
    with chromium() as launched, _served(settings, page) as (url, server):
        views["private"] = [_private(launched, server, page, f"{url}/{_addresses(settings, page)[0]}") for _ in range(n_starts)]
    return [
        {
            "page": page or "overview",
            "view": name,
            **{of: round(statistics.median(one[of] for one in view), 2) for of in view[0]},
            "slowest_page_s": round(max(one["page_s"] for one in view), 2),
        }
        for name, view in views.items()
    ]


def _views_of_start(context: BrowserContext, settings: Settings, page: str) -> dict[str, dict[str, float]]:
    """What was seen of new servers: a first view, a second one, and one that is a click away from another page."""
    path, before = _addresses(settings, page)
    seen = {}
    with _served(settings, page) as (url, server), closing(context.new_page()) as one, closing(context.new_page()) as other:
        for view, tab in (("first", one), ("second", other)):
            seen[view] = _viewed(tab, server, page, partial(tab.goto, f"{url}/{path}", wait_until="commit"))
    with _served(settings, page, peer=PEER_NEXT) as (url, server), closing(context.new_page()) as tab:
        _viewed(tab, server, page, partial(tab.goto, f"{url}/{before}", wait_until="commit"))
        link = tab.get_by_role("link", name=PAGES[page], exact=True)
        seen["next"] = _viewed(tab, server, page, link.click, left=tab.locator("h1").inner_text())
    return seen


def _private(launched: Browser, server: psutil.Process, page: str, address: str) -> dict[str, float]:
    with closing(launched.new_context(viewport=VIEWPORT)) as context, closing(context.new_page()) as tab:
        return _viewed(tab, server, page, partial(tab.goto, address, wait_until="commit"))


def _addresses(settings: Settings, page: str) -> tuple[str, str]:
    """The page's address below the server's, and that of the page before it."""
    if page == PEER_PAGE:
        return "", ""
    about = f"?cohort={Installation.open(settings).cohorts.names()[0]}"
    return f"{page}{about}", f"{'' if page else 'privacy_utility'}{about}"


@contextmanager
def _served(settings: Settings, page: str, *, peer: str = PEER) -> Iterator[tuple[str, psutil.Process]]:
    with served(settings, peer if page == PEER_PAGE else "app.py", port=_port()) as url:
        (server,) = (one for one in psutil.Process().children() if "streamlit" in " ".join(one.cmdline()))
        yield url, server


@cache
def _port() -> int:
    """One for all servers: a browser keeps scripts of an address, which holds the port."""
    return free_port()


def _viewed(tab: Page, server: psutil.Process, page: str, go: Callable[[], object], *, left: str = "") -> dict[str, float]:
    """Seconds from `go` until title, answer and the whole of `page` are there; `left`: the title of the page that is left."""
    used, began = _processor_seconds(server), time.perf_counter()
    go()
    seen, last, changed = dict[str, float](), None, began
    while time.perf_counter() - changed < STILL_SECONDS or (last or [0, 0, 0, True])[3]:
        state = tab.evaluate(DRAWN, [left, ANSWERS.get(page, "h2")])
        # Only now: a browser that is busy drawing answers late.
        if (now := time.perf_counter()) - began > LONGEST_SECONDS:
            raise SystemExit(f"A page was not drawn within {LONGEST_SECONDS:.0f} seconds.")
        for at, name in enumerate(SEEN):
            if state[at]:
                seen.setdefault(name, now - began)
        if state != last:
            last, changed = state, now
        tab.wait_for_timeout(20)
    return {
        **{name: seen.get(name, changed - began) for name in SEEN},
        "page_s": changed - began,
        "server_cpu_s": _processor_seconds(server) - used,
    }


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
