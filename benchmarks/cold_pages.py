"""First views of every page after a restart, with a cohort of the paper's size: `python -m benchmarks cold-pages`.

The engine has computed what pages show, as it does when it has nothing to train. The browser knows the dashboard's scripts from before the
restart. The first view is that of a new server, the second the same page's in another session; the next one is a click away from another
page, which was the first of a new server. `page_s` ends when nothing on the page changes any more; processor seconds are the server's.
Page `peer` is Streamlit with one slider and one figure: its own share. With DPMED_DATA_DIR, of the cohort in that folder.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page

from benchmarks.page import PEER, VIEWPORT, chromium, free_port, served
from benchmarks.page_cohort import FINDINGS, NAME, make
from dpmed_core.engine.keeping import keep_missing
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

PAGES = {
    "peer": "",
    "": "Overview",
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
STILL_SECONDS, LONGEST_SECONDS = 1.0, 120.0
DRAWN = """(left) => {
  const title = document.querySelector('[data-testid="stMain"] h1')?.innerText;
  if (left && (!title || title === left)) return [false, false, true, 0, 0];
  const main = document.querySelector('[data-testid="stMain"]');
  const running = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== 'notRunning';
  const words = main?.innerText.length ?? 0, charts = document.querySelectorAll('.main-svg').length;
  return [!!title, !!main?.querySelector('h2'), running, words, charts];
}"""
"""Whether the title and a headline are there, whether the page is still drawn, and how much of it there is."""


def rows() -> list[dict[str, object]]:
    """One row a page and view: medians over `N_STARTS`."""
    with tempfile.TemporaryDirectory() as folder, chromium() as launched:
        settings = Settings() if os.environ.get("DPMED_DATA_DIR") else _made(Path(folder))
        while keep_missing(settings):
            pass
        return [row for page in PAGES for row in measured(launched, settings, page)]


def _made(folder: Path) -> Settings:
    settings = Settings(data_dir=folder)
    make(Installation.open(settings))
    return settings


def measured(launched: Browser, settings: Settings, page: str, *, n_starts: int = N_STARTS) -> list[dict[str, object]]:
    """The views of one page."""
    views: dict[str, list[dict[str, float]]] = {"first": [], "second": [], "next": []}
    script = PEER if page == "peer" else "app.py"
    name = Installation.open(settings).cohorts.names()[0]
    about = f"?cohort={name}&finding={FINDINGS[0] if name == NAME else MACRO}"
    before, path = (f"{'privacy_utility' if page == '' else ''}{about}", f"{page}{about}" if page != "peer" else "")
    port = free_port()
    with launched.new_context(viewport=VIEWPORT) as context:
        for start in range(n_starts + 1):
            seen = {}
            with _served(settings, script, port) as (url, server), closing(context.new_page()) as one, closing(context.new_page()) as other:
                for view, tab in (("first", one), ("second", other)):
                    seen[view] = _viewed(tab, server, partial(tab.goto, f"{url}/{path}", wait_until="commit"))
            if page != "peer":
                with _served(settings, script, port) as (url, server), closing(context.new_page()) as tab:
                    _viewed(tab, server, partial(tab.goto, f"{url}/{before}", wait_until="commit"))
                    link = tab.get_by_role("link", name=PAGES[page], exact=True)
                    title = tab.locator("h1").inner_text()
                    seen["next"] = _viewed(tab, server, link.click, left=title)
            if start:  # before the first restart the browser gets to know the scripts
                for view, found in seen.items():
                    views[view].append(found)
    return [
        {
            "page": page or "overview",
            "view": name,
            **{of: round(statistics.median(one[of] for one in view), 2) for of in view[0]},
            "slowest_page_s": round(max(one["page_s"] for one in view), 2),
        }
        for name, view in views.items()
        if view
    ]


@contextmanager
def _served(settings: Settings, script: str, port: int) -> Iterator[tuple[str, psutil.Process]]:
    with served(settings, script, port=port) as url:
        (server,) = (one for one in psutil.Process().children() if "streamlit" in " ".join(one.cmdline()))
        yield url, server


def _viewed(tab: Page, server: psutil.Process, go: Callable[[], object], *, left: str = "") -> dict[str, float]:
    """Seconds from `go` until title, headline and the whole page are there; `left`: the title of the page that is left."""
    used, began = _processor_seconds(server), time.perf_counter()
    go()
    seen, last, changed = dict[str, float](), None, began
    while (now := time.perf_counter()) - changed < STILL_SECONDS or (last or [0, 0, True])[2]:
        if now - began > LONGEST_SECONDS:
            raise SystemExit(f"A page was not drawn within {LONGEST_SECONDS:.0f} seconds.")
        state = tab.evaluate(DRAWN, left)
        for at, name in enumerate(("title_s", "headline_s")):
            if state[at]:
                seen.setdefault(name, now - began)
        if state != last:
            last, changed = state, now
        tab.wait_for_timeout(20)
    return {
        **{name: seen.get(name, changed - began) for name in ("title_s", "headline_s")},
        "page_s": changed - began,
        "server_cpu_s": _processor_seconds(server) - used,
    }


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
