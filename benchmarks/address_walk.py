"""A random walk over pages, gestures, Back, Forward and reloads in a real browser, with messages delayed and a busy machine.

After each act that has come to rest, what the slider, the sentence and the address say is compared with the last gesture or address.
"""

import multiprocessing
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
from playwright.sync_api import Page

from benchmarks.address_walk_store import EPSILONS, NAME, make
from benchmarks.page import VIEWPORT, chromium, served
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

LONGEST = 120_000
"""Milliseconds that a busy machine may take."""
PAGES = {"privacy_utility": "Privacy and utility", "fairness": "Fairness", "cases": "Cases"}
N_ACTS, MOST_DELAY = 40, 400
RESTING = 500
"""Milliseconds without a message after which a page is at rest: a slider waits before it sends what it was moved to."""
SLIDER_HOLDS = 400
"""Milliseconds: for 300 of them, the axis holds a choice by keyboard back, to send the last of several."""
IMPATIENT = 0.25
"""Share of acts that do not wait for what the one before them does."""
DEFAULT = "1"
"""The budget of an address that names none."""

DELAYS = r"""(most) => {
  const delay = () => Math.random() * most;
  window.inFlight = 0;
  const line = () => {
    const waiting = [];
    let due = 0;
    return (what) => {
      due = Math.max(due, performance.now() + delay());
      window.inFlight += 1;
      waiting.push(what);
      setTimeout(() => { window.inFlight -= 1; waiting.shift()(); }, due - performance.now());
    };
  };
  window.WebSocket = class extends WebSocket {
    sent = line();
    received = line();
    send(data) { this.sent(() => { if (this.readyState === 1) super.send(data); }); }
    addEventListener(type, listener, ...more) {
      super.addEventListener(type, type === 'message' ? (event) => this.received(() => listener(event)) : listener, ...more);
    }
  };
}"""
"""Holds every message back for a random time, in both directions, in their order."""

MOVE = """(by) => {
  const entry = navigation.entries()[navigation.currentEntry.index + by];
  if (!entry?.url || new URL(entry.url).pathname === '/') return null;
  // As Back and Forward do, to the entry that is next now: a gesture's own may come while the browser is on its way.
  setTimeout(() => navigation.traverseTo(entry.key));
  return [entry.key, entry.url];
}"""
AT_REST = """(page) => {
  const app = document.querySelector('[data-testid="stApp"]');
  return window.inFlight === 0 && app?.dataset.testScriptState === 'notRunning' && location.pathname === `/${page}`
    && !location.search.match(/[?&](entry|moved)=/) && document.querySelector('h1') && document.querySelector('.dpmed-axis-rail');
}"""
TAKES_INPUT = """() => document.querySelector('.dpmed-axis-rail') && !document.querySelector('[data-testid="stMain"]').inert"""
SHOWN = """() => ({
  key: navigation.currentEntry.key,
  place: navigation.currentEntry.index,
  slider: document.querySelector('.dpmed-axis-rail')?.getAttribute('aria-valuenow'),
  sentences: [...document.querySelectorAll('h2, h3, h4, h5')].map((one) => one.textContent).filter((text) => text.includes('ε = ')),
})"""


@dataclass
class Seen:
    """What was on the screen once a page had come to rest."""

    key: str
    place: int
    page: str
    slider: str
    said: set[str]


