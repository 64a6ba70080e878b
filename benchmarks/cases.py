"""Response times of the page Cases in a browser: to the next case with image and scores, to a slice, while dragging the window.

Measured with the engine idle and while it trains, on `nih1000` (real images and probes; where `DPMED_REAL_COHORTS` names its folder), the
CT demo, and a cohort of the paper's size. The last two have real files in the stores and synthetic scores, since only time is measured.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks import page_cohort
from benchmarks.page import LONGEST_SECONDS, MOVES, ROOT, VIEWPORT, WORKERS, chromium, served, summary, workers
from dpmed_core.cohort.demo.ct import add_demo_ct
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.inline_training import train_inline
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.recipes.catalogue import recipes_for
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit, RunSpec

SCANS = 150
EPSILONS, SEEDS = (1.0, 8.0), 3
NIH_FINDINGS = "atelectasis,cardiomegaly,effusion,infiltration"
SIDE = 512
SECONDS = 4.0
SETTLING_MILLISECONDS = 3000
BETWEEN_MILLISECONDS = 150

SETUP = f"""() => {{
  window.box = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.viewer')).find((found) => found);
  window.position = () => [...document.querySelectorAll('p')].map((p) => p.textContent).find((text) => /^Case [\\d,]+ of /.test(text));
  window.wide = () => {{
    const style = document.createElement('style');
    style.textContent = '.viewer {{ width: max-content; }} .pane.main {{ width: {SIDE}px !important; height: {SIDE}px !important; }}' +
      '.panes.cuts {{ grid-template-columns: {SIDE}px {SIDE // 2}px; aspect-ratio: auto; }}';
    box.append(style);
  }};
  window.canvas = () => box.querySelector('.pane.main canvas, .pane canvas');
}}"""

SWITCH = """() => {
  const before = [box.dataset.shown, position()];
  let pressed = null;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, { capture: true, once: true });
  window.switched = new Promise((done) => {
    const look = () => {
      if (pressed && box.dataset.shown !== before[0] && position() && position() !== before[1]) {
        setTimeout(() => done(performance.now() - pressed), 0);
      } else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""
"""Starts a clock at the next key press; `window.switched` gives the milliseconds until image and text show another case."""

DRAG = f"""async () => {{
  const one = canvas(), side = [one.width, one.height];
  one.setPointerCapture = () => {{}};
  const at = (x) => ({{ clientX: 300 + x, clientY: 300 + x / 2, bubbles: true, pointerId: 1 }});
  const fire = (kind, x) => one.dispatchEvent(new PointerEvent(kind, at(x)));
  fire('pointerdown', 0);
  const draws = Number(one.dataset.draws), began = performance.now();
  for (let x = 4; performance.now() - began < {SECONDS * 1000}; x = (x + 1) % 200 + 4) {{
    fire('pointermove', x);
    await new Promise(requestAnimationFrame);
  }}
  const frames = (Number(one.dataset.draws) - draws) / (performance.now() - began) * 1000;
  fire('pointerup', 5);
  return [frames, ...side];
}}"""
"""Frames per second while window and level are dragged, and the size of the canvas in pixels."""

SCROLL = """async () => {
  const one = canvas(), asked = performance.getEntriesByType('resource').length;
  const send = WebSocket.prototype.send;
  let sent = 0;
  WebSocket.prototype.send = function (...all) { sent += 1; send.apply(this, all); };
  const times = [];
  for (let slice = 0; slice < 64; slice++) {
    const draws = one.dataset.draws, began = performance.now();
    one.dispatchEvent(new WheelEvent('wheel', { deltaY: slice < 32 ? 100 : -100, bubbles: true, cancelable: true }));
    while (one.dataset.draws === draws) await new Promise(requestAnimationFrame);
    times.push(performance.now() - began);
  }
  WebSocket.prototype.send = send;
  return [times.sort((a, b) => a - b)[32], performance.getEntriesByType('resource').length - asked + sent];
}"""
"""Median milliseconds from a turn of the wheel to the drawn slice, over 64 slices, and the number of requests to the server."""


def rows() -> list[dict[str, object]]:
    """One row per cohort, with the engine idle and with two workers training."""
    with tempfile.TemporaryDirectory() as folder, chromium() as launched:
        settings = Settings(data_dir=Path(folder))
        cohorts = list(_cohorts(Installation.open(settings)))
        with served(settings, "app.py") as url:
            found = []
            for n_workers in (0, WORKERS):
                with workers(n_workers):
                    state = f"{n_workers} workers training" if n_workers else "idle"
                    for cohort in cohorts:
                        page = launched.new_context(viewport=VIEWPORT).new_page()
                        found.append({"case": cohort.name, "engine": state, **_measured(page, url, cohort)})
                        page.context.close()
    return found


def _measured(page: Page, url: str, cohort: Cohort) -> dict[str, object]:
    page.set_default_timeout(LONGEST_SECONDS * 1000)
    page.goto(f"{url}/cases?cohort={cohort.name}&finding={cohort.findings[0]}")
    page.locator(".viewer[data-shown]").wait_for()
    page.wait_for_timeout(SETTLING_MILLISECONDS)
    page.evaluate(SETUP)
    switched = summary(_switches(page))
    page.evaluate("wide()")
    page.wait_for_timeout(BETWEEN_MILLISECONDS)
    frames, width, height = page.evaluate(DRAG)
    seen = {"window_level_fps": round(frames, 1), "viewport": f"{width}x{height}", "renderer": "2D canvas, software"}
    if cohort.images.ndim == 4:
        milliseconds, asked = page.evaluate(SCROLL)
        seen |= {"slice_ms": round(milliseconds, 1), "server_round_trips_of_64_slices": asked}
    return {"n_test_cases": page.evaluate("position()").split(" of ")[1], **switched, **seen}


def _switches(page: Page) -> Iterator[float]:
    """Milliseconds from the key press until image and text show another case: forward, and back where the list ends."""
    n_cases = int(str(page.evaluate("position()")).split(" of ")[1].replace(",", ""))
    for move in range(MOVES):
        page.evaluate(SWITCH)
        page.keyboard.press("n" if move % (2 * n_cases - 2) < n_cases - 1 else "p")
        yield float(page.evaluate("window.switched"))
        page.wait_for_timeout(BETWEEN_MILLISECONDS)


def _cohorts(installation: Installation) -> Iterator[Cohort]:
    if real := os.environ.get("DPMED_REAL_COHORTS"):
        import_nih(installation, Path(real) / "nih1000")
        cohort = installation.cohorts.load("nih1000")
        train_inline(installation, cohort, _specs(installation, cohort))
        yield cohort
    add_demo_ct(installation.cohorts, n_cases=SCANS)
    cohort = installation.cohorts.load("demo-ct")
    rng, split = np.random.default_rng(0), assign_parts(cohort, seed=0, key=installation.key)
    for spec in _specs(installation, cohort):
        noise = 0.0 if spec.privacy is None else 1 / math.sqrt(spec.privacy.epsilon)
        blurred = cohort.labels[held_out_rows(split)] + (0.5 + noise) * rng.normal(size=(len(held_out_rows(split)), 1))
        page_cohort.store(installation, cohort, spec, scores_table(cohort, split, 1 / (1 + np.exp(-blurred))))
    yield cohort
    yield page_cohort.make(installation)


def import_nih(installation: Installation, folder: Path) -> None:
    """Import the real radiographs in `folder` as the cohort `nih1000`."""
    command = ["cohort", "add", "nih1000", "--manifest", str(folder / "manifest.csv"), "--images", str(folder), "--findings", NIH_FINDINGS]
    environment = {**os.environ, "DPMED_DATA_DIR": str(installation.settings.data_dir)}
    subprocess.run([sys.executable, "-m", "dpmed_core", *command], cwd=ROOT, env=environment, check=True, capture_output=True)


def _specs(installation: Installation, cohort: Cohort) -> list[RunSpec]:
    recipe = recipes_for(cohort.modality)[0]
    return plan_runs(cohort, key=installation.key, recipe=recipe, epsilons=EPSILONS, n_seeds=SEEDS, delta=None, unit=PrivacyUnit.PATIENT)
