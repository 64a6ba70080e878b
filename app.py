"""The application object: `streamlit run app.py`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dpmed_core.demo import start_if_empty
from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError
from dpmed_core.files import keep_files_to_owner
from dpmed_core.foreign_text import keep_logs_plain
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.runs.status import OPEN_STATES
from dpmed_core.settings import Settings, load_settings
from dpmed_core.uploads.single_case import remove_left_behind
from widgets.viewer.routes import ROUTES
from widgets.viewer.sessions import pixel_tokens
from widgets.web_security import GuardedServer, refuse_open_address

log = logging.getLogger(__name__)

USER_ERROR = 2
"""Exit status, as of the command line, of an error that the user can correct."""
LOOK_EVERY_SECONDS = 2.0


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Make the demo cohort in an empty installation; while the server runs, keep an engine running as long as there is work."""
    del app
    keep_files_to_owner()
    keep_logs_plain()
    settings = load_settings()
    await asyncio.to_thread(start_if_empty, settings)
    watch = asyncio.create_task(_watch(settings))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(settings: Settings) -> None:
    while True:
        try:
            # In a thread: it reads files, and this event loop serves the pages and their pixels.
            await asyncio.to_thread(_tidy_and_start_engine, settings)
        except DpmedError as error:
            log.warning("%s", error)
        pixel_tokens().purge()  # sessions end without notice, and images that are only in memory with them
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _tidy_and_start_engine(settings: Settings) -> None:
    """Remove inference requests and uploads that were left behind, and start an engine where there is work and none is running."""
    installation = Installation.open(settings)
    requests = InferenceRequests(installation)
    requests.clear_old()
    remove_left_behind(settings)
    if requests.open_names() or any(status.state in OPEN_STATES for status in installation.runs.statuses()):
        ensure_engine(settings)


def _settings() -> Settings:
    """The settings, which must allow the address on which Streamlit will listen; otherwise one sentence ends the process."""
    try:
        settings = load_settings()
        refuse_open_address(st.get_option("server.address"), settings)
    except DpmedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USER_ERROR)
    return settings


app = st.App(
    Path(__file__).parent / "pages" / "frame.py",
    lifespan=lifespan,
    routes=ROUTES,
    middleware=[Middleware(GuardedServer, settings=_settings())],
)
