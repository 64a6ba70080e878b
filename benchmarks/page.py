"""Response time of the fairness page to a move of the slider, in a browser, with a cohort of the paper's size.

Measured with the engine idle and with two workers training. Cohort and runs are real files of the stores; the scores in them are synthetic,
since only time is measured.
"""

import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import torch
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from benchmarks.page_cohort import EPSILONS, FINDINGS, N_SEEDS, N_TEST, NAME, make
from dpmed_core.installation import Installation
from dpmed_core.reporting.static_images import browser
from dpmed_core.settings import Settings, settings_environment

ROOT = Path(__file__).resolve().parents[1]
MOVES = 50
PEER = "benchmarks/page_peer.py"
VIEWPORT: ViewportSize = {"width": 1440, "height": 1000}
LAUNCHED_WITH = ["--no-sandbox", "--disable-gpu"]
SETTLING_MILLISECONDS = 3000
SIZE = {"n_cases": N_TEST, "n_findings": len(FINDINGS), "n_epsilons": len(EPSILONS), "n_runs": (len(EPSILONS) + 1) * N_SEEDS}
ATTRIBUTES = ("sex", "age", "sex*age")
LONGEST_SECONDS = 180
WORKERS, NICENESS = 2, 15

WATCH = r"""([expected, least]) => {
  let pressed = null;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, { capture: true, once: true });
  const shown = (plot) => (plot.layout?.title?.subtitle?.text ?? '').replaceAll('<br>', ' ').match(/ε = ([\d.]+) at/)?.[1];
  const settled = () => {
    const plots = [...document.querySelectorAll('.js-plotly-plot')].map(shown).filter((epsilon) => epsilon);
    const said = [...document.querySelectorAll('h2')].some((heading) => heading.textContent.startsWith(`At ε = ${expected},`));
    return pressed && said && plots.length >= least && plots.every((e) => e === expected);
  };
  window.moved = new Promise((done) => {
    const watcher = new MutationObserver(() => {
      if (!settled()) return;
      watcher.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - pressed), 0));
    });
    watcher.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""
"""Starts a clock at the next key press; `window.moved` gives the milliseconds until sentence and figures show the expected budget."""

N_FIGURES = 2
WHOLE = f"document.querySelectorAll('.js-plotly-plot').length >= {N_FIGURES} && document.body.innerText.includes('Table: ')"


def rows() -> list[dict[str, object]]:
    """One row for the peer and for each attribute, with the engine idle and with two workers training; milliseconds of `MOVES` moves."""
    with tempfile.TemporaryDirectory() as folder, chromium() as launched:
        settings = Settings(data_dir=Path(folder))
        make(Installation.open(settings))
        found = []
        for n_workers in (0, WORKERS):
            with workers(n_workers):
                found += measured(launched.new_context(viewport=VIEWPORT).new_page(), settings, n_workers)
    return found


def measured(page: Page, settings: Settings, n_workers: int) -> Iterator[dict[str, object]]:
    """The rows of one state of the engine; the peer, Streamlit with one slider and figure, is measured just before, on the same machine."""
    state = {"engine": f"{n_workers} workers training" if n_workers else "idle"}
    with served(settings, PEER) as url:
        page.goto(url)
        page.wait_for_selector(".js-plotly-plot", timeout=LONGEST_SECONDS * 1000)
        page.wait_for_timeout(SETTLING_MILLISECONDS)
        yield {"case": "streamlit-alone", **state, **summary(_moves(page, 1))}
    with served(settings, "app.py") as url:
        for attribute in ATTRIBUTES:
            began = time.perf_counter()
            page.goto(f"{url}/fairness?cohort={NAME}&finding={FINDINGS[0]}&attribute={attribute}&epsilon={EPSILONS[0]:g}")
            page.wait_for_selector("h2", timeout=LONGEST_SECONDS * 1000)
            sentence = time.perf_counter() - began
            page.wait_for_function(WHOLE, timeout=LONGEST_SECONDS * 1000)
            whole = time.perf_counter() - began
            page.wait_for_timeout(SETTLING_MILLISECONDS)
            moved = summary(_moves(page, N_FIGURES))
            yield {
                "case": f"fairness-{attribute}",
                **state,
                **SIZE,
                **moved,
                "sentence_s": round(sentence, 1),
                "whole_page_s": round(whole, 1),
            }


def summary(moves: Iterator[float]) -> dict[str, object]:
    """Median, ninth decile and longest of `moves`, in milliseconds."""
    times = sorted(moves)
    return {
        "n_moves": len(times),
        "median_ms": round(statistics.median(times)),
        "p90_ms": round(times[int(0.9 * len(times))]),
        "longest_ms": round(times[-1]),
    }


def peer_moves(page: Page) -> Iterator[float]:
    """Milliseconds from each key press until the peer shows the new budget."""
    yield from _moves(page, 1)


def _moves(page: Page, n_figures: int) -> Iterator[float]:
    """Milliseconds from each key press until the whole page shows the new budget, forward and back over all budgets."""
    at, step = 0, 1
    for _ in range(MOVES):
        if not 0 <= at + step < len(EPSILONS):
            step = -step
        at += step
        page.get_by_role("slider").focus()
        page.evaluate(WATCH, [f"{EPSILONS[at]:g}", n_figures])
        page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
        yield float(page.evaluate("window.moved"))
        page.wait_for_timeout(150)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chrome or Chromium, as this machine has it; its contexts are private windows."""
    with sync_playwright() as playwright, closing(playwright.chromium.launch(executable_path=_path(), args=LAUNCHED_WITH)) as launched:
        yield launched


@contextmanager
def profile() -> Iterator[BrowserContext]:
    """A browser with a profile on disk: unlike a private window, it keeps from one visit to the next what it has compiled of scripts."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        launch = playwright.chromium.launch_persistent_context
        with closing(launch(folder, executable_path=_path(), args=LAUNCHED_WITH, viewport=VIEWPORT)) as context:
            yield context


def _path() -> str:
    if (path := browser()) is None:
        raise SystemExit("No Chrome or Chromium was found: install one to measure pages.")
    return str(path)


@contextmanager
def served(settings: Settings, script: str, *, port: int | None = None) -> Iterator[str]:
    """The address of a server that runs `script` on the data folder of `settings`; on a free port where none is given."""
    port = port or free_port()
    environment = {**settings_environment(settings), "DPMED_DEMO": "0"}
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    with (settings.data_dir / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_served(f"http://localhost:{port}/_stcore/health")
        yield f"http://localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_served(address: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("The dashboard did not start.")


@contextmanager
def workers(number: int) -> Iterator[None]:
    """`number` processes that train a small network on one thread each, with the priority of the engine's workers."""
    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=_train, daemon=True) for _ in range(number)]
    for process in busy:
        process.start()
    try:
        if busy:
            time.sleep(8)
        yield
    finally:
        for process in busy:
            process.kill()


def _train() -> None:
    os.nice(NICENESS)
    torch.set_num_threads(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.Mish(), torch.nn.Conv2d(32, 32, 3, padding=1))
    images = torch.randn(64, 1, 64, 64)
    while True:
        network.zero_grad()
        network(images).square().mean().backward()
