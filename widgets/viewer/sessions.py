"""The tokens of this server, and which of its sessions are active."""

from functools import lru_cache

from streamlit.runtime import Runtime

from widgets.viewer.access import PixelTokens


@lru_cache(maxsize=1)
def pixel_tokens() -> PixelTokens:
    """The tokens of this server."""
    return PixelTokens(is_active=is_active)


def is_active(session_id: str) -> bool:
    """Whether a page of the session is open."""
    return Runtime.exists() and Runtime.instance().is_active_session(session_id)