@dataclass
class Walk:
    """A walk of a browser's tab, and what must be on the screen.

    Attributes:
        page: the tab.
        url: of the dashboard.
        chance: decides what is done.
        epsilon: the budget that the last gesture or address said.
        path: the page that is open.
        entries: for each entry of the history that came to rest, what it showed.
        wrong: what was not as it must be.
        added: how many entries of the history each act added, by act, where it was waited for.
        done: how often each act was done.
    """

    page: Page
    url: str
    chance: random.Random
    epsilon: str = DEFAULT
    path: str = "privacy_utility"
    entries: dict[str, Seen] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    added: dict[str, Counter[int]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    last: Seen | None = None

    def walk(self, n_acts: int, *, impatient: float = IMPATIENT) -> None:
        """Do so many acts."""
        self.visit(bare=False)
        while self.done.total() < n_acts:
            act = self.chance.choices(("visit", "gesture", "click", "back", "forward", "reload"), (1, 6, 4, 5, 3, 1))[0]
            self.do(act, waits=self.chance.random() >= impatient or self.done.total() >= n_acts - 1)

    def do(self, act: str, *, waits: bool = True) -> None:
        """Do one act, and look at what came of it, unless the next one comes at once."""
        before = self.last
        must = {"visit": self.visit, "gesture": self.gesture, "click": self.click, "reload": self.reload}.get(act)
        expected: Seen | None = None
        if must is not None:
            must()
        else:
            expected = self.move(act)
        self.done[act] += 1
        # An address that leaves the budget open says nothing before its page is drawn.
        if not waits and epsilon_in(self.page.url):
            self.last = None
            self.page.wait_for_timeout(self.chance.random() * 300)
            return
        seen = self.look(act)
        if expected is not None and before is not None and (seen.page, seen.slider) != (expected.page, expected.slider):
            self.wrong.append(f"{act}: {seen.page} at {seen.slider} instead of {expected.page} at {expected.slider}")
        if before is not None and act in ("gesture", "click"):
            self.added.setdefault(act, Counter())[seen.place - before.place] += 1

    def look(self, act: str) -> Seen:
        """What is on the screen once the page is at rest, compared with what was said last."""
        self.page.wait_for_function(AT_REST, arg=self.path, timeout=LONGEST)
        # The last messages of a run may lead to another one.
        self.page.wait_for_timeout(RESTING)
        self.page.wait_for_function(AT_REST, arg=self.path, timeout=LONGEST)
        found = self.page.evaluate(SHOWN)
        said = {match for text in found["sentences"] for match in re.findall(r"ε = ([\d.]+\d|\d)", text)}
        seen = Seen(found["key"], found["place"], self.path, found["slider"], said | {epsilon_in(self.page.url) or "nothing"})
        if {seen.slider} | seen.said != {self.epsilon}:
            self.wrong.append(f"{self.done.total()} {act}: {seen.slider} and {sorted(seen.said)} instead of {self.epsilon} on {seen.page}")
            self.epsilon = seen.slider  # one fault is counted once
        self.last = self.entries[seen.key] = seen
        return seen

    def visit(self, *, bare: bool | None = None) -> None:
        """Open an address, which names a budget or leaves it open."""
        bare = self.chance.random() < 0.3 if bare is None else bare
        self.path, self.epsilon = self.chance.choice(list(PAGES)), DEFAULT if bare else self.chance.choice(EPSILONS)
        self.page.goto(f"{self.url}/{self.path}?cohort={NAME}" + ("" if bare else f"&epsilon={self.epsilon}"))

    def gesture(self) -> None:
        """Move the slider by one stop; what it shows then was said."""
        self.page.wait_for_function(TAKES_INPUT, timeout=LONGEST)
        slider = self.page.get_by_role("slider").first
        before = slider.get_attribute("aria-valuenow", timeout=LONGEST)
        ends = {EPSILONS[0]: "ArrowRight", EPSILONS[-1]: "ArrowLeft"}
        slider.press(ends.get(str(before)) or self.chance.choice(("ArrowLeft", "ArrowRight")), timeout=LONGEST)
        after = slider.get_attribute("aria-valuenow", timeout=LONGEST)
        self.epsilon = self.epsilon if after == before else str(after)
        self.page.wait_for_timeout(SLIDER_HOLDS)

    def click(self) -> None:
        """Click on the name of another page."""
        self.path = self.chance.choice([path for path in PAGES if path != self.path])
        self.page.get_by_role("link", name=PAGES[self.path], exact=True).click(timeout=LONGEST)

    def reload(self) -> None:
        """Load the address again; it says what is chosen."""
        self.epsilon = epsilon_in(self.page.url) or DEFAULT
        self.path = urlsplit(self.page.url).path.strip("/")
        self.page.reload()

    def move(self, act: str) -> Seen | None:
        """Go back or forward, where there is something of this walk; the entry's address says what is chosen."""
        found = self.page.evaluate(MOVE, -1 if act == "back" else 1)
        if found is None:
            return None
        key, there = found
        self.page.wait_for_function("(key) => navigation.currentEntry.key === key", arg=key, timeout=LONGEST)
        self.path, self.epsilon = urlsplit(there).path.strip("/"), epsilon_in(there) or DEFAULT
        return self.entries.get(key)


def epsilon_in(url: str) -> str | None:
    """The budget that an address names."""
    return parse_qs(urlsplit(url).query).get("epsilon", [None])[-1]


def rows(n_acts: int = N_ACTS) -> list[dict[str, object]]:
    """One row: acts, how many ended with another budget than was said, and the entries that a gesture and a click added to the history."""
    with tempfile.TemporaryDirectory() as folder, chromium() as launched:
        settings = Settings(data_dir=Path(folder))
        make(settings, Installation.open(settings))
        tab = launched.new_context(viewport=VIEWPORT).new_page()
        tab.add_init_script(f"({DELAYS})({MOST_DELAY})")
        with served(settings, "app.py") as url, busy_machine():
            walk = Walk(tab, url, random.Random(n_acts))
            walk.walk(n_acts)
    return [row_of(walk)]


def row_of(walk: Walk) -> dict[str, object]:
    """What came of a walk, as a row; what was wrong stands on the error output in words."""
    for fault in walk.wrong:
        click.echo(fault, err=True)
    counts = {act: walk.done[act] for act in ("visit", "gesture", "click", "back", "forward", "reload")}
    entries = {f"entries_per_{act}": _per_act(walk, act) for act in ("gesture", "click")}
    return {"n_acts": walk.done.total(), "wrong": len(walk.wrong), **counts, **entries}


def _per_act(walk: Walk, act: str) -> str:
    return ", ".join(f"{added} ({times} times)" for added, times in sorted(walk.added.get(act, Counter()).items()))


@contextmanager
def busy_machine() -> Iterator[None]:
    """Another process that computes all the time."""
    process = multiprocessing.get_context("spawn").Process(target=_compute, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _compute() -> None:
    while True:
        sum(range(100_000))
