"""Response of the budget axis in a browser: while it is dragged, and after it is let go, on the pages whose figures follow it.

Measured with the engine idle on `nih1000` (real radiographs and probes; where `DPMED_REAL_COHORTS` names its folder), or, where
`DPMED_DATA_DIR` is set, on the cohort there that has most trained budgets. Beside it stands what Streamlit alone takes for one slider and
one figure.
"""

import base64
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.cases import import_nih
from benchmarks.page import LONGEST_SECONDS, MOVES, PEER, SETTLING_MILLISECONDS, VIEWPORT, chromium, peer_moves, served, summary
from dpmed_core.engine.inline_training import train_inline
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit

EPSILONS, SEEDS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0), 2
PAGES = ("", "privacy_utility", "fairness", "meeting")
N_FRAMES = 200
FLAT = 4.0
"""Standard deviation of grey levels below which a picture of the figure's part of the screen counts as empty."""
KILOBYTE = 1024

DRAGGED = """(expected) => {
  let began = null;
  document.addEventListener('pointermove', (event) => { began ??= event.timeStamp; }, { capture: true, once: true });
  const followers = [...document.querySelectorAll('.dpmed-budget[data-budget]:not(.dpmed-still)')];
  const shown = () => document.querySelector('.dpmed-axis-value').textContent === `ε = ${expected}`
    && followers.every((one) => one.dataset.budget === expected);
  window.moved = new Promise((done) => {
    const end = () => setTimeout(() => done([performance.now() - began, drawn]), 0);
    let drawn = false;
    const watcher = new MutationObserver(() => {
      if (began === null || !shown()) return;
      watcher.disconnect();
      const late = setTimeout(end, 1000);
      requestAnimationFrame(() => { clearTimeout(late); drawn = true; end(); });
    });
    watcher.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""
"""Starts a clock at the next move of the mouse; `window.moved` gives the milliseconds until words and figures show the expected
budget and the browser has drawn a frame, and whether it had (it need not where nobody looks)."""

RELEASED = """(expected) => {
  let began = null;
  document.addEventListener('pointerup', (event) => { began = event.timeStamp; }, { capture: true, once: true });
  const app = document.querySelector('[data-testid="stApp"]');
  const titles = () => [...document.querySelectorAll('.js-plotly-plot')].map((plot) =>
    (plot.layout?.title?.subtitle?.text ?? '').replaceAll('<br>', ' ').match(/ε = ([\\d.]+) at/)?.[1]);
  const whole = () => app.dataset.testScriptState === 'notRunning' && titles().every((e) => !e || e === expected)
    && !document.documentElement.hasAttribute('data-dpmed-waiting') && new URLSearchParams(location.search).get('epsilon') === expected;
  window.released = new Promise((done) => {
    const watcher = new MutationObserver(() => {
      if (began === null || !whole()) return;
      watcher.disconnect();
      setTimeout(() => done(performance.now() - began), 0);
    });
    watcher.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""
"""Starts a clock when the mouse is let go; `window.released` gives the milliseconds until the whole page is about the expected budget."""

PLACES = """() => {
  const box = document.querySelector('.dpmed-axis-rail').getBoundingClientRect();
  return [...document.querySelectorAll('.dpmed-axis-label')].map((label) =>
    [label.textContent, box.left + box.width * parseFloat(label.style.left) / 100, box.top + 18]);
}"""


class Traffic:
    """What a page's WebSocket carries; refreshes by the clock are not counted as sent."""

    def __init__(self, page: Page) -> None:
        self.n_sent, self.received = 0, 0
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._came)

    def _sent(self, frame: "str | bytes") -> None:
        message = BackMsg()
        message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
        self.n_sent += not message.rerun_script.is_auto_rerun

    def _came(self, frame: "str | bytes") -> None:
        self.received += len(frame)


def rows() -> list[dict[str, object]]:
    """A row for Streamlit alone, and one for each page."""
    with tempfile.TemporaryDirectory() as folder, chromium() as launched:
        settings = Settings() if os.environ.get("DPMED_DATA_DIR") else _real(Path(folder))
        name = _cohort(Installation.open(settings))
        page = launched.new_context(viewport=VIEWPORT).new_page()
        page.set_default_timeout(LONGEST_SECONDS * 1000)
        with served(settings, PEER) as url:
            page.goto(url)
            page.wait_for_selector(".js-plotly-plot")
            page.wait_for_timeout(SETTLING_MILLISECONDS)
            found: list[dict[str, object]] = [{"case": "streamlit-alone", **_named("released", summary(peer_moves(page)))}]
        page.context.close()
        with served(settings, "app.py") as url:
            found += [_measured(launched.new_context(viewport=VIEWPORT).new_page(), url, name, of_page) for of_page in PAGES]
    return found


def _measured(page: Page, url: str, name: str, of_page: str) -> dict[str, object]:
    """One page: a drag over all budgets again and again, each let go, then a recording of the screen meanwhile."""
    page.set_default_timeout(LONGEST_SECONDS * 1000)
    traffic = Traffic(page)
    page.goto(f"{url}/{of_page}?cohort={name}&attribute=sex")
    page.locator(".dpmed-figure .main-svg").first.wait_for()
    page.wait_for_timeout(2 * SETTLING_MILLISECONDS)
    opened = traffic.received
    places = page.evaluate(PLACES)
    dragged, released, sent = [], [], 0
    for move in range(MOVES):
        to = places[move % len(places)]
        over = places[(move + 4) % len(places)]
        page.mouse.move(*places[(move + 2) % len(places)][1:])
        page.mouse.down()
        before = traffic.n_sent
        for stop in (over, to):
            page.evaluate(DRAGGED, stop[0])
            page.mouse.move(*stop[1:])
            dragged.append(page.evaluate("window.moved"))
        sent += traffic.n_sent - before
        page.evaluate(RELEASED, to[0])
        page.mouse.up()
        released.append(page.evaluate("window.released"))
        page.wait_for_timeout(150)
    empty, n_frames = _recorded(page, places)
    return {
        "case": of_page or "overview",
        "n_budgets": len(places),
        **_named("dragged", summary(iter(took for took, _ in dragged))),
        "frames_drawn": sum(drawn for _, drawn in dragged),
        "sent_while_dragged": sent,
        **_named("released", summary(iter(released))),
        "opened_kb": round(opened / KILOBYTE),
        "gesture_kb": round((traffic.received - opened) / (MOVES + len(places)) / KILOBYTE),
        "recorded_frames": n_frames,
        "frames_without_chart": empty,
    }


def _recorded(page: Page, places: list[Any]) -> tuple[int, int]:
    """Of `N_FRAMES` pictures of the screen, taken while the axis is dragged and let go: how many show no chart; how many were taken."""
    box = page.locator(".dpmed-figure.js-plotly-plot").first.bounding_box()
    assert box is not None
    frames: list[str] = []
    session = page.context.new_cdp_session(page)

    def take(event: dict[str, Any]) -> None:
        frames.append(event["data"])
        session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    session.on("Page.screencastFrame", take)
    session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
    for turn in range(20 * len(places)):
        if len(frames) >= N_FRAMES:
            break
        page.mouse.move(*places[turn % len(places)][1:])
        page.mouse.down()
        page.mouse.move(*places[(turn + 3) % len(places)][1:], steps=6)
        page.mouse.up()
        page.wait_for_timeout(700)
    session.send("Page.stopScreencast")
    return sum(_is_empty(frame, box) for frame in frames), len(frames)


def _is_empty(frame: str, box: Any) -> bool:
    """Whether a picture of the screen is of one colour where the plot stands: below the title, right of the labels."""
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(frame))).convert("L"), float)
    scale = grey.shape[1] / VIEWPORT["width"]
    top, left = int((box["y"] + 0.3 * box["height"]) * scale), int((box["x"] + 0.2 * box["width"]) * scale)
    return bool(grey[top : int((box["y"] + 0.8 * box["height"]) * scale), left : int((box["x"] + box["width"]) * scale)].std() < FLAT)


