"""Which session may fetch which pixels: a secret token for each session and set of images, valid while the session is active.

Routes for pixels bypass whatever guards the pages, so a request must prove that a page was shown: only its session gets the token.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

LIFETIME_SECONDS = 1800.0
"""A token expires this long after its session last showed an image."""
TOKEN_BYTES = 32


class Images(Protocol):
    """A set of images that one session may see."""

    @property
    def name(self) -> str:
        """Equal for equal sets of one session."""

    def read(self, link: str) -> NDArray[Any] | None:
        """The image that `link` names; None where there is none, or where it may not be seen."""


@dataclass(frozen=True, eq=False)
class InMemoryImages:
    """Images that are only in memory, by their links.

    Attributes:
        name: of the set; another set of the same name takes its place.
        arrays: by link, uint8 or int16.
    """

    name: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def read(self, link: str) -> NDArray[Any] | None:
        """The image that `link` names."""
        return self.arrays.get(link)


@dataclass(frozen=True, eq=False)
class PixelAccess:
    """What a token gives access to.

    Attributes:
        session_id: of the session that holds the token.
        images: what may be fetched.
        expires: time on the clock of `PixelTokens`, in seconds.
    """

    session_id: str
    images: Images
    expires: float


class PixelTokens:
    """The tokens of a server; several threads may use it at once."""

    def __init__(self, *, is_active: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        """Without tokens.

        Args:
            is_active: whether a session is active.
            clock: gives the time in seconds.
        """
        self._is_active, self._clock = is_active, clock
        self._lock = threading.Lock()
        self._by_token: dict[str, PixelAccess] = {}

    def token(self, session_id: str, images: Images) -> str:
        """The token with which `session_id` fetches `images`, valid for another `LIFETIME_SECONDS`.

        Images of the same name replace those that the session had before, under the same token, so that a page that redraws itself does
        not pile up tokens.
        """
        self.purge()
        with self._lock:
            held = next((t for t, a in self._by_token.items() if (a.session_id, a.images.name) == (session_id, images.name)), None)
            token = held or secrets.token_urlsafe(TOKEN_BYTES)
            self._by_token[token] = PixelAccess(session_id, images, self._clock() + LIFETIME_SECONDS)
            return token

    def find(self, token: str) -> PixelAccess | None:
        """What `token` gives access to; None where it is unknown or expired, or its session has ended."""
        with self._lock:  # not around the check, which asks Streamlit
            access = self._by_token.get(token)
        return access if access is not None and self._is_valid(access) else None

    def purge(self) -> None:
        """Remove invalid tokens, and with them images that are only in memory."""
        with self._lock:
            self._by_token = {token: access for token, access in self._by_token.items() if self._is_valid(access)}

    def _is_valid(self, access: PixelAccess) -> bool:
        return access.expires > self._clock() and self._is_active(access.session_id)
