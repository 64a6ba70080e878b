"""The document of a page as it is sent: Streamlit's, which loads our scripts and style sheet before anything else, with its first words."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dpmed_core.errors import DpmedError
from widgets.browser_programs import DOCUMENT
from widgets.document import ahead

log = logging.getLogger(__name__)

HEAD, BODY = b"<head>", b"<body>"
CHANGES_THE_ANSWER = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
"""Headers of a request that would have an answer compressed, left out or cut."""
OF_THE_FILE = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
"""Headers of an answer that describe Streamlit's file, not what is sent."""
CACHED = b"cache-control"
NEVER_KEPT = (CACHED, b"no-store")
"""First words say what was measured on patients: no browser or proxy may keep them."""
PATIENCE = 0.2
"""Seconds that a document waits for its first words; the page says them itself later."""
MOST_AT_ONCE = 4
"""Documents whose words are made at the same time; those of further ones come without."""

Words = Callable[[str, Mapping[str, str]], str]
"""The first words, as HTML, of a page with this address; empty for none."""


def completed(page: bytes, style: str = "", words: str = "") -> bytes:
    """Streamlit's page with the script before all others, relative, so that it works behind a proxy under any path; `style` and `words`."""
    head = f'<script src="./{DOCUMENT.address}" {ahead.attributes()}></script>{f"<style>{style}</style>" if style else ""}'
    return page.replace(HEAD, HEAD + head.encode(), 1).replace(BODY, BODY + words.encode(), 1)


class CompletedDocument:
    """An application whose pages come with script, style and first words, as ASGI middleware; everything but pages passes through."""

    def __init__(self, app: ASGIApp, *, style: str = "", words: Words | None = None, under: str = "") -> None:
        """Complete what `app` answers.

        Args:
            app: answers what is asked.
            style: a style sheet for its pages, there before anything is drawn.
            words: the first words of its pages; None where not everybody who can ask for a document may read them.
            under: the path below which all pages are, as Streamlit's `server.baseUrlPath`; empty for none.
        """
        self.app = app
        self.style = style
        self.words = words
        self.base = f"/{under.strip('/')}" if under.strip("/") else ""
        self.n_making = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a page that a browser opens is held back until it is whole."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _takes_html(scope):
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in CHANGES_THE_ANSWER]
        start: list[Message] = []
        parts: list[bytes] = []

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                start.append(message)
            elif start and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    words = await self._words_of(scope)
                    await _send_page(start[0], completed(b"".join(parts), self.style, words), send, may_be_kept=not words)
            else:
                await send(message)

        await self.app({**scope, "headers": headers, "extensions": {}}, receive, sending)

    async def _words_of(self, scope: Scope) -> str:
        if self.words is None or self.n_making >= MOST_AT_ONCE or not _is_opened(scope):
            return ""
        page, query = scope["path"].removeprefix(self.base).strip("/"), scope.get("query_string", b"").decode("latin-1")
        # In a thread: they may read files, and this event loop serves everybody.
        made = asyncio.ensure_future(asyncio.to_thread(self.words, page, dict(parse_qsl(query, keep_blank_values=True))))
        self.n_making += 1
        made.add_done_callback(self._end)
        try:
            return await asyncio.wait_for(asyncio.shield(made), PATIENCE)
        except Exception:  # noqa: BLE001 (the document comes without them, and the page itself says what is wrong)
            return ""

    def _end(self, made: "asyncio.Future[str]") -> None:
        """Note what went wrong with first words that may no longer be waited for; what a page says itself is no fault here."""
        self.n_making -= 1
        if not made.cancelled() and (error := made.exception()) is not None and not isinstance(error, DpmedError):
            log.warning("a page has no first words: %s", type(error).__name__)


async def _send_page(start: Message, body: bytes, send: Send, *, may_be_kept: bool) -> None:
    left_out = OF_THE_FILE if may_be_kept else (*OF_THE_FILE, CACHED)
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in left_out]
    further = [(b"content-length", str(len(body)).encode()), *([] if may_be_kept else [NEVER_KEPT])]
    await send({**start, "headers": [*headers, *further]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _takes_html(scope: Scope) -> bool:
    return any(name.lower() == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_opened(scope: Scope) -> bool:
    """Whether a person opens the page, as far as the browser tells: a page of another site may ask for it, and is not to make work."""
    return all(value == b"document" for name, value in scope["headers"] if name.lower() == b"sec-fetch-dest")


def _is_page(message: Message) -> bool:
    of_type = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] == 200 and any(value.startswith(b"text/html") for value in of_type)
