"""First views of every page after a restart, with a cohort of the paper's size: `python -m benchmarks cold-pages`.

The engine has computed what pages show, as it does when it has nothing to train. Each server is new; the first view is a page's, the second
the same page's in another browser window. `page_s` ends when nothing on the page changes any more; processor seconds are the server's.
"""

import statistics
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from benchmarks.page import VIEWPORT, served
from benchmarks.page_cohort import FINDINGS, NAME, make
from dpmed_core.engine.keeping import keep_missing
from dpmed_core.installation import Installation
from dpmed_core.reporting.static_images import browser
from dpmed_core.settings import Settings

PAGES = ("", "privacy_utility", "fairness", "cases", "privacy", "train", "status")
N_STARTS = 5
"""Servers for each page."""
STILL_SECONDS, LONGEST_SECONDS = 1.0, 120.0
DRAWN = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  const running = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== 'notRunning';
  const words = main?.innerText.length ?? 0, charts = document.querySelectorAll('.main-svg').length;
  return [!!main?.querySelector('h1'), !!main?.querySelector('h2'), running, words, charts];
}"""
"""Whether the title and a headline are there, whether the page is still drawn, and how much of it there is."""


def rows() -> list[dict[str, object]]:
    """One row a page and view: medians over `N_STARTS`."""
    path = browser()
    if path is None:
        raise SystemExit("No Chrome or Chromium was found: install one to measure pages.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Settings(data_dir=Path(folder))
        make(Installation.open(settings))
        while keep_missing(settings):
            pass
        launched = playwright.chromium.launch(executable_path=str(path), args=["--no-sandbox", "--disable-gpu"])
        found = [row for page in PAGES for row in measured(launched, settings, page)]
        launched.close()
    return found


def measured(launched: Browser, settings: Settings, page: str, *, n_starts: int = N_STARTS) -> list[dict[str, object]]:
    """Both views of one page."""
    views: dict[str, list[dict[str, float]]] = {"first": [], "second": []}
    for _ in range(n_starts):
        with served(settings, "app.py") as url:
            (server,) = (one for one in psutil.Process().children() if "streamlit" in " ".join(one.cmdline()))
            for view in views.values():
                view.append(_viewed(launched, server, f"{url}/{page}?cohort={NAME}&finding={FINDINGS[0]}"))
    return [
        {
            "page": page or "overview",
            "view": name,
            **{of: round(statistics.median(one[of] for one in view), 2) for of in view[0]},
            "slowest_page_s": round(max(one["page_s"] for one in view), 2),
        }
        for name, view in views.items()
    ]


def _viewed(launched: Browser, server: psutil.Process, url: str) -> dict[str, float]:
    with launched.new_context(viewport=VIEWPORT) as context:
        tab, used, began = context.new_page(), _processor_seconds(server), time.perf_counter()
        tab.goto(url, wait_until="commit")
        seen, last, changed = dict[str, float](), None, began
        while (now := time.perf_counter()) - changed < STILL_SECONDS or (last or [0, 0, True])[2]:
            if now - began > LONGEST_SECONDS:
                raise SystemExit(f"A page was not drawn within {LONGEST_SECONDS:.0f} seconds.")
            state = tab.evaluate(DRAWN)
            for at, name in enumerate(("title_s", "headline_s")):
                if state[at]:
                    seen.setdefault(name, now - began)
            if state != last:
                last, changed = state, now
            tab.wait_for_timeout(20)
        return {
            "title_s": seen["title_s"],
            "headline_s": seen.get("headline_s", changed - began),
            "page_s": changed - began,
            "server_cpu_s": _processor_seconds(server) - used,
        }


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
