"""The application object: `streamlit run app.py`."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dpmed_core.demo import start_if_empty
from dpmed_core.engine.duties import Duties
from dpmed_core.engine.keeper import LOOK_EVERY_SECONDS, keeper
from dpmed_core.errors import DpmedError, SettingsError, in_words
from dpmed_core.files import keep_files_to_owner
from dpmed_core.foreign_text import keep_logs_plain
from dpmed_core.logs import log_to_file
from dpmed_core.settings import Settings, load_settings
from dpmed_core.uploads.single_case import remove_left_behind
from widgets.address.choice import STYLE as STYLE_OF_CHOICES
from widgets.address.requests import follow_requests
from widgets.browser_programs import PROGRAMS
from widgets.budget_control.first_words import STYLE
from widgets.copied_text import STYLE as STYLE_OF_COPIED_TEXT
from widgets.document.first_answers import first_words
from widgets.document.first_words import STYLE as STYLE_OF_FIRST_WORDS
from widgets.document.served import CompletedDocument
from widgets.health import health_routes
from widgets.preload import import_widgets, prepare_views
from widgets.signing_on import is_required, refuse_without_provider
from widgets.viewer.routes import PIXEL_ROUTE
from widgets.viewer.sessions import pixel_tokens
from widgets.web_security import GuardedServer, refuse_open_address

log = logging.getLogger(__name__)

STYLES = (STYLE, STYLE_OF_FIRST_WORDS, STYLE_OF_CHOICES, STYLE_OF_COPIED_TEXT)
"""Style sheets of all pages."""
LONGEST_PREPARING_SECONDS = 20.0
"""The server answers after so long, whether the first pages are ready or not."""
USER_ERROR = 2
"""Exit status, as of the command line, of an error that the user can correct."""


@cache
def duties() -> Duties:
    """What this server does again and again."""
    settings = load_settings()
    # Sessions end without notice, and images that are only in memory with them.
    return keeper(settings, uploads=partial(remove_left_behind, settings), pixels=lambda: pixel_tokens().purge())


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Make the demo cohort in an empty installation; while the server runs, keep an engine running as long as there is work."""
    del app
    keep_files_to_owner()
    keep_logs_plain()
    follow_requests()
    settings = load_settings()
    log_to_file(settings.logs_dir, "server", echo=True)
    try:
        await asyncio.to_thread(start_if_empty, settings)
    except SettingsError:
        raise  # nothing can be done with this data folder
    except Exception as error:  # noqa: BLE001 (pages then say what is wrong with the data folder, which a server that does not start cannot)
        log.warning("the demo cohort is not made: %s", in_words(error))
    await asyncio.to_thread(import_widgets)
    running = [asyncio.create_task(_watch(duties())), asyncio.create_task(_prepare())]
    # Whoever opens a page meanwhile would wait longer than until it is ready: both would share one interpreter.
    await asyncio.wait(running[1:], timeout=LONGEST_PREPARING_SECONDS)
    try:
        yield
    finally:
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _prepare() -> None:
    """Make the first pages ready; whoever opens one meanwhile waits for what is not ready yet, and no longer."""
    try:
        await asyncio.to_thread(prepare_views)
        # Modules and prepared views stay as long as the server does: the garbage collector need not go through them again and again.
        gc.collect()  # what is garbage now would be kept with them
        gc.freeze()
    except Exception as error:  # noqa: BLE001 (a page that needs the same says what is wrong)
        log.warning("the first pages are not made ready: %s", in_words(error))


async def _watch(again: Duties) -> None:
    """Do the duties until the server ends, whatever happens to them."""
    while True:
        try:
            # In a thread: they read files, and this event loop serves the pages and their pixels.
            await asyncio.to_thread(again.look)
        except Exception as error:  # noqa: BLE001 (no thread could be started: the next look may find one)
            log.warning("the keeper could not look: %s", in_words(error))
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _settings() -> Settings:
    """The settings, which must allow the address on which Streamlit will listen; otherwise one sentence ends the process."""
    try:
        settings = load_settings()
        refuse_open_address(st.get_option("server.address"), settings)
        refuse_without_provider(settings)
    except DpmedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USER_ERROR)
    return settings


settings = _settings()
must_sign_on = is_required(settings)
app = st.App(
    Path(__file__).parent / "pages" / "frame.py",
    lifespan=lifespan,
    routes=[PIXEL_ROUTE, *(program.route() for program in PROGRAMS), *health_routes(duties)],
    middleware=[
        Middleware(GuardedServer, settings=settings, must_sign_on=must_sign_on),
        Middleware(
            CompletedDocument,
            style="".join(style.read_text(encoding="utf-8") for style in STYLES),
            # Whoever has to sign on has not yet when the document is sent.
            words=None if must_sign_on else first_words,
            under=st.get_option("server.baseUrlPath"),
        ),
    ],
)
