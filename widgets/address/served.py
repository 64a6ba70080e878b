"""Serves `history.js`, and has Streamlit's page load it, and our style sheet, before anything else."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT = Path(__file__).parent / "history.js"
SCRIPT_PATH = "api/address"
HEAD = b"<head>"
CHANGES_THE_ANSWER = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
"""Headers of a request that would have an answer compressed, left out or cut."""
OF_THE_FILE = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
"""Headers of an answer that describe Streamlit's file, not what is sent."""


@lru_cache(maxsize=1)
def script() -> tuple[str, bytes]:
    """The script: its name, which contains a hash of its content, and its content."""
    text = SCRIPT.read_bytes()
    return f"history-{sha256(text).hexdigest()[:12]}.js", text


async def serve_script(request: Request) -> Response:
    """The script; anybody may fetch it, since it holds no data."""
    name, text = script()
    if request.path_params["name"] != name:
        return Response(status_code=404)
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"})


ADDRESS_ROUTES = (Route(f"/{SCRIPT_PATH}/{{name}}", serve_script, methods=["GET"]),)


def with_script(page: bytes, style: str = "") -> bytes:
    """Streamlit's page with the script before all others, relative, so that it works behind a proxy under any path; and with `style`."""
    head = f'<script src="./{SCRIPT_PATH}/{script()[0]}"></script>{f"<style>{style}</style>" if style else ""}'
    return page.replace(HEAD, HEAD + head.encode(), 1)


class ScriptedPage:
    """An application whose pages load the script, as ASGI middleware; everything but pages passes through."""

    def __init__(self, app: ASGIApp, *, style: str = "") -> None:
        """`app` answers what is asked; `style` is a style sheet for its pages, there before anything is drawn."""
        self.app = app
        self.style = style

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
                    await _send_page(start[0], with_script(b"".join(parts), self.style), send)
            else:
                await send(message)

        await self.app({**scope, "headers": headers, "extensions": {}}, receive, sending)


async def _send_page(start: Message, body: bytes, send: Send) -> None:
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in OF_THE_FILE]
    await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _takes_html(scope: Scope) -> bool:
    return any(name.lower() == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_page(message: Message) -> bool:
    of_type = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] == 200 and any(value.startswith(b"text/html") for value in of_type)