def _named(what: str, numbers: dict[str, object]) -> dict[str, object]:
    return {f"{what}_{name}": value for name, value in numbers.items()}


def _cohort(installation: Installation) -> str:
    """The cohort of most trained budgets."""
    budgets: dict[str, set[float]] = {name: set() for name in installation.cohorts.names()}
    for name, known in budgets.items():
        runs = installation.runs.of_cohort(installation.cohorts.fingerprint(name))
        known.update(run.spec.privacy.epsilon for run in runs if run.spec.privacy)
    return max(budgets, key=lambda name: len(budgets[name]))


def _real(folder: Path) -> Settings:
    """An installation in `folder` with the real cohort and its models."""
    if not (real := os.environ.get("DPMED_REAL_COHORTS")):
        raise SystemExit("Set DPMED_REAL_COHORTS to the folder of real cohorts, or DPMED_DATA_DIR to one with trained models.")
    installation = Installation.open(Settings(data_dir=folder))
    import_nih(installation, Path(real) / "nih1000")
    cohort = installation.cohorts.load("nih1000")
    asked = {"recipe": "probe", "epsilons": EPSILONS, "n_seeds": SEEDS, "delta": None, "unit": PrivacyUnit.PATIENT}
    train_inline(installation, cohort, plan_runs(cohort, key=installation.key, **asked))
    return installation.settings
