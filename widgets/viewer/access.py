"""Who may fetch which pixels: a secret token for each session and set of images, known to nobody else and valid while the session lives."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

LASTING_SECONDS = 1800.0
"""A token expires so long after its session last showed an image."""
TOKEN_BYTES = 32


class Images(Protocol):
    """A set of images that one session may see."""

    @property
    def name(self) -> str:
        """Equal for equal sets."""

    def read(self, link: str) -> NDArray[Any] | None:
        """The image that `link` names; None where there is none, or none that may be seen."""


@dataclass(frozen=True, eq=False)
class LentArrays:
    """Images that lie in memory alone, by their links.

    Attributes:
        name: equal for equal sets.
        arrays: uint8 or int16.
    """

    name: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def read(self, link: str) -> NDArray[Any] | None:
        """The image that `link` names."""
        return self.arrays.get(link)


@dataclass(frozen=True, eq=False)
class Grant:
    """What a token opens.

    Attributes:
        session_id: of the session that it was made for.
        images: what may be fetched.
        expires: on the clock of `PixelGrants`, in seconds.
    """

    session_id: str
    images: Images
    expires: float


class PixelGrants:
    """The tokens of a server; may be used by several threads at once."""

    def __init__(self, *, is_active: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        """No tokens yet.

        Args:
            is_active: whether a session still runs.
            clock: gives seconds.
        """
        self._is_active, self._clock = is_active, clock
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def token(self, session_id: str, images: Images) -> str:
        """The token with which `session_id` fetches `images`, from now on valid for `LASTING_SECONDS`.

        Images of the same name take the place of those that the session was given before, under the same token.
        """
        self.purge()
        with self._lock:
            held = next((t for t, g in self._grants.items() if (g.session_id, g.images.name) == (session_id, images.name)), None)
            token = held or secrets.token_urlsafe(TOKEN_BYTES)
            self._grants[token] = Grant(session_id, images, self._clock() + LASTING_SECONDS)
            return token

    def find(self, token: str) -> Grant | None:
        """What `token` opens; None where it is unknown, expired, or its session is gone."""
        with self._lock:
            grant = self._grants.get(token)
        return grant if grant is not None and self._is_valid(grant) else None

    def purge(self) -> None:
        """Forget what opens nothing any more, and the images with it."""
        with self._lock:
            self._grants = {token: grant for token, grant in self._grants.items() if self._is_valid(grant)}

    def _is_valid(self, grant: Grant) -> bool:
        return grant.expires > self._clock() and self._is_active(grant.session_id)

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self._grants)
