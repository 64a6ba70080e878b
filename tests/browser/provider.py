"""An OpenID Connect provider on loopback, the secrets that name it, and signing on there in a browser."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import free_port

LONGEST = 120_000


@dataclass(frozen=True)
class Provider:
    """A provider that is running.

    Attributes:
        url: its issuer.
    """

    url: str

    def add(self, who: str, **claims: object) -> None:
        """Make somebody known, with more claims than their e-mail address."""
        said = {"email": who, "email_verified": True, **claims}
        httpx.put(f"{self.url}/users/{quote(who)}", json=said).raise_for_status()

    def write_secrets(self, file: Path, *, origin: str, cookie_secret: str) -> None:
        """The secrets of a dashboard that browsers reach at `origin`."""
        file.write_text(
            "[auth]\n"
            f'redirect_uri = "{origin}/oauth2callback"\n'
            f'cookie_secret = "{cookie_secret}"\n'
            'client_id = "dpmed"\n'
            'client_secret = "of a test"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider while the block runs."""
    port = free_port()
    url = f"http://localhost:{port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/.well-known/openid-configuration").raise_for_status()
                break
            time.sleep(0.1)
        yield Provider(url)
    finally:
        process.terminate()
        process.wait()


def new_cookie_secret() -> str:
    return secrets.token_hex(24)


def sign_on(browser: Browser, origin: str, who: str, **options: bool) -> tuple[BrowserContext, Page]:
    """A browser of somebody's own, signed on."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, **options)
    page = context.new_page()
    page.set_default_timeout(LONGEST)
    page.goto(origin)
    authorize(page, who)
    return context, page


def authorize(page: Page, who: str) -> None:
    """From the page before the sign-on through the provider and back."""
    page.get_by_role("button", name="Sign on").click()
    page.get_by_placeholder("sub").fill(who)
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_text("Signed on as").first).to_be_visible(timeout=LONGEST)
