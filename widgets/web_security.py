"""What the server answers to whom: headers that keep a page to itself, its own host names, and no other machine without sign-on."""

import base64
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings
from widgets.signing_on import shows_sign_on

PAGE = Path(streamlit.__file__).parent / "static" / "index.html"
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses of pages name cohorts and findings.
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK_NAMES = ("localhost",)
OPEN_ADDRESS = (
    "The dashboard speaks no TLS and would listen on {}, where other machines reach it: bind it to localhost behind a proxy that does "
    "(docs/people.md), or set DPMED_OPEN_TO_NETWORK=1 if everybody on that network may see what is sent."
)
NOT_THIS_HOST = "This server is not known by that name: open it as localhost, or add the name to DPMED_HOSTS."
NOT_SIGNED_ON = "Sign on first."
OWN_ROUTES = ("/_stcore/upload_file", "/_stcore/metrics")
"""Streamlit's routes that take what anybody sends, or tell how the server is doing."""
NOT_THIS_PAGE = "A page of another server may not use this one."


@lru_cache(maxsize=1)
def content_security_policy() -> str:
    """Scripts, styles, fonts, pictures and connections from this server alone; no frame may hold a page.

    Streamlit's page has one script written into it, which is allowed by its hash; a component's script comes as a blob from a page's own
    script; libraries for styles write them into the page.
    """
    scripts = INLINE_SCRIPT.findall(PAGE.read_text(encoding="utf-8"))
    hashes = [f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    directives = {
        "default-src": ["'none'"],
        "script-src": ["'self'", "blob:", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "media-src": ["'self'", "blob:"],
        "worker-src": ["'self'", "blob:"],
        "manifest-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def refuse_open_address(address: str | None, settings: Settings) -> None:
    """Refuse to listen where other machines reach the dashboard, unless the settings say so.

    Args:
        address: on which the server will listen; None or empty for all.
        settings: of the installation.

    Raises:
        SettingsError: it is no address of this machine alone.
    """
    if not settings.open_to_network and not is_loopback(address or "0.0.0.0"):
        raise SettingsError(OPEN_ADDRESS.format(address or "all addresses of this machine"))


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine alone."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class GuardedServer:
    """The application behind its guard, as ASGI middleware: for every request and WebSocket."""

    def __init__(self, app: ASGIApp, settings: Settings, *, must_sign_on: bool = False) -> None:
        """`settings` say by which names, and from where, the server may be used.

        Args:
            app: answers what is asked.
            settings: of the installation.
            must_sign_on: routes that Streamlit leaves open answer those alone whose cookie shows a sign-on.
        """
        self.app = app
        self.must_sign_on = must_sign_on
        self.settings = settings
        self.names = {*LOOPBACK_NAMES, socket.gethostname().lower(), *host_names(settings.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with one sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif refusal := self.refusal(scope):
            await _refuse(scope, receive, send, *refusal)
        else:
            await self.app(scope, receive, _with_headers(send))

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """HTTP status and reason why the request is not answered; None where it is."""
        reached, port = scope.get("server") or ("localhost", None)
        if port is not None and not self.settings.open_to_network and not is_loopback(reached):
            return 403, OPEN_ADDRESS.format(reached)
        headers = Headers(scope=scope)
        host = headers.get("host", "localhost")
        if not self._is_own(host_of(f"//{host}")):
            return 421, NOT_THIS_HOST
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and not self._is_own_page(origin, host):
            return 403, NOT_THIS_PAGE
        if self.must_sign_on and any(route in scope["path"] for route in OWN_ROUTES) and not shows_sign_on(cookies_of(headers)):
            return 403, NOT_SIGNED_ON
        return None

    def _is_own(self, name: str) -> bool:
        # Another site can make its own name lead here, but not an address.
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True

    def _is_own_page(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` may open a WebSocket: one of this very server, or of a name that the settings give it."""
        own = (f"http://{host}".lower(), f"https://{host}".lower())
        return origin.lower() in own or host_of(origin) in host_names(self.settings.hosts)


def cookies_of(headers: Headers) -> dict[str, str]:
    """The cookies of a request."""
    return cookie_parser(headers.get("cookie", ""))


def host_names(hosts: str) -> Sequence[str]:
    """The names in the setting."""
    return [name.strip().lower() for name in hosts.split(",") if name.strip()]


def host_of(address: str) -> str:
    """The host in an address, without its port; empty where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            _add(MutableHeaders(scope=message), [*HEADERS.items(), ("Content-Security-Policy", content_security_policy())])
        await send(message)

    return sending


def _add(headers: MutableHeaders, more: Iterable[tuple[str, str]]) -> None:
    for name, value in more:
        headers[name] = value


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
    else:
        await PlainTextResponse(f"{reason}\n", status_code=status)(scope, receive, _with_headers(send))
