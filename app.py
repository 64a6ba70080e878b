"""The application object: `streamlit run app.py`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st

from dpmed_core.demo import start_if_empty
from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.runs.status import OPEN_STATES
from dpmed_core.settings import Settings, load_settings
from dpmed_core.uploads.single_case import clear_left_behind
from widgets.viewer.routes import ROUTES
from widgets.viewer.sessions import pixel_grants

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Start the first demo where nothing was ever stored; while the server runs, keep an engine alive as long as there is work."""
    del app
    settings = load_settings()
    await asyncio.to_thread(start_if_empty, settings)
    watch = asyncio.create_task(_keep_engine(settings))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _keep_engine(settings: Settings) -> None:
    while True:
        try:
            await asyncio.to_thread(_look_after, settings)
        except DpmedError as error:
            log.warning("%s", error)
        pixel_grants().purge()
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _look_after(settings: Settings) -> None:
    """Sweep what readers left behind, and start an engine where there is work and none."""
    installation = Installation.open(settings)
    requests = InferenceRequests(installation)
    requests.clear_old()
    clear_left_behind(settings)
    if requests.open_names() or any(status.state in OPEN_STATES for status in installation.runs.statuses()):
        ensure_engine(settings)


app = st.App(Path(__file__).parent / "pages" / "frame.py", lifespan=lifespan, routes=ROUTES)
