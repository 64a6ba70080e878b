"""A served dashboard on a data folder of its own, and a headless browser to look at it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dpmed_core.engine.process import address, engine_is_alive
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.settings import Settings, settings_environment
from tests.finished_runs import demo

__all__ = ["demo"]

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
N_IMAGES = 200
START_SECONDS = 300
LONGEST = 120_000
"""Milliseconds that a busy machine may take; nothing here measures speed."""
FIRST_PORT, PORTS_EACH = 20_000, 500
GIVEN: set[int] = set()
"""Ports that `free_port` gave in this process."""
"""Below the ports that systems hand out by themselves: one of those may be taken before the dashboard has opened it."""


@dataclass
class Dashboard:
    """A dashboard that a test can kill and start again."""

    settings: Settings
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        environment = settings_environment(self.settings)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port), *self.options]
        with (self.settings.data_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.settings.data_dir / "server.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def kill_engine(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while engine_is_alive(self.settings) and time.monotonic() < deadline:
            if known := address(self.settings):
                os.kill(int(str(known["pid"])), signal.SIGKILL)
                return
            time.sleep(0.1)  # it has just been started, and has not written its address yet

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1):
                return True
        except OSError:
            return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    expect.set_options(timeout=LONGEST)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """One tab for a file: a new one would compile Streamlit's and Plotly's scripts again, which takes longer than most tests do."""
    with browser.new_context() as context:
        opened = context.new_page()
        opened.set_default_timeout(LONGEST)
        yield opened


@pytest.fixture
def page(tab: Page) -> Page:
    """The tab, as wide and as light as at first; each test goes to an address of its own."""
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1440, "height": 1000})
    return tab


@pytest.fixture
def dashboard(data_dir: Path) -> Iterator[Dashboard]:
    served = _dashboard(data_dir)
    yield served
    served.kill()
    served.kill_engine()


@pytest.fixture(scope="module")
def own_dashboard(tmp_path_factory: pytest.TempPathFactory, fixed_key: bytes) -> Iterator[Dashboard]:
    """One dashboard for all tests of a file, on a data folder with nothing but its key; not started yet."""
    data_dir = tmp_path_factory.mktemp("served")
    (data_dir / KEY_FILE).write_bytes(fixed_key)
    served = _dashboard(data_dir)
    yield served
    served.kill()
    served.kill_engine()


def _dashboard(data_dir: Path) -> Dashboard:
    return Dashboard(Settings(data_dir=data_dir, demo_cases=N_IMAGES, workers=1), free_port())


def free_port() -> int:
    """A port that nothing listens on, of those of this process of a parallel test run; none is given twice, since it may be used later."""
    first = FIRST_PORT + PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = first + secrets.randbelow(PORTS_EACH)
        with socket.socket() as probe:
            if port not in GIVEN and probe.connect_ex(("localhost", port)):
                GIVEN.add(port)
                return port
